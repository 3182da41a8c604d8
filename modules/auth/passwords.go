package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/password"
)

// Passwords keeps what is kept of passwords, for whoever makes accounts.
type Passwords struct {
	hasher *password.Hasher
	store  *store
	now    func() time.Time
}

// NewPasswords returns the passwords' rows.
func NewPasswords(db *database.DB, hasher *password.Hasher, now func() time.Time) *Passwords {
	return &Passwords{hasher: hasher, store: newStore(db), now: now}
}

// Hash is slow, so it is made before a transaction begins. Without a password it
// is one that no password has.
func (p *Passwords) Hash(ctx context.Context, chosen string) (string, error) {
	if chosen == "" {
		return p.hasher.Unusable(), nil
	}
	return p.hasher.Hash(ctx, chosen)
}

// Save makes a hash the account's, within the caller's transaction.
func (p *Passwords) Save(ctx context.Context, userID uuid.UUID, hash string) error {
	return p.store.savePassword(ctx, userID, hash, p.now())
}
