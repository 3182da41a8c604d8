package organization

import "guildhall/platform/schema"

const asHistory = "for ever, as the history of the organization's standing"

// Tables implements module.Module.
func (*Module) Tables() []schema.Table {
	return []schema.Table{{
		Name: "organizations", Standing: schema.Added(), Tenants: schema.KeptApart(),
		Retention:  schema.Kept("for ever: an organization is archived, never deleted"),
		Invariants: schema.ByConstraints(),
	}, {
		// One span is open at a time: a row more, by itself, is a new organization's.
		Name: "organization_active_status", Standing: schema.Added(), Tenants: schema.KeptApart(),
		Retention: schema.Kept(asHistory),
		Invariants: schema.Watched(
			schema.OneOpen("I4 one open span of an organization's activity", "organization_active_status", "deactivated_at", "organization_id"),
			schema.WholeEnd("I13 who ended an organization's activity is known with when", "organization_active_status", "deactivated_at", "deactivated_by"),
		),
	}, {
		Name: "organization_suspensions", Standing: schema.Decides(), Tenants: schema.KeptApart(),
		Retention: schema.Kept(asHistory),
		Invariants: schema.Watched(
			schema.OneOpen("I4 one open suspension of an organization", "organization_suspensions", "lifted_at", "organization_id"),
			schema.WholeEnd("I13 who lifted an organization's suspension is known with when", "organization_suspensions", "lifted_at", "lifted_by"),
		),
	}, {
		Name: "organization_archives", Standing: schema.Decides(), Tenants: schema.KeptApart(),
		Retention: schema.Kept(asHistory),
		Invariants: schema.Watched(
			schema.OneOpen("I4 one open archive of an organization", "organization_archives", "restored_at", "organization_id"),
			schema.WholeEnd("I13 who restored an organization, and why, is known with when", "organization_archives", "restored_at", "restored_by", "restore_reason"),
		),
	}}
}

// Invariants implements module.Ruler.
func (*Module) Invariants() []schema.Invariant {
	return []schema.Invariant{{
		Name:  "I5 an organization has a standing",
		Query: `SELECT o.id FROM organizations o WHERE NOT EXISTS (SELECT 1 FROM organization_active_status a WHERE a.organization_id = o.id)`,
	}, {
		Name: "I10 an archived organization is not active",
		Query: `SELECT x.organization_id FROM organization_archives x
			JOIN organization_active_status a ON a.organization_id = x.organization_id AND a.deactivated_at IS NULL WHERE x.restored_at IS NULL`,
	}}
}
