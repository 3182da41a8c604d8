// Package engine knows the databases that speak PostgreSQL's protocol, and what
// each of them does not take or does otherwise than PostgreSQL. It is read by
// whoever migrates and by the check of scripts/engines.
package engine

import "strings"

// Engine is a database that speaks PostgreSQL's protocol.
type Engine string

// The zero Engine is one that has not been asked for its name yet.
const (
	PostgreSQL  Engine = "PostgreSQL"
	CockroachDB Engine = "CockroachDB"
	YugabyteDB  Engine = "YugabyteDB"
	Citus       Engine = "Citus"
)

// Distributed are the engines beyond one PostgreSQL.
func Distributed() []Engine { return []Engine{CockroachDB, YugabyteDB, Citus} }

// Detect tells an engine by what it answers to SELECT version(), and by whether
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

// MigratesInSteps says that schema changes do not roll back with the transaction
// they stand in, and that advisory locks lock nothing or are not there: each
// statement of a migration is then a transaction of its own.
func (e Engine) MigratesInSteps() bool { return e == CockroachDB || e == YugabyteDB }

// Omits says that a statement of a migration is left out on this engine; Limits
// says why, and what is done instead.
func (e Engine) Omits(statement string) bool {
	for _, l := range e.Met(statement) {
		if l.Omit {
			return true
		}
	}
	return false
}

// Met are the engine's limits that a statement meets.
func (e Engine) Met(statement string) (met []Limit) {
	text := Normal(statement)
	for _, l := range limits {
		if l.Engine == e && l.meets(text) {
			met = append(met, l)
		}
	}
	return met
}
