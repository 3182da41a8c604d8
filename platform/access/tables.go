package access

import "guildhall/platform/schema"

// Tables declares the tables of this package.
func Tables() []schema.Table {
	return []schema.Table{{
		Name: "platform_administrators", Owner: schema.OfPerson("user_id"), Standing: schema.Decides(),
		Tenants:    schema.Shared("the gate reads it for every caller, in any organization"),
		Archive:    schema.NotExported("it grants rights over the whole server"),
		Erasure:    schema.RowsGo("platform_administrators", "user_id = "+schema.Person),
		Copy:       schema.Copied("platform_administrator", "user_id = "+schema.Person, "granted_at").Omitting("it is the id of the export", "user_id"),
		Retention:  schema.Kept("until an administrator is revoked"),
		Sample:     schema.NoSample("the password of the sample data is public"),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "session_writes", Owner: schema.Unowned("it is part of the session"), Standing: schema.Unread(),
		Tenants:    schema.Shared("it names a session and nothing of an organization"),
		Archive:    schema.NotExported("its transaction ids are local to one PostgreSQL server"),
		Erasure:    schema.Remains("the foreign key deletes a row with its session"),
		Copy:       schema.NotCopied("it has only the number of a transaction"),
		Retention:  schema.Kept("as long as the session, with which the foreign key deletes it"),
		Sample:     schema.NoSample("it is for standbys only"),
		Invariants: schema.ByConstraints(),
	}}
}
