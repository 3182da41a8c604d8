// Package engine distinguishes the databases that speak PostgreSQL's protocol, and says
// what migrations must do differently on each.
package engine

import (
	"regexp"
	"strings"
)

// Engine is a database that speaks PostgreSQL's protocol.
type Engine string

// The zero Engine is not known yet.
const (
	PostgreSQL  Engine = "PostgreSQL"
	CockroachDB Engine = "CockroachDB"
	YugabyteDB  Engine = "YugabyteDB"
	Citus       Engine = "Citus"
)

// Distributed lists the engines that spread a database over several machines.
func Distributed() []Engine { return []Engine{CockroachDB, YugabyteDB, Citus} }

// Detect recognizes an engine by its answer to SELECT version(), and by whether
// the database has the extension citus.
func Detect(version string, citus bool) Engine {
	switch {
	case strings.HasPrefix(version, "CockroachDB"):
		return CockroachDB
	case strings.Contains(version, "-YB-"):
		return YugabyteDB
	case citus:
		return Citus
	default:
		return PostgreSQL
	}
}

// MigratesInSteps reports whether each statement of a migration must be its own
// transaction, because schema changes do not roll back and advisory locks do not
// work.
func (e Engine) MigratesInSteps() bool { return e == CockroachDB || e == YugabyteDB }

var deferrable = regexp.MustCompile(`(?i)\bdeferrable\b|\bdrop constraint organizations_has_owner\b`)

// Omits reports whether migrations leave a statement out on this engine.
// CockroachDB has no deferrable constraints (cockroachdb/cockroach issues 31632
// and 158886), so organizations_has_owner is missing there: one transaction
// creates an organization with its owner, no statement deletes an owner, and the
// integrity check (I1) finds what breaks the rule.
func (e Engine) Omits(statement string) bool {
	return e == CockroachDB && deferrable.MatchString(statement)
}
