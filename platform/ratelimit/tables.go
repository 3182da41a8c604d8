package ratelimit

import "guildhall/platform/schema"

// Tables of this package.
func Tables() []schema.Table {
	return []schema.Table{
		{Name: "rate_limits", Standing: schema.Unread(), Tenants: schema.Shared("it is asked before anybody is known, and its keys are hashes"), Invariants: schema.ByConstraints()},
	}
}
