package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
)

// This file lets a person back in who lost every second factor and every recovery code. They prove
// the password and the mailbox, which together are one factor. So it takes a day, in which every
// session and the mailbox are told, and each of them can stop it. An organization's admin can't
// do it for them, and the operator can (CommandLine.ResetFactors).

// recoveryOpen is how long a person can log in without a second factor once the delay is over.
// Later they have to ask again.
const recoveryOpen = 7 * 24 * time.Hour

// startRecovery asks for the removal of a person's second factors. It refuses a wrong code
// (invalid_challenge), a wrong password (invalid_credentials) and a person without a factor
// (no_factor).
func (svc *Service) startRecovery(ctx context.Context, in recoveryInput) (view recoveryView, err error) {
	if err := svc.hasher.Ready(); err != nil {
		return view, err
	}
	c, err := svc.answer(ctx, proof{token: string(in.ChallengeToken), code: string(in.Code)}, forRecovery)
	if err != nil {
		return view, err
	}
	p, err := svc.owner(ctx, c)
	if err != nil {
		return view, err
	}
	if err := svc.limits.logIn(ctx, c.email); err != nil { // mutant: recovery-password-budget
		return view, err
	}
	ok, _, err := svc.hasher.Verify(ctx, p.hash, string(in.Password))
	if err != nil {
		return view, err
	}
	if !ok { // mutant: recovery-password
		return view, svc.logInFailed(ctx, p.id, errInvalidCredentials)
	}
	ctx = database.For(ctx, database.Tenant{UserID: p.id})
	return view, svc.changeAccount(ctx, c, func(ctx context.Context) error {
		state, err := svc.store.logInState(ctx, p.id, "", svc.now())
		if err != nil {
			return err
		}
		switch {
		case state.hash != p.hash:
			return errInvalidCredentials // changed while it was being verified
		case state.refusal() != nil:
			return state.refusal()
		case !state.enrolled:
			return errNoFactor
		}
		if err := svc.limits.loggedIn(ctx, c.email); err != nil {
			return err
		}
		view.RecoversAt = svc.now().Add(svc.options.RecoveryDelay)
		if err := svc.store.keepRecovery(ctx, p, view.RecoversAt, svc.now()); err != nil {
			return err
		}
		err = svc.trail.Record(ctx, audit.Event{
			Action: audit.FactorRecoveryStarted, UserID: p.id, Actor: p.id, Details: map[string]string{"recovers_at": view.RecoversAt.Format(time.RFC3339)},
		})
		if err != nil {
			return err
		}
		return svc.notify(ctx, p, p.email, mail.FactorRecoveryStarted, mail.Data{Due: view.RecoversAt})
	})
}

// cancelRecovery stops the removal of the caller's second factors, if one was asked for.
func (svc *Service) cancelRecovery(ctx context.Context, _ struct{}) (none httpapi.NoContent, err error) {
	userID := access.From(ctx).UserID
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, userID); err != nil {
			return err
		}
		return svc.endRecovery(ctx, userID)
	})
}

// endRecovery stops a recovery that is under way, within the caller's transaction.
func (svc *Service) endRecovery(ctx context.Context, userID uuid.UUID) error {
	ended, err := svc.store.endRecovery(ctx, userID, svc.now())
	if err != nil || !ended {
		return err
	}
	return svc.trail.Record(ctx, audit.Event{Action: audit.FactorRecoveryCancelled, UserID: userID})
}

// recover removes the second factors of a person whose recovery is due, within the transaction
// of a log-in that lacks one. It reports whether it did.
func (svc *Service) recover(ctx context.Context, p person) (bool, error) {
	at, err := svc.store.recovery(ctx, p.id, svc.now())
	if err != nil || at == nil || at.After(svc.now()) { // mutant: recovery-delay
		return false, err
	}
	if _, err := svc.store.endRecovery(ctx, p.id, svc.now()); err != nil {
		return false, err
	}
	return true, svc.removeAllFactors(ctx, p, audit.Event{Action: audit.FactorsRecovered, Actor: p.id}, "factors_recovered", mail.FactorsRecovered)
}

// A recovery under way is a row of challenges that nobody answers, so it ends with all challenges
// of a person. It is due recoveryOpen before the row expires.

// keepRecovery stores a recovery that is due at a time. It replaces one that is under way.
func (s *store) keepRecovery(ctx context.Context, p person, at, now time.Time) error {
	if _, err := s.endRecovery(ctx, p.id, now); err != nil {
		return err
	}
	id := uuid.Must(uuid.NewV7())
	// Nobody has the token: its hash is no hash.
	err := s.db.Queue(ctx, `INSERT INTO challenges (id, purpose, user_id, email_canonical, token_hash, attempts, created_at, expires_at) VALUES (?, ?, ?, ?, ?, 5, ?, ?)`,
		id, recovering, p.id, p.canonical(), "recovery "+id.String(), now, at.Add(recoveryOpen))
	if err != nil {
		return fmt.Errorf("store a recovery: %w", err)
	}
	return nil
}

// recovery returns when the recovery of a person is due, or nil if none is under way.
func (s *store) recovery(ctx context.Context, userID uuid.UUID, now time.Time) (*time.Time, error) {
	var end time.Time
	err := s.db.Row(database.OnPrimary(ctx), "SELECT expires_at FROM challenges WHERE user_id = ? AND consumed_at IS NULL AND purpose = ? AND expires_at > ?", userID, recovering, now).Scan(&end)
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find a recovery: %w", err)
	}
	return new(end.UTC().Add(-recoveryOpen)), nil
}

// endRecovery returns false if none was under way.
func (s *store) endRecovery(ctx context.Context, userID uuid.UUID, now time.Time) (bool, error) {
	n, err := s.db.Exec(ctx, "UPDATE challenges SET consumed_at = ? WHERE user_id = ? AND consumed_at IS NULL AND purpose = ?", now, userID, recovering)
	if err != nil {
		return false, fmt.Errorf("end a recovery: %w", err)
	}
	return n > 0, nil
}
