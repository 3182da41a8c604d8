package machine

import (
	"guildhall/platform/schema"
	"guildhall/platform/schema/column"
)

// Tables implements module.Module. API keys are rows of sessions, which modules/auth declares.
func (*Module) Tables() []schema.Table {
	return []schema.Table{{
		// A new account is in no cache: the gate reads the table only for the target of a change.
		Name: "service_accounts", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Unread(), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "service_account", Key: "user_id", Optional: true, Columns: []column.Column{
			column.Person("user_id"), column.Written("description", 0, 2000).OrNull(),
		}}),
		Erasure:    schema.Remains("it is about programs, not about people"),
		Copy:       schema.NotCopied("it is about programs, not about people"),
		Retention:  schema.Kept("as long as the account, which is archived and never deleted"),
		Sample:     schema.NoSample("the sizes of the sample data count people and their memberships"),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "apis", Owner: schema.Unowned("they are the operator's"), Standing: schema.Unread(),
		Tenants:   schema.Shared("only platform administrators and the APIs read them"),
		Archive:   schema.NotExported("they belong to the installation"),
		Erasure:   schema.Remains("it is about programs, not about people"),
		Copy:      schema.NotCopied("it is about programs, not about people"),
		Retention: schema.Kept("until a platform administrator removes the API"),
		Sample:    schema.NoSample("the sample data has only people"),
		Invariants: schema.Require(schema.Invariant{
			Name: "I22 a registered API is a service account in no organization",
			Query: `SELECT a.id FROM apis a JOIN service_accounts s ON s.user_id = a.id
				WHERE s.organization_id IS NOT NULL`,
			Remedy: "remove the API, and register it again: DELETE FROM api_scopes WHERE api_id = '…'; DELETE FROM apis WHERE id = '…'",
		}),
	}, {
		Name: "api_scopes", Owner: schema.Unowned("they are the operator's"), Standing: schema.Unread(),
		Tenants:    schema.Shared("only platform administrators and the APIs read them"),
		Archive:    schema.NotExported("they belong to the installation"),
		Erasure:    schema.Remains("it is about programs, not about people"),
		Copy:       schema.NotCopied("it is about programs, not about people"),
		Retention:  schema.Kept("as long as the API"),
		Sample:     schema.NoSample("the sample data has only people"),
		Invariants: schema.ByConstraints(),
	}}
}

// Invariants implements module.Checker.
func (*Module) Invariants() []schema.Invariant {
	return []schema.Invariant{{
		Name: "I20 a service account is in its own organization only",
		Query: `SELECT m.user_id FROM organization_members m JOIN service_accounts s ON s.user_id = m.user_id
			WHERE s.organization_id IS NULL OR s.organization_id <> m.organization_id`,
		Remedy: "remove it from the other organization: DELETE FROM organization_members WHERE organization_id = '…' AND user_id = '…'",
	}, {
		Name:   "I20 a service account owns no organization",
		Query:  `SELECT w.user_id FROM organization_owners w JOIN service_accounts s ON s.user_id = w.user_id`,
		Remedy: "transfer the ownership to a person: guildhall organization transfer",
	}, {
		Name: "I21 the holder of an API key is a member",
		Query: `SELECT k.id FROM sessions k WHERE k.kind = 'key' AND k.revoked_at IS NULL AND k.organization_id IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = k.organization_id AND m.user_id = k.user_id)`,
		Remedy: "end the key by hand: UPDATE sessions SET revoked_at = '2026-11-25 10:00:00+00:00', revoked_reason = 'operator' WHERE id = '…'",
	}}
}
