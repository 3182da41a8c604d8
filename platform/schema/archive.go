package schema

import (
	"slices"

	"guildhall/platform/schema/column"
)

// Owner is whose the rows of a table are.
type Owner struct {
	organization, person, reason string
}

// OfOrganization is a table whose column holds the organization's id.
func OfOrganization(column string) Owner { return Owner{organization: column} }

// OfPerson is a table whose column holds the person's id.
func OfPerson(column string) Owner { return Owner{person: column} }

// OfBoth is a table of what a person is or has in an organization.
func OfBoth(organization, person string) Owner {
	return Owner{organization: organization, person: person}
}

// OfNobody is a table whose rows are neither's, for a reason.
func OfNobody(reason string) Owner { return Owner{reason: reason} }

// Organization is the column that holds an organization's id, or "".
func (o Owner) Organization() string { return o.organization }

// Person is the column that holds a person's id, or "".
func (o Owner) Person() string { return o.person }

// Archive is whether and how the rows of a table travel with their organization.
type Archive struct {
	reason string // why they stay behind
	line   Line
	of     string // the line that they are part of
	part   []string
}

// Line is a type of line in an archive, whose members are columns of one table. The
// column that holds the organization's id is not among them: the archive is of one
// organization.
type Line struct {
	Type    string
	Key     string // the column by which the lines of this type are sorted; "" where there is exactly one
	Columns []column.Column

	// Optional is a type that a reader may skip if it does not know it: without the
	// lines the organization is still right. Types that came later are.
	Optional bool
}

// Names of the columns.
func (l Line) Names() []string {
	names := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		names[i] = c.Name
	}
	return names
}

// Travels is a table whose rows each are a line.
func Travels(l Line) Archive { return Archive{line: l} }

// TravelsIn is a table of which these columns are part of a line that platform/transfer
// makes itself.
func TravelsIn(line string, columns ...string) Archive { return Archive{of: line, part: columns} }

// StaysBehind is a table that does not travel, for a reason that the organization
// would accept.
func StaysBehind(reason string) Archive { return Archive{reason: reason} }

// Line is the type of line that the rows are, if they are one.
func (a Archive) Line() (l Line, is bool) { return a.line, a.line.Type != "" }

// Carried are the columns of the table that an archive holds.
func (t Table) Carried() []string {
	if l, is := t.Archive.Line(); is {
		return append(l.Names(), t.Owner.organization)
	}
	return slices.Clone(t.Archive.part)
}
