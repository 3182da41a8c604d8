package auth

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"guildhall/platform/database"
)

// passkey is a row of user_passkeys: a key pair of which the person's authenticator has the
// private one. So nothing of the row is a secret.
type passkey struct {
	id         uuid.UUID
	credential webauthn.Credential // as it was last used
	rpID       string              // the domain that it belongs to
	aaguid     uuid.UUID           // the model of the authenticator, or zero
	name       string
	created    time.Time
	lastUsed   sql.NullTime
}

func (k passkey) factor() factor {
	return factor{k.id, passkeyFactor, k.name, k.created, k.lastUsed, new(k.credential.Flags.BackupState)}
}

// credentialID returns the id that the authenticator gave the passkey, as it is stored.
func credentialID(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// passkeys returns those of a person, the oldest first. The column credential is what the
// authenticator made; the counter and whether it is backed up change, and have their own.
func (s *store) passkeys(ctx context.Context, userID uuid.UUID) ([]passkey, error) {
	rows, err := s.db.Rows(database.OnPrimary(ctx), "SELECT id, credential, rp_id, aaguid, sign_count, backed_up, name, created_at, last_used_at FROM user_passkeys WHERE user_id = ? ORDER BY id", userID)
	if err != nil {
		return nil, fmt.Errorf("read passkeys: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (k passkey, err error) {
		var credential string
		var counter uint32
		var backedUp bool
		if err := scan(&k.id, &credential, &k.rpID, &k.aaguid, &counter, &backedUp, &k.name, &k.created, &k.lastUsed); err != nil {
			return k, err
		}
		if err := json.Unmarshal([]byte(credential), &k.credential); err != nil {
			return k, err
		}
		k.credential.Authenticator.SignCount, k.credential.Flags.BackupState = counter, backedUp
		return k, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read passkeys: %w", err)
	}
	return list, nil
}

// holderOf returns whose passkey has an id. Nobody has an unknown one.
func (s *store) holderOf(ctx context.Context, id string) (userID uuid.NullUUID, err error) {
	err = s.db.Row(database.OnPrimary(ctx), "SELECT user_id FROM user_passkeys WHERE credential_id = ?", id).Scan(&userID)
	if err != nil && !database.IsNotFound(err) {
		return userID, fmt.Errorf("find a passkey: %w", err)
	}
	return userID, nil
}

// addPasskey stores a new passkey. It returns false if an account has it already.
func (s *store) addPasskey(ctx context.Context, userID uuid.UUID, k passkey) (bool, error) {
	credential, err := json.Marshal(k.credential)
	if err != nil {
		return false, err
	}
	n, err := s.db.Exec(ctx, `INSERT INTO user_passkeys (user_id, id, credential_id, credential, rp_id, aaguid, sign_count, backed_up, name, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (credential_id) DO NOTHING`,
		userID, k.id, credentialID(k.credential.ID), string(credential), k.rpID, k.aaguid, k.credential.Authenticator.SignCount, k.credential.Flags.BackupState, k.name, k.created)
	if err != nil {
		return false, fmt.Errorf("store a passkey: %w", err)
	}
	return n > 0, nil
}

// usePasskey keeps what an assertion changed.
func (s *store) usePasskey(ctx context.Context, userID uuid.UUID, k passkey, now time.Time) error {
	err := s.db.Queue(ctx, "UPDATE user_passkeys SET sign_count = ?, backed_up = ?, last_used_at = ? WHERE user_id = ? AND id = ?",
		k.credential.Authenticator.SignCount, k.credential.Flags.BackupState, now, userID, k.id)
	if err != nil {
		return fmt.Errorf("use a passkey: %w", err)
	}
	return nil
}
