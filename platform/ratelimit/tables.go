package ratelimit

import "guildhall/platform/schema"

// Tables of this package. There are no limits in a Store that is nil, but the table is.
func (s *Store) Tables() []schema.Table {
	return []schema.Table{{
		Name: "rate_limits", Owner: schema.OfNobody("its keys are hashes"), Standing: schema.Unread(),
		Tenants:    schema.Shared("it is asked before anybody is known, and its keys are hashes"),
		Archive:    schema.StaysBehind("it limits clients of this server"),
		Retention:  schema.Swept("rate limits", "once they have their whole burst back", s.sweep),
		Sample:     schema.NoSample("nobody did anything"),
		Invariants: schema.ByConstraints(),
	}}
}
