package ratelimit

import "guildhall/platform/schema"

// Tables declares the table of this package. It exists even if the Store is nil.
func (s *Store) Tables() []schema.Table {
	return []schema.Table{{
		Name: "rate_limits", Owner: schema.Unowned("its keys are hashes"), Standing: schema.Unread(),
		Tenants:    schema.Shared("it is read before the caller is authenticated, and its keys are hashes"),
		Archive:    schema.NotExported("it limits clients of this server"),
		Erasure:    schema.Remains("its keys are hashes, and it is swept within minutes"),
		Copy:       schema.NotCopied("its keys are hashes, which say nothing"),
		Retention:  schema.Swept("rate limits", "once they have their whole burst back", s.sweep),
		Sample:     schema.NoSample("the sample data has no requests"),
		Invariants: schema.ByConstraints(),
	}}
}
