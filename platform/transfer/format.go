package transfer

import "maps"

// An archive is gzip (RFC 1952) of lines of JSON, each an object with a "type".
// The lines of a type follow each other, in the order of lines() and sorted by
// their key, so that a repeated one shows without a list of all. The last line
// holds SHA-256 of all bytes before it.
//
// The version changes whenever an older program would read a newer archive
// wrongly. A reader takes its own version and refuses every line, member and
// word that it does not know: the server that imports must not be older than
// the one that exported.
const (
	formatName    = "guildhall-organization"
	formatVersion = 1
)

const (
	maxLine   = 64 << 10   // bytes; the longest that can be written has about 25 KiB
	maxPeople = 10_000_000 // each takes 33 bytes of memory
)

// shape is a type of line.
type shape struct {
	line    string // its "type"
	once    bool   // there is exactly one
	columns []column
	key     string // the column that lines of this type are sorted by

	table string   // where it is kept, if it is the row of a table
	whose []string // the columns of that table that hold the organization's id
}

// The types of lines, in their order.
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

func lines() []shape {
	ofOrganization := []string{"organization_id"}
	return []shape{
		{line: archiveLine, once: true, columns: []column{
			word("format"), number("version"), past("exported_at"), text("guildhall", 255), id("organization_id"), flag("password_hashes"),
		}},
		{line: personLine, key: "email", columns: []column{
			id("id"), email("email"), name("name"), orNull(bio("bio")), orNull(avatar("avatar_url")),
			past("created_at"), past("updated_at"), orNull(passwordHash("password_hash")),
		}},
		{line: organizationLine, once: true, table: "organizations", whose: []string{"id"}, columns: []column{
			name("name"), past("created_at"), past("updated_at"),
		}},
		{line: orgActiveLine, table: "organization_active_status", whose: ofOrganization, key: "id", columns: []column{
			id("id"), past("activated_at"), orNull(person("activated_by")), orNull(past("deactivated_at")), orNull(person("deactivated_by")),
		}},
		{line: orgSuspendedLine, table: "organization_suspensions", whose: ofOrganization, key: "id", columns: []column{
			id("id"), reason("reason"), flag("by_operator"), past("suspended_at"), orNull(person("suspended_by")), orNull(moment("suspended_until")),
			orNull(past("lifted_at")), orNull(person("lifted_by")),
		}},
		{line: orgArchivedLine, table: "organization_archives", whose: ofOrganization, key: "id", columns: []column{
			id("id"), reason("reason"), past("archived_at"), orNull(person("archived_by")),
			orNull(past("restored_at")), orNull(person("restored_by")), orNull(reason("restore_reason")),
		}},
		{line: memberLine, table: "organization_members", whose: ofOrganization, key: "user_id", columns: []column{
			person("user_id"), past("joined_at"),
		}},
		{line: adminLine, table: "organization_admins", whose: ofOrganization, key: "user_id", columns: []column{
			person("user_id"), past("granted_at"), orNull(person("granted_by")),
		}},
		{line: ownerLine, once: true, table: "organization_owners", whose: ofOrganization, columns: []column{
			person("user_id"), past("since"),
		}},
		{line: activeLine, table: "user_active_status", whose: ofOrganization, key: "id", columns: []column{
			id("id"), person("user_id"), past("activated_at"), orNull(person("activated_by")),
			orNull(past("deactivated_at")), orNull(person("deactivated_by")),
		}},
		{line: suspendedLine, table: "user_suspensions", whose: ofOrganization, key: "id", columns: []column{
			id("id"), person("user_id"), reason("reason"), past("suspended_at"), orNull(person("suspended_by")), orNull(moment("suspended_until")),
			orNull(past("lifted_at")), orNull(person("lifted_by")),
		}},
		// Where the part of the trail begins that retention has kept.
		{line: chainLine, once: true, columns: []column{number("first_sequence"), orNull(digest("first_hash"))}},
		// As they were written, with the ids that people had: the hashes cover them.
		{line: eventLine, table: "audit_events", whose: []string{"chain_id", "organization_id"}, key: "sequence", columns: []column{
			number("sequence"), id("id"), past("occurred_at"), action("action"), orNull(id("user_id")), orNull(id("actor_user_id")),
			text("actor_role", 255), orNull(id("session_id")), text("address", 255), text("client", 255), text("request_id", 255),
			details("details"), digest("hash"),
		}},
		{line: endLine, once: true, columns: []column{number("lines"), digest("sha256")}},
	}
}

// Columns are those that an archive carries, by the table in which they are
// kept: for a test that holds them to the schema.
func Columns() map[string][]string {
	all := map[string][]string{
		"users":               {"id", "email", "email_canonical", "created_at", "updated_at"},
		"user_profile":        {"user_id", "name", "bio", "avatar_url"},
		"user_login_password": {"user_id", "password_hash", "updated_at"},
		"audit_chains":        {"id", "sequence", "hash", "first_sequence", "first_hash", "oldest_at"},
	}
	kept := map[string][]string{}
	for _, s := range lines() {
		if s.table != "" {
			kept[s.table] = append(s.names(), s.whose...)
		}
	}
	maps.Copy(all, kept)
	return all
}

func (s shape) names() []string {
	names := make([]string, len(s.columns))
	for i, c := range s.columns {
		names[i] = c.name
	}
	return names
}
