package schema

import (
	"fmt"
	"strings"
)

// Invariant is a sentence that must be true of the data. The constraints of the
// database make most violations impossible; this finds what went around them.
type Invariant struct {
	Name   string // "I1 an organization has one owner"
	Query  string // finds what breaks it, the same on both databases; its first column is the id that is reported
	Remedy string // what an operator does about it; "" is the general advice

	// Breaks says whether a row of the query breaks the invariant, where SQL can't
	// tell; nil where every row does. All columns are text.
	Breaks func(row []string) bool
}

// OneOpen requires that at most one span of each owner is open: one that has no end.
func OneOpen(name, table, end string, of ...string) Invariant {
	return Invariant{Name: name, Query: fmt.Sprintf("SELECT %s FROM %s WHERE %s IS NULL GROUP BY %s HAVING COUNT(*) > 1",
		of[0], table, end, strings.Join(of, ", "))}
}

// WholeEnd requires that a span says nothing of its end before it has one.
func WholeEnd(name, table, end string, about ...string) Invariant {
	return Invariant{
		Name:  name,
		Query: fmt.Sprintf("SELECT id FROM %s WHERE %s IS NULL AND (%s IS NOT NULL)", table, end, strings.Join(about, " IS NOT NULL OR ")),
		Remedy: "somebody wrote to these rows by hand: either it ended, and the time is missing, or it did not, and whoever is named did nothing; " +
			"a backup or the audit trail tells which",
	}
}

// Invariants are those of one table. Foreign keys need none: they are read from
// the database.
type Invariants struct {
	said bool
	list []Invariant
}

// Watched is a table of which these must be true.
func Watched(list ...Invariant) Invariants { return Invariants{said: len(list) > 0, list: list} }

// ByConstraints is a table of which nothing must be true but its constraints.
func ByConstraints() Invariants { return Invariants{said: true} }

// All returns them.
func (i Invariants) All() []Invariant { return i.list }
