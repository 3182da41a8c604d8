// Package schema lets a module declare the properties of each of its tables, in one
// place. All code that works on tables by name reads the declarations: row-level
// security, the gate's cache, the integrity check, the sweep, the archive of an
// organization and sample data.
//
// Two properties follow from the database's schema instead: the types of columns and the
// order of archive lines. Rules that span tables are in module.Checker.
//
// The zero value of every field is refused, so that no declaration is incomplete.
package schema

import (
	"errors"
	"fmt"
	"slices"
)

// Table is one table of a module.
type Table struct {
	Name       string
	Owner      Owner      // whose rows they are
	Tenants    Tenants    // what isolates the rows of organizations
	Standing   Standing   // which writes may change a standing
	Archive    Archive    // whether and how the archive of an organization contains it
	Erasure    Erasure    // what the erasure of a person does with what it holds about them
	Copy       Copy       // what the export of a person has of it
	Retention  Retention  // which rows are deleted, and when
	Invariants Invariants // what its rows must satisfy
	Sample     Sample     // what `guildhall seed` puts into it
}

// Tenants says what isolates the rows of one organization from those of others.
type Tenants struct{ reason string }

const byPolicy = "policy"

// Isolated is for a table whose migrations give it a database.TenantPolicy.
func Isolated() Tenants { return Tenants{byPolicy} }

// Shared is for a table without a policy, for a reason that a reviewer would accept.
func Shared(reason string) Tenants { return Tenants{reason} }

// HasPolicy reports whether the table has a policy.
func (t Tenants) HasPolicy() bool { return t.reason == byPolicy }

// Reason returns why the table has no policy, or "" if it has one.
func (t Tenants) Reason() string {
	if t.HasPolicy() {
		return ""
	}
	return t.reason
}

// Standing says which writes to a table may change what a person may do. The gate's cache
// depends on it (platform/access).
type Standing struct {
	said            bool
	unread, addable bool
	columns         []string
}

// Unread is for a table that the gate never reads.
func Unread() Standing { return Standing{said: true, unread: true} }

// Added is for a table that the gate reads and in which a new row changes no existing
// standing, because its key is new. An UPDATE of only these columns does not change one
// either.
func Added(columns ...string) Standing {
	return Standing{said: true, addable: true, columns: columns}
}

// Decides is for a table in which any write may change a standing.
func Decides() Standing { return Standing{said: true} }

// KeptByInsert reports whether an INSERT leaves every standing unchanged.
func (s Standing) KeptByInsert() bool { return s.unread || s.addable }

// KeptByDelete reports whether a DELETE leaves every standing unchanged.
func (s Standing) KeptByDelete() bool { return s.unread }

// KeptByUpdate reports whether an UPDATE of this column leaves every standing unchanged.
func (s Standing) KeptByUpdate(column string) bool {
	return s.unread || slices.Contains(s.columns, column)
}

// Check refuses incomplete declarations and tables that are declared twice.
func Check(tables []Table) error {
	var faults []error
	seen, lines, copies := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, t := range tables {
		fault := t.fault()
		l, isLine := t.Archive.Line()
		switch {
		case seen[t.Name]:
			fault = "is declared twice"
		case isLine && lines[l.Type]:
			fault = "has the same type of line as another table"
		case t.Copy.name != "" && copies[t.Copy.name]:
			fault = "has the same name in the export of a person as another table"
		}
		if fault != "" {
			faults = append(faults, fmt.Errorf("schema: table %q %s", t.Name, fault))
		}
		seen[t.Name], lines[l.Type], copies[t.Copy.name] = true, true, true
	}
	return errors.Join(faults...)
}

// fault returns the first fault of the declaration, or "".
func (t Table) fault() string {
	l, isLine := t.Archive.Line()
	switch {
	case t.Name == "":
		return "has no name"
	case t.Owner == Owner{}:
		return "has no Owner"
	case t.Tenants.reason == "":
		return "has no Tenants"
	case t.Tenants.HasPolicy() && t.Owner.organization == "":
		return "has a policy, but no column of the organization"
	case !t.Standing.said:
		return "has no Standing"
	case !isLine && t.Archive.of == "" && t.Archive.reason == "":
		return "has no Archive"
	case isLine && t.Owner.organization == "":
		return "is exported, but has no column of the organization"
	case l.Optional && l.Key == "":
		return "has an optional line without a key, although exactly one line is required"
	case !t.Erasure.isDeclared():
		return "has no Erasure"
	case !t.Copy.isDeclared():
		return "has no Copy"
	case t.Retention.how == "":
		return "has no Retention"
	case !t.Invariants.said:
		return "has no Invariants"
	case t.Sample.rows == nil && t.Sample.reason == "":
		return "has no Sample"
	}
	return ""
}
