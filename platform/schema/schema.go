// Package schema is what a module says of each of its tables, once. What has to know
// tables by name reads it here: the guard of row-level security, the gate's cache,
// the check of integrity, the sweep, the archive of an organization, sample data.
//
// Three things are said elsewhere: the types of columns and the order of archive lines,
// which follow from the database's schema, and rules that span tables (module.Checker).
//
// The zero value of every field is refused, so that a table cannot stay silent.
package schema

import (
	"errors"
	"fmt"
	"slices"
)

// Table is one table of a module.
type Table struct {
	Name       string
	Owner      Owner      // whose its rows are
	Tenants    Tenants    // what keeps the rows of organizations apart
	Standing   Standing   // which writes may change what somebody may do
	Archive    Archive    // whether and how it travels with an organization
	Retention  Retention  // what is deleted, and when
	Invariants Invariants // what must be true of it
	Sample     Sample     // what `guildhall seed` puts into it
}

// Tenants says what keeps the rows of one organization from another's.
type Tenants struct{ reason string }

const byPolicy = "policy"

// KeptApart is a table whose migrations give it a database.TenantPolicy.
func KeptApart() Tenants { return Tenants{byPolicy} }

// Shared is a table without a policy, for a reason that a reviewer would accept.
func Shared(reason string) Tenants { return Tenants{reason} }

// KeptApart says whether the table has a policy.
func (t Tenants) KeptApart() bool { return t.reason == byPolicy }

// Reason why there is no policy, or "".
func (t Tenants) Reason() string {
	if t.KeptApart() {
		return ""
	}
	return t.reason
}

// Standing says which writes to a table may change what somebody may do, and so what
// the gate may keep (platform/access).
type Standing struct {
	said            bool
	unread, addable bool
	columns         []string
}

// Unread is a table that the gate never reads.
func Unread() Standing { return Standing{said: true, unread: true} }

// Added is a table that the gate reads, in which a new row changes nobody's standing,
// because nobody had its key before. Nor does an UPDATE of these columns alone.
func Added(columns ...string) Standing {
	return Standing{said: true, addable: true, columns: columns}
}

// Decides is a table in which any write may change a standing.
func Decides() Standing { return Standing{said: true} }

// KeptByInsert says whether an INSERT changes nobody's standing.
func (s Standing) KeptByInsert() bool { return s.unread || s.addable }

// KeptByDelete says whether a DELETE changes nobody's standing.
func (s Standing) KeptByDelete() bool { return s.unread }

// KeptByUpdate says whether an UPDATE of this column changes nobody's standing.
func (s Standing) KeptByUpdate(column string) bool {
	return s.unread || slices.Contains(s.columns, column)
}

// Check refuses tables that do not say everything, and those that are declared twice.
func Check(tables []Table) error {
	var faults []error
	seen, lines := map[string]bool{}, map[string]bool{}
	for _, t := range tables {
		fault := t.fault()
		l, isLine := t.Archive.Line()
		switch {
		case seen[t.Name]:
			fault = "is declared twice"
		case isLine && lines[l.Type]:
			fault = "has the same type of line as another table"
		}
		if fault != "" {
			faults = append(faults, fmt.Errorf("schema: table %q %s", t.Name, fault))
		}
		seen[t.Name], lines[l.Type] = true, true
	}
	return errors.Join(faults...)
}

// fault is the first one of the declaration.
func (t Table) fault() string {
	l, isLine := t.Archive.Line()
	switch {
	case t.Name == "":
		return "has no name"
	case t.Owner == Owner{}:
		return "does not say whose its rows are"
	case t.Tenants.reason == "":
		return "does not say what keeps organizations apart"
	case t.Tenants.KeptApart() && t.Owner.organization == "":
		return "has a policy, but is of no organization"
	case !t.Standing.said:
		return "does not say whether it decides on a standing"
	case !isLine && t.Archive.of == "" && t.Archive.reason == "":
		return "does not say whether it travels in an archive"
	case isLine && t.Owner.organization == "":
		return "travels in an archive, but is of no organization"
	case l.Optional && l.Key == "":
		return "has an optional line of which there must be one: give it a key"
	case t.Retention.how == "":
		return "does not say how long its rows stay"
	case !t.Invariants.said:
		return "does not say what must be true of it"
	case t.Sample.rows == nil && t.Sample.reason == "":
		return "does not say what sample data it gets"
	}
	return ""
}
