package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/keyring"
	"guildhall/platform/signing"
	"guildhall/platform/token"
)

// mostStrangers exceeds the number of users that a server caches: when a user's turn comes
// again, they are no longer in the cache.
const mostStrangers = 50_000

// strangers are requests of users with live sessions, whose tokens no server has seen. The
// tokens are created here, because as many log-ins would take minutes.
type strangers struct {
	requests [][]byte
	next     atomic.Int64
	turn     atomic.Int64 // of those that ask in turn
}

// findStrangers reactivates the sample data's sessions in a database that is not in use. It
// also returns the public key of their tokens, an uncompressed point in hexadecimal.
func findStrangers(ctx context.Context, url string) (requests [][]byte, key string, err error) {
	db, err := database.Open(ctx, database.Options{URL: databaseurl.Must(url), MaxConnections: 1})
	if err != nil {
		return nil, "", err
	}
	defer db.Close()
	ends := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Microsecond)
	const them = "(SELECT id FROM sessions ORDER BY id DESC LIMIT ?)"
	ctx = database.ForAll(ctx)
	err = db.InBulk(ctx, func(ctx context.Context) error {
		_, err := db.Exec(ctx, "UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL, expires_at = ? WHERE id IN "+them, ends, mostStrangers)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("revive sessions: %w", err)
	}
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	tokens := token.New(token.Config{
		AccessKey: []byte(accessSecret), RefreshKey: []byte(refreshSecret),
		Issuer: "guildhall", Audience: "guildhall", AccessTTL: 24 * time.Hour, Now: now,
	})
	// With the key of the database, as the server has it.
	keys, err := signing.New(signing.Options{
		DB: db, Ring: keyring.New([]byte(accessSecret)), Secrets: []token.Key{token.Secret([]byte(accessSecret))}, Tokens: tokens, Now: now,
		AccessTTL: 24 * time.Hour, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, "", err
	}
	if err := keys.Prepare(ctx); err != nil {
		return nil, "", err
	}
	rows, err := db.Rows(ctx, "SELECT id, user_id, organization_id FROM sessions WHERE id IN "+them, mostStrangers)
	if err != nil {
		return nil, "", fmt.Errorf("read sessions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var session, user uuid.UUID
		var organization sql.Null[uuid.UUID]
		if err := rows.Scan(&session, &user, &organization); err != nil {
			return nil, "", fmt.Errorf("read sessions: %w", err)
		}
		access, _, err := tokens.Issue(token.Grant{UserID: user, SessionID: session, OrganizationID: uuid.NullUUID{UUID: organization.V, Valid: organization.Valid}, NotAfter: ends})
		if err != nil {
			return nil, "", err
		}
		requests = append(requests, request(http.MethodGet, api+"/auth/me", access, nil))
	}
	published, err := keys.Published()
	if err != nil {
		return nil, "", err
	}
	for _, one := range published.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(one.X)
		y, errY := base64.RawURLEncoding.DecodeString(one.Y)
		if err := errors.Join(errX, errY); err != nil {
			return nil, "", err
		}
		key = "04" + hex.EncodeToString(x) + hex.EncodeToString(y)
	}
	return requests, key, rows.Err()
}

// asStrangers makes each request as a different user.
func asStrangers(_ context.Context, s *server, _, _ int) (step, error) {
	return func(c *connection) error {
		asked := s.strangers.requests[int(s.strangers.next.Add(1))%len(s.strangers.requests)]
		status, body, err := c.do(asked)
		if err != nil {
			return err
		}
		if status != http.StatusOK || member(body, "email") == "" {
			return wrong("who am I", status, body)
		}
		return nil
	}, nil
}
