package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/password"
)

// Passwords judges and stores the passwords of new accounts, for the module that creates them.
type Passwords struct {
	hasher *password.Hasher
	rules  *password.Rules
	store  *store
	now    func() time.Time
}

// NewPasswords returns the store of passwords.
func NewPasswords(db *database.DB, hasher *password.Hasher, rules *password.Rules, now func() time.Time) *Passwords {
	return &Passwords{hasher: hasher, rules: rules, store: newStore(db), now: now}
}

// Check returns what is wrong with the password of a new account, or nil.
func (p *Passwords) Check(ctx context.Context, chosen, email string) error {
	return p.rules.Check(ctx, chosen, email)
}

// Hash returns the hash of a password. For an empty one it returns a hash that no password
// matches. It is slow: call it before a transaction begins.
func (p *Passwords) Hash(ctx context.Context, chosen string) (string, error) {
	if chosen == "" {
		return p.hasher.Unusable(), nil
	}
	return p.hasher.Hash(ctx, chosen)
}

// Save stores the password hash of an account, within the caller's transaction.
func (p *Passwords) Save(ctx context.Context, userID uuid.UUID, hash string) error {
	return p.store.savePassword(ctx, userID, hash, p.now())
}
