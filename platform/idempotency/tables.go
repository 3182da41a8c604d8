package idempotency

import "guildhall/platform/schema"

// Tables declares the table of this package.
func (k *Keys) Tables() []schema.Table {
	return []schema.Table{{
		Name: "idempotency_keys", Owner: schema.Unowned("its keys are hashes"), Standing: schema.Unread(),
		Tenants:    schema.Shared("its keys are hashes over the caller and their key, and its answers are encrypted"),
		Archive:    schema.NotExported("a request is repeated to the server that it was made to"),
		Erasure:    schema.Remains("its keys are hashes, its answers are encrypted, and both go after IDEMPOTENCY_KEY_RETENTION_HOURS"),
		Copy:       schema.NotCopied("its keys are hashes, and its answers were given before"),
		Retention:  schema.Swept("idempotency keys", "after IDEMPOTENCY_KEY_RETENTION_HOURS", k.sweep),
		Sample:     schema.NoSample("the sample data has no requests"),
		Invariants: schema.ByConstraints(),
	}}
}
