package audit

import "guildhall/platform/schema"

// Tables of this package.
func Tables(r *Retention) []schema.Table {
	return []schema.Table{{
		Name: "audit_chains", Standing: schema.Unread(),
		Tenants:    schema.Shared("a head is a number and a hash; the events have a policy"),
		Retention:  schema.Kept("for ever: a chain that was begun is continued, and says what was forgotten of it"),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "audit_events", Standing: schema.Unread(), Tenants: schema.KeptApart(),
		Retention:  schema.Swept("audit events", "once they are older than AUDIT_RETENTION_DAYS", r.Sweep),
		Invariants: schema.ByConstraints(), // Verify checks the chains
	}}
}
