package audit

import "guildhall/platform/schema"

// Tables of this package.
func Tables() []schema.Table {
	return []schema.Table{
		{Name: "audit_chains", Standing: schema.Unread(), Tenants: schema.Shared("a head is a number and a hash; the events have a policy"), Invariants: schema.ByConstraints()},
		{Name: "audit_events", Standing: schema.Unread(), Tenants: schema.KeptApart(), Invariants: schema.ByConstraints()},
	}
}
