package access

import "guildhall/platform/schema"

// Tables of this package.
func Tables() []schema.Table {
	return []schema.Table{{
		Name: "platform_administrators", Standing: schema.Decides(),
		Tenants:    schema.Shared("the gate reads it for every caller, in whatever organization they are"),
		Retention:  schema.Kept("until an administrator is revoked"),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "session_writes", Standing: schema.Unread(),
		Tenants:    schema.Shared("it names a session and nothing of an organization"),
		Retention:  schema.Kept("as long as the session, with which the foreign key deletes it"),
		Invariants: schema.ByConstraints(),
	}}
}
