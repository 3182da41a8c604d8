package idempotency

import "guildhall/platform/schema"

// Tables of this package.
func (k *Keys) Tables() []schema.Table {
	return []schema.Table{{
		Name: "idempotency_keys", Owner: schema.OfNobody("its keys are hashes"), Standing: schema.Unread(),
		Tenants:    schema.Shared("its keys are hashes over the caller and their key, and its answers are encrypted"),
		Archive:    schema.StaysBehind("a request is repeated to the server that it was made to"),
		Retention:  schema.Swept("idempotency keys", "after IDEMPOTENCY_KEY_RETENTION_HOURS", k.sweep),
		Sample:     schema.NoSample("nobody did anything"),
		Invariants: schema.ByConstraints(),
	}}
}
