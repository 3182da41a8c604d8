package auth

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/field"
	"guildhall/platform/password"
)

// CreateAccount makes an account without an organization, for the command line;
// and runs in the same transaction.
func (m *Module) CreateAccount(ctx context.Context, email field.Email, name field.Name, chosen field.NewPassword,
	and func(context.Context, uuid.UUID) error,
) (id uuid.UUID, err error) {
	if problem := password.Check(string(chosen), string(email)); problem != "" {
		return uuid.Nil, fmt.Errorf("the password %s", problem)
	}
	hash, err := m.hasher.Hash(ctx, string(chosen))
	if err != nil {
		return uuid.Nil, err
	}
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		if id, err = m.users.Create(ctx, string(email), email.Canonical(), string(name)); err != nil {
			return err
		}
		if err := m.store.savePassword(ctx, id, hash, m.now()); err != nil {
			return err
		}
		return and(ctx, id)
	})
	return id, err
}

// SetPassword gives an account another password and ends its sessions, for the
// command line.
func (m *Module) SetPassword(ctx context.Context, userID uuid.UUID, chosen field.NewPassword) error {
	p, err := m.store.find(ctx, userID)
	if err != nil {
		return err
	}
	if problem := password.Check(string(chosen), p.email); problem != "" {
		return fmt.Errorf("the password %s", problem)
	}
	hash, err := m.hasher.Hash(ctx, string(chosen))
	if err != nil {
		return err
	}
	return m.db.InTx(ctx, func(ctx context.Context) error {
		if err := m.gate.LockUser(ctx, userID); err != nil {
			return err
		}
		if err := m.store.savePassword(ctx, userID, hash, m.now()); err != nil {
			return err
		}
		if err := m.trail.Record(ctx, audit.Event{Action: audit.PasswordChanged, UserID: userID}); err != nil {
			return err
		}
		return m.sessions.EndAll(ctx, userID, "password_changed")
	})
}
