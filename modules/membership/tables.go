package membership

import (
	"guildhall/platform/schema"
	"guildhall/platform/schema/column"
)

// Tables implements module.Module.
func (*Module) Tables() []schema.Table {
	return []schema.Table{{
		Name: "organization_members", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Added("searchable"), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "member", Key: "user_id", Columns: []column.Column{
			column.Person("user_id"), column.Past("joined_at"),
		}}).Omitting("searchable"), // a worker stores the terms
		Erasure: schema.RowsGo("organization_members", "user_id = "+schema.Person+` AND NOT EXISTS (SELECT 1 FROM organization_owners w
			WHERE w.organization_id = organization_members.organization_id AND w.user_id = organization_members.user_id)`),
		Copy:      schema.Copied("memberships", "user_id = "+schema.Person, "organization_id", "joined_at").Omitting("the id of the export, and bookkeeping", "user_id", "searchable"),
		Retention: schema.Kept("until the person leaves or is removed"),
		Sample:    schema.Sampled(sampleMembers),
		Invariants: schema.Require(schema.Invariant{
			Name:  "I7 a membership is unique",
			Query: `SELECT organization_id FROM organization_members GROUP BY organization_id, user_id HAVING COUNT(*) > 1`,
		}),
	}, {
		Name: "organization_admins", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Decides(), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "admin", Key: "user_id", Columns: []column.Column{
			column.Person("user_id"), column.Past("granted_at"), column.Person("granted_by").OrNull(),
		}}),
		Erasure:    schema.RowsGo("organization_admins", "user_id = "+schema.Person),
		Copy:       schema.Copied("admin_of", "user_id = "+schema.Person, "organization_id", "granted_at").Omitting("the ids of the export, and of another who granted it", "user_id", "granted_by"),
		Retention:  schema.Kept("until the grant is revoked or the membership ends"),
		Sample:     schema.Sampled(sampleGrants),
		Invariants: schema.ByConstraints(),
	}, {
		// An INSERT is always for a new organization, which has an owner from its first
		// commit on.
		Name: "organization_owners", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Added(), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "owner", Columns: []column.Column{
			column.Person("user_id"), column.Past("since"),
		}}),
		Erasure:    schema.Remains("an organization has an owner; it is archived, and the owner only an id"),
		Copy:       schema.Copied("owner_of", "user_id = "+schema.Person, "organization_id", "since").Omitting("it is the id of the export", "user_id"),
		Retention:  schema.Kept("until another owns the organization"),
		Sample:     schema.Sampled(sampleOwners),
		Invariants: schema.ByConstraints(),
	}}
}

const nameAnOwner = "name an owner who is a member, by hand: INSERT INTO organization_owners (organization_id, user_id, since) VALUES ('…', '…', '2026-11-25 10:00:00+00:00')"

// Invariants implements module.Checker.
func (*Module) Invariants() []schema.Invariant {
	return []schema.Invariant{{
		Name:   "I1 an organization has one owner",
		Query:  `SELECT o.id FROM organizations o WHERE (SELECT COUNT(*) FROM organization_owners w WHERE w.organization_id = o.id) <> 1`,
		Remedy: nameAnOwner,
	}, {
		Name: "I2 the owner is a member",
		Query: `SELECT w.organization_id FROM organization_owners w
			WHERE NOT EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = w.organization_id AND m.user_id = w.user_id)`,
		Remedy: nameAnOwner,
	}, {
		Name: "I3 admins are members",
		Query: `SELECT a.organization_id FROM organization_admins a
			WHERE NOT EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = a.organization_id AND m.user_id = a.user_id)`,
	}, {
		Name: "I3 the owner has no admin grant",
		Query: `SELECT a.organization_id FROM organization_admins a
			JOIN organization_owners w ON w.organization_id = a.organization_id AND w.user_id = a.user_id`,
		Remedy: "delete the grant by hand: DELETE FROM organization_admins WHERE organization_id = '…' AND user_id = '…'",
	}}
}
