package schema

import (
	"fmt"
	"strings"
)

// Invariant is a condition that the data must satisfy. The constraints of the database
// prevent most violations; an invariant finds those that bypassed them.
type Invariant struct {
	Name   string // "I1 an organization has one owner"
	Query  string // finds the violations, with the same text on both databases; its first column is the id to report
	Remedy string // what an operator should do about it; "" for the general advice

	// Breaks reports whether a row of the query violates the invariant, where SQL can't
	// decide it. Nil: every row does. All columns are text.
	Breaks func(row []string) bool
}

// OneOpen requires that each owner has at most one open span: a row without an end.
func OneOpen(name, table, end string, of ...string) Invariant {
	return Invariant{Name: name, Query: fmt.Sprintf("SELECT %s FROM %s WHERE %s IS NULL GROUP BY %s HAVING COUNT(*) > 1",
		of[0], table, end, strings.Join(of, ", "))}
}

// WholeEnd requires that the columns about the end of a span are NULL until it has ended.
func WholeEnd(name, table, end string, about ...string) Invariant {
	return Invariant{
		Name:  name,
		Query: fmt.Sprintf("SELECT id FROM %s WHERE %s IS NULL AND (%s IS NOT NULL)", table, end, strings.Join(about, " IS NOT NULL OR ")),
		Remedy: "these rows were changed by hand: either the span ended and its time is missing, or it did not end and the other columns are wrong; " +
			"a backup or the audit log shows which",
	}
}

// Invariants are the invariants of one table. Foreign keys need none: their definitions
// are read from the database.
type Invariants struct {
	said bool
	list []Invariant
}

// Require is for a table that must satisfy these invariants.
func Require(list ...Invariant) Invariants { return Invariants{said: len(list) > 0, list: list} }

// ByConstraints is for a table that needs no invariants besides its constraints.
func ByConstraints() Invariants { return Invariants{said: true} }

// All returns the invariants.
func (i Invariants) All() []Invariant { return i.list }
