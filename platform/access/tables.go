package access

import "guildhall/platform/schema"

// Tables declares the tables of this package.
func Tables() []schema.Table {
	return []schema.Table{{
		Name: "platform_administrators", Owner: schema.OfPerson("user_id"), Standing: schema.Decides(),
		Tenants:    schema.Shared("the gate reads it for every caller, in any organization"),
		Archive:    schema.NotExported("it grants rights over the whole server"),
		Retention:  schema.Kept("until an administrator is revoked"),
		Sample:     schema.NoSample("the password of the sample data is public"),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "session_writes", Owner: schema.Unowned("it is part of the session"), Standing: schema.Unread(),
		Tenants:    schema.Shared("it names a session and nothing of an organization"),
		Archive:    schema.NotExported("its transaction ids are local to one PostgreSQL server"),
		Retention:  schema.Kept("as long as the session, with which the foreign key deletes it"),
		Sample:     schema.NoSample("it is for standbys only"),
		Invariants: schema.ByConstraints(),
	}}
}
