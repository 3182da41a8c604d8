package signing

import "guildhall/platform/schema"

// Remade are the tables that the service fills at its start. A copy replaces what they have.
func Remade() []string { return []string{"signing_keys"} }

// Tables declares the table of this package.
func (s *Store) Tables() []schema.Table {
	return []schema.Table{{
		Name: "signing_keys", Owner: schema.Unowned("they are the service's"), Standing: schema.Unread(),
		Tenants:    schema.Shared("they verify the tokens of everybody, and their private parts are encrypted"),
		Archive:    schema.NotExported("each server has its own"),
		Erasure:    schema.Remains("they are the keys of the service"),
		Copy:       schema.NotCopied("they are secrets of the service"),
		Retention:  schema.Swept("signing keys", "a day after the last of their tokens has expired, or after they were revoked", s.sweep),
		Sample:     schema.NoSample("the service makes the first one when it starts"),
		Invariants: schema.ByConstraints(),
	}}
}
