package auth

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// factor is a second factor that a person has.
type factor struct {
	id       uuid.UUID
	kind     factorKind
	name     string
	created  time.Time
	lastUsed sql.NullTime
	backedUp *bool // of a passkey
}

// factors returns the second factors of a person, the oldest first.
func (s *store) factors(ctx context.Context, userID uuid.UUID) (list []factor, err error) {
	authenticators, err := s.authenticators(ctx, userID)
	if err != nil {
		return nil, err
	}
	for _, a := range confirmed(authenticators) {
		list = append(list, a.factor())
	}
	passkeys, err := s.passkeys(ctx, userID)
	if err != nil {
		return nil, err
	}
	for _, k := range passkeys {
		list = append(list, k.factor())
	}
	slices.SortStableFunc(list, func(a, b factor) int { return a.created.Compare(b.created) })
	return list, nil
}

// authenticator is a row of user_totp: an app that computes one-time passwords. Until it is
// confirmed by one of them, it is no factor.
type authenticator struct {
	id        uuid.UUID
	name      string
	secret    string // sealed for the row
	created   time.Time
	confirmed sql.NullTime
	lastUsed  sql.NullTime
}

func (a authenticator) factor() factor {
	return factor{a.id, totpFactor, a.name, a.confirmed.Time, a.lastUsed, nil}
}

const authenticatorColumns = "id, name, secret, created_at, confirmed_at, last_used_at"

func (a *authenticator) into() []any {
	return []any{&a.id, &a.name, &a.secret, &a.created, &a.confirmed, &a.lastUsed}
}

// authenticators returns those of a person, the oldest first, also one that is not confirmed.
func (s *store) authenticators(ctx context.Context, userID uuid.UUID) ([]authenticator, error) {
	rows, err := s.db.Rows(database.OnPrimary(ctx), "SELECT "+authenticatorColumns+" FROM user_totp WHERE user_id = ? ORDER BY id", userID)
	if err != nil {
		return nil, fmt.Errorf("read authenticators: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (a authenticator, err error) { return a, scan(a.into()...) })
	if err != nil {
		return nil, fmt.Errorf("read authenticators: %w", err)
	}
	return list, nil
}

// offerAuthenticator stores an authenticator to be confirmed, instead of an earlier one.
func (s *store) offerAuthenticator(ctx context.Context, userID uuid.UUID, a authenticator) error {
	if err := s.db.Queue(ctx, "DELETE FROM user_totp WHERE user_id = ? AND confirmed_at IS NULL", userID); err != nil {
		return fmt.Errorf("replace an authenticator: %w", err)
	}
	if err := s.db.Queue(ctx, "INSERT INTO user_totp (id, user_id, name, secret, last_step, created_at) VALUES (?, ?, ?, ?, 0, ?)", a.id, userID, a.name, a.secret, a.created); err != nil {
		return fmt.Errorf("store an authenticator: %w", err)
	}
	return nil
}

// spendStep marks a code of an authenticator as used. It returns false if that one or a later
// one was: of several requests with the same code, one succeeds.
func (s *store) spendStep(ctx context.Context, userID, id uuid.UUID, step int64, secret string, now time.Time) (bool, error) {
	n, err := s.db.Exec(ctx, "UPDATE user_totp SET last_step = ?, last_used_at = ?, secret = ? WHERE user_id = ? AND id = ? AND last_step < ?", step, now, secret, userID, id, step) // mutant: totp-replay
	if err != nil {
		return false, fmt.Errorf("spend a one-time password: %w", err)
	}
	return n > 0, nil
}

func (s *store) confirmAuthenticator(ctx context.Context, userID, id uuid.UUID, now time.Time) error {
	if err := s.db.Queue(ctx, "UPDATE user_totp SET confirmed_at = ? WHERE user_id = ? AND id = ?", now, userID, id); err != nil {
		return fmt.Errorf("confirm an authenticator: %w", err)
	}
	return nil
}

// renameFactor returns false if the person has no such factor.
func (s *store) renameFactor(ctx context.Context, userID, id uuid.UUID, name string) (bool, error) {
	for _, query := range []string{
		"UPDATE user_totp SET name = ? WHERE user_id = ? AND id = ? AND confirmed_at IS NOT NULL",
		"UPDATE user_passkeys SET name = ? WHERE user_id = ? AND id = ?",
	} {
		n, err := s.db.Exec(ctx, query, name, userID, id)
		if err != nil {
			return false, fmt.Errorf("rename a factor: %w", err)
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, nil
}

func (s *store) removeFactor(ctx context.Context, userID, id uuid.UUID) error {
	for _, table := range []string{"user_totp", "user_passkeys"} {
		if err := s.db.Queue(ctx, "DELETE FROM "+table+" WHERE user_id = ? AND id = ?", userID, id); err != nil {
			return fmt.Errorf("remove a factor: %w", err)
		}
	}
	return nil
}

// removeFactorsSince removes the factors and recovery codes of a person that were set up since a
// time, also factors that are not confirmed. It returns how many factors are left.
func (s *store) removeFactorsSince(ctx context.Context, userID uuid.UUID, since time.Time) (left int64, err error) {
	if err := s.db.Queue(ctx, "DELETE FROM user_totp WHERE user_id = ? AND (confirmed_at IS NULL OR confirmed_at >= ?)", userID, since); err != nil {
		return 0, fmt.Errorf("remove factors: %w", err)
	}
	if err := s.db.Queue(ctx, "DELETE FROM user_passkeys WHERE user_id = ? AND created_at >= ?", userID, since); err != nil { // mutant: disavowed-passkeys
		return 0, fmt.Errorf("remove passkeys: %w", err)
	}
	if err := s.db.Queue(ctx, "DELETE FROM user_recovery_codes WHERE user_id = ? AND created_at >= ?", userID, since); err != nil {
		return 0, fmt.Errorf("remove recovery codes: %w", err)
	}
	n, err := s.db.Count(ctx, "SELECT (SELECT COUNT(*) FROM user_totp WHERE user_id = ? AND confirmed_at IS NOT NULL) + (SELECT COUNT(*) FROM user_passkeys WHERE user_id = ?)", userID, userID)
	if err != nil {
		return 0, fmt.Errorf("count factors: %w", err)
	}
	return *n, nil
}

// replaceRecoveryCodes stores the hashes of new recovery codes. The old ones end.
func (s *store) replaceRecoveryCodes(ctx context.Context, userID uuid.UUID, hashes []string, now time.Time) error {
	if err := s.db.Queue(ctx, "DELETE FROM user_recovery_codes WHERE user_id = ?", userID); err != nil {
		return fmt.Errorf("replace recovery codes: %w", err)
	}
	for _, hash := range hashes {
		if err := s.db.Queue(ctx, "INSERT INTO user_recovery_codes (hash, user_id, created_at) VALUES (?, ?, ?)", hash, userID, now); err != nil {
			return fmt.Errorf("store a recovery code: %w", err)
		}
	}
	return nil
}

// spendRecoveryCode marks a recovery code as used. It returns false if the person has no such
// code, or used it before.
func (s *store) spendRecoveryCode(ctx context.Context, userID uuid.UUID, hash string, now time.Time) (bool, error) {
	n, err := s.db.Exec(ctx, "UPDATE user_recovery_codes SET used_at = ? WHERE user_id = ? AND hash = ? AND used_at IS NULL", now, userID, hash) // mutant: recovery-code-once
	if err != nil {
		return false, fmt.Errorf("spend a recovery code: %w", err)
	}
	return n > 0, nil
}

func (s *store) recoveryCodesLeft(ctx context.Context, userID uuid.UUID) (int, error) {
	n, err := s.db.Count(database.OnPrimary(ctx), "SELECT COUNT(*) FROM user_recovery_codes WHERE user_id = ? AND used_at IS NULL", userID)
	if err != nil {
		return 0, fmt.Errorf("count recovery codes: %w", err)
	}
	return int(*n), nil
}

// enrolled reports whether a person has a second factor.
func (s *store) enrolled(ctx context.Context, userID uuid.UUID) (enrolled bool, err error) {
	err = s.db.Row(database.OnPrimary(ctx), "SELECT factor_enrolled_at IS NOT NULL FROM users WHERE id = ?", userID).Scan(&enrolled)
	if err != nil {
		return false, fmt.Errorf("read whether a person has a second factor: %w", err)
	}
	return enrolled, nil
}
