package audit

import "guildhall/platform/schema"

// Tables declares the tables of this package.
func Tables(r *Retention) []schema.Table {
	return []schema.Table{{
		Name: "audit_chains", Owner: schema.Unowned("a chain is an organization's or a person's, by its id"), Standing: schema.Unread(),
		Tenants:    schema.Shared("a head is only a number and a hash; the events have a policy"),
		Archive:    schema.ExportedIn("audit_chain", "id", "sequence", "hash", "first_sequence", "first_hash", "oldest_at"),
		Erasure:    schema.Remains("a head is only a number and a hash"),
		Copy:       schema.NotCopied("a head is only a number and a hash"),
		Retention:  schema.Kept("forever: a chain is never restarted, and its head records which events were deleted"),
		Sample:     schema.NoSample("the sample data has no actions"),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "audit_events", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Unread(), Tenants: schema.Isolated(),
		Archive: schema.ExportedIn("audit_event", "chain_id", "sequence", "id", "occurred_at", "action", "organization_id", "user_id",
			"actor_user_id", "actor_role", "session_id", "address", "client", "request_id", "details", "hash"),
		Erasure:    schema.Remains("who did what stays, by ids; Trail.Erase blanks the rest"),
		Copy:       schema.CopiedByReader("activity"),
		Retention:  schema.Swept("audit events", "once they are older than AUDIT_RETENTION_DAYS", r.Sweep),
		Sample:     schema.NoSample("the sample data has no actions"),
		Invariants: schema.ByConstraints(), // Verify checks the chains
	}}
}
