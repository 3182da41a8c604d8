package transfer

import (
	"slices"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/password"
	"guildhall/platform/schema"
	"guildhall/platform/schema/column"
)

// An archive is gzip (RFC 1952) of lines of JSON, each an object with a "type". The
// lines of one type are consecutive. Types appear in the order of lines(), and lines of
// a type are sorted by their key, so that a reader detects a repeated one without a
// list of all. The last line contains the SHA-256 of all bytes before it.
//
// The version changes whenever an older program would misread a newer archive. A reader
// accepts only its own version, and refuses every line, member and word that it does
// not know. The exception are lines with the member "optional": it skips those whose
// type it does not know, and reports that.
const (
	formatName    = "guildhall-organization"
	formatVersion = 1
)

const (
	maxLine   = 64 << 10   // bytes; the longest line that can be written has about 25 KiB
	maxPeople = 10_000_000 // each takes 33 bytes of memory
)

// shape is the schema of a type of line.
type shape struct {
	schema.Line
	once  bool     // exactly one line has this type
	table string   // the table of the row, if the line is one
	whose []string // the columns of that table that contain the organization's id
}

// These are the types of version 1, in their order, that have rules of their own.
const (
	archiveLine      = "archive"
	personLine       = "person"
	organizationLine = "organization"
	orgActiveLine    = "organization_active_status"
	orgSuspendedLine = "organization_suspension"
	orgArchivedLine  = "organization_archive"
	memberLine       = "member"
	adminLine        = "admin"
	ownerLine        = "owner"
	activeLine       = "user_active_status"
	suspendedLine    = "user_suspension"
	chainLine        = "audit_chain"
	eventLine        = "audit_event"
	endLine          = "end"
)

// tablesOfVersion1 are the lines that tables declared in version 1, in their order.
// This order is kept if foreign keys allow another one.
var tablesOfVersion1 = []string{
	organizationLine, orgActiveLine, orgSuspendedLine, orgArchivedLine, memberLine, adminLine, ownerLine, activeLine, suspendedLine,
}

// once returns a type of which there is exactly one line, and which this package writes
// itself.
func once(line string, columns ...column.Column) shape {
	return shape{Line: schema.Line{Type: line, Columns: columns}, once: true}
}

// lines returns all types, in their order.
func lines(tables []schema.Table, keys []database.ForeignKey, hasher *password.Hasher) []shape {
	shapes := []shape{
		once(archiveLine, column.Word("format"), column.Number("version"), column.Past("exported_at"), column.Text("guildhall", 255),
			column.ID("organization_id"), column.Flag("password_hashes")),
		{Line: schema.Line{Type: personLine, Key: "email", Columns: []column.Column{
			column.ID("id"), column.Of[field.Email]("email"), column.Written("name", 1, 255),
			column.Written("bio", 0, 2000).OrNull(), column.Of[field.AvatarURL]("avatar_url").OrNull(),
			column.Past("created_at"), column.Past("updated_at"), passwordHash("password_hash", hasher).OrNull(),
		}}},
	}
	shapes = append(shapes, declared(tables, keys)...)
	return append(shapes,
		// This line says where the retained part of the audit chain begins.
		once(chainLine, column.Number("first_sequence"), column.Digest("first_hash").OrNull()),
		// The events are exported unchanged, with the ids that people had, because the
		// hashes cover them.
		shape{table: "audit_events", whose: []string{"chain_id", "organization_id"}, Line: schema.Line{Type: eventLine, Key: "sequence", Columns: []column.Column{
			column.Number("sequence"), column.ID("id"), column.Past("occurred_at"), column.Of[audit.Action]("action"),
			column.ID("user_id").OrNull(), column.ID("actor_user_id").OrNull(), column.Text("actor_role", 255), column.ID("session_id").OrNull(),
			column.Text("address", 255), column.Text("client", 255), column.Text("request_id", 255), column.Details("details"), column.Digest("hash"),
		}}},
		once(endLine, column.Number("lines"), column.Digest("sha256")),
	)
}

// declared returns the lines of the tables. Each comes after those that its foreign
// keys refer to. If that leaves a choice, those of version 1 come first, and then the
// declared order decides.
func declared(tables []schema.Table, keys []database.ForeignKey) []shape {
	var waiting, ordered []shape
	for _, t := range tables {
		if l, is := t.Archive.Line(); is {
			waiting = append(waiting, shape{Line: l, once: l.Key == "", table: t.Name, whose: []string{t.Owner.Organization()}})
		}
	}
	rank := func(s shape) int {
		if i := slices.Index(tablesOfVersion1, s.Type); i >= 0 {
			return i
		}
		return len(tablesOfVersion1)
	}
	slices.SortStableFunc(waiting, func(a, b shape) int { return rank(a) - rank(b) })
	waits := func(s shape) bool {
		return slices.ContainsFunc(keys, func(k database.ForeignKey) bool {
			return k.Table == s.table && k.Parent != s.table && slices.ContainsFunc(waiting, func(w shape) bool { return w.table == k.Parent })
		})
	}
	for len(waiting) > 0 {
		// In a circle, which requires a constraint that is checked only at the commit,
		// the first one is taken.
		i := max(0, slices.IndexFunc(waiting, func(s shape) bool { return !waits(s) }))
		ordered = append(ordered, waiting[i])
		waiting = slices.Delete(waiting, i, i+1)
	}
	return ordered
}

func passwordHash(name string, hasher *password.Hasher) column.Column {
	return column.OfText(name, func(s string) (any, error) {
		if err := hasher.Readable(s); err != nil {
			return nil, fault.Wrong("must be a password hash that this server can verify.")
		}
		return s, nil
	})
}
