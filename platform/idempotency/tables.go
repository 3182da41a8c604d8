package idempotency

import "guildhall/platform/schema"

// Tables of this package.
func (k *Keys) Tables() []schema.Table {
	return []schema.Table{{
		Name: "idempotency_keys", Standing: schema.Unread(),
		Tenants:    schema.Shared("its keys are hashes over the caller and their key, and its answers are encrypted"),
		Retention:  schema.Swept("idempotency keys", "after IDEMPOTENCY_KEY_RETENTION_HOURS", k.sweep),
		Invariants: schema.ByConstraints(),
	}}
}
