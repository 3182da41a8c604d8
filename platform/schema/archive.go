package schema

import (
	"slices"

	"guildhall/platform/schema/column"
)

// Owner says whether the rows of a table belong to an organization, a person or both.
type Owner struct {
	organization, person, reason string
}

// OfOrganization is for a table of organizations' rows. The column has the id.
func OfOrganization(column string) Owner { return Owner{organization: column} }

// OfPerson is for a table of persons' rows. The column has the id.
func OfPerson(column string) Owner { return Owner{person: column} }

// OfBoth is for a table of rows that belong to a person within an organization.
func OfBoth(organization, person string) Owner {
	return Owner{organization: organization, person: person}
}

// Unowned is for a table whose rows belong to no organization or person, for a reason.
func Unowned(reason string) Owner { return Owner{reason: reason} }

// Organization returns the column with the organization's id, or "".
func (o Owner) Organization() string { return o.organization }

// Person returns the column with the person's id, or "".
func (o Owner) Person() string { return o.person }

// Archive says whether and how the archive of an organization contains the rows of a
// table.
type Archive struct {
	reason string // why the archive does not contain them
	line   Line
	of     string // the type of line that they are part of
	part   []string
	omits  []string
}

// Line is a type of line in an archive. Its members are columns of one table, without the
// column of the organization's id: an archive has one organization.
type Line struct {
	Type    string
	Key     string // the column by which the lines of this type are sorted; "" where there is exactly one
	Columns []column.Column

	// Optional says that a reader may skip lines of this type if it does not know it: the
	// organization is valid without them. Types added after the first version are optional.
	Optional bool
}

// Names returns the names of the columns.
func (l Line) Names() []string {
	names := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		names[i] = c.Name
	}
	return names
}

// Exported is for a table whose rows are each a line of the archive.
func Exported(l Line) Archive { return Archive{line: l} }

// Omitting returns the archive without columns that have a default, which an import gives
// them. A comment at the declaration says why. A line can't get a column later: a reader
// refuses members that it does not know, and lines without one that it expects.
func (a Archive) Omitting(columns ...string) Archive {
	a.omits = columns
	return a
}

// Omits returns the columns that the archive omits.
func (a Archive) Omits() []string { return a.omits }

// ExportedIn is for a table of which these columns are part of a line that
// platform/transfer builds itself.
func ExportedIn(line string, columns ...string) Archive { return Archive{of: line, part: columns} }

// NotExported is for a table that the archive does not contain, for a reason that the
// organization would accept.
func NotExported(reason string) Archive { return Archive{reason: reason} }

// Line returns the type of line of the rows, if each row is a line.
func (a Archive) Line() (l Line, is bool) { return a.line, a.line.Type != "" }

// Carried returns the columns of the table that an archive contains.
func (t Table) Carried() []string {
	if l, is := t.Archive.Line(); is {
		return append(l.Names(), t.Owner.organization)
	}
	return slices.Clone(t.Archive.part)
}
