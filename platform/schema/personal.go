package schema

import (
	"slices"

	"github.com/google/uuid"
)

// leastReason is the length of a reason that explains something.
const leastReason = 20

// Parameters of the statements and conditions of Erasure and Copy. They stand for values of
// the person: no statement has another parameter.
const (
	Person  = ":person"  // the id
	Address = ":address" // the canonical email address
	// OwnAddress is the canonical email address if the person has proved it, or else empty. What
	// others keep about an address is the person's only if the address is.
	OwnAddress = ":own_address"
	Moment     = ":now" // when the erasure happens
)

// OwnOrganizations selects the organizations that a person owns and that nobody else is in. Their
// names and reasons are the person's: a registration names one after them.
const OwnOrganizations = "SELECT w.organization_id FROM organization_owners w WHERE w.user_id = " + Person +
	" AND NOT EXISTS (SELECT 1 FROM organization_members o WHERE o.organization_id = w.organization_id AND o.user_id <> w.user_id)"

// Erased is what replaces a text of an erased person where a column requires one.
const Erased = "Erased"

// Erasure says what the erasure of a person does with what a table holds about them.
type Erasure struct {
	reason     string
	statements []string
}

// RowsGo is for a table of which the rows that satisfy a condition are deleted.
func RowsGo(table, where string) Erasure {
	return Erasure{statements: []string{"DELETE FROM " + table + " WHERE " + where}}
}

// Blanked is for a table of which rows stay, without what was personal in them: the
// statements replace it.
func Blanked(statements ...string) Erasure { return Erasure{statements: statements} }

// Remains is for a table that an erasure does not change, for a reason that the person would
// accept.
func Remains(reason string) Erasure { return Erasure{reason: reason} }

// Statements returns the statements that erase a person.
func (e Erasure) Statements() []string { return e.statements }

func (e Erasure) isDeclared() bool { return len(e.statements) > 0 || len(e.reason) >= leastReason }

// Copy says what the export of a person has of a table.
type Copy struct {
	reason  string
	name    string
	where   string
	columns []string
	omits   []string
	shown   func(row map[string]any, person uuid.UUID)
	read    bool
}

// Copied is for a table of which the export has these columns of the rows that satisfy a
// condition, under a name.
func Copied(name, where string, columns ...string) Copy {
	return Copy{name: name, where: where, columns: columns}
}

// Omitting returns the copy without columns, for a reason: they are secrets, bookkeeping, or
// about other people.
func (c Copy) Omitting(reason string, columns ...string) Copy {
	c.reason, c.omits = reason, columns
	return c
}

// Showing returns the copy with a function that removes from a row what the person may not
// see.
func (c Copy) Showing(shown func(row map[string]any, person uuid.UUID)) Copy {
	c.shown = shown
	return c
}

// CopiedByReader is for a table whose rows another package reads for the export
// (platform/person), under a name.
func CopiedByReader(name string) Copy { return Copy{name: name, read: true} }

// NotCopied is for a table of which the export has nothing, for a reason that the person
// would accept.
func NotCopied(reason string) Copy { return Copy{reason: reason} }

// Name returns the name of the rows in the export, or "".
func (c Copy) Name() string { return c.name }

// Where returns the condition for the person's rows.
func (c Copy) Where() string { return c.where }

// Columns returns the columns of the export, or none if a reader reads the rows.
func (c Copy) Columns() []string { return slices.Clone(c.columns) }

// Omits returns the columns that the export omits.
func (c Copy) Omits() []string { return slices.Clone(c.omits) }

// Show removes from a row what the person may not see.
func (c Copy) Show(row map[string]any, person uuid.UUID) {
	if c.shown != nil {
		c.shown(row, person)
	}
}

func (c Copy) isDeclared() bool {
	switch {
	case c.name == "":
		return len(c.reason) >= leastReason
	case len(c.omits) > 0 && len(c.reason) < leastReason:
		return false
	default:
		return c.read || c.where != "" && len(c.columns) > 0
	}
}
