package audit

import "guildhall/platform/schema"

// Tables of this package.
func Tables(r *Retention) []schema.Table {
	return []schema.Table{{
		Name: "audit_chains", Owner: schema.OfNobody("a chain is an organization's or a person's, by its id"), Standing: schema.Unread(),
		Tenants:    schema.Shared("a head is a number and a hash; the events have a policy"),
		Archive:    schema.TravelsIn("audit_chain", "id", "sequence", "hash", "first_sequence", "first_hash", "oldest_at"),
		Retention:  schema.Kept("for ever: a chain that was begun is continued, and says what was forgotten of it"),
		Sample:     schema.NoSample("nobody did anything"),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "audit_events", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Unread(), Tenants: schema.KeptApart(),
		Archive: schema.TravelsIn("audit_event", "chain_id", "sequence", "id", "occurred_at", "action", "organization_id", "user_id",
			"actor_user_id", "actor_role", "session_id", "address", "client", "request_id", "details", "hash"),
		Retention:  schema.Swept("audit events", "once they are older than AUDIT_RETENTION_DAYS", r.Sweep),
		Sample:     schema.NoSample("nobody did anything"),
		Invariants: schema.ByConstraints(), // Verify checks the chains
	}}
}
