// Package idempotency stores the responses of requests that create something, so that a
// client that got no response can retry without creating a second one
// (draft-ietf-httpapi-idempotency-key-header-07).
//
// A response is stored in the transaction that creates the resource. So both exist or
// neither does, even if the process dies between the commit and the response. Responses
// are encrypted, because that of a registration contains tokens.
package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/keyring"
)

const (
	// lease is how long a request that does not finish blocks its key. It is longer than
	// any request may take.
	lease      = 30 * time.Second
	sweepBatch = 1000
)

// Refusals of a request with an Idempotency-Key.
var (
	ErrInProgress = fault.New(fault.Conflict, "request_in_progress", "A request with this Idempotency-Key is still being carried out.").WithRetryAfter(time.Second)
	ErrUnreadable = fault.New(fault.Conflict, "idempotent_answer_lost", "The first request with this Idempotency-Key succeeded, but its answer can't be read any more. See what it created, or send another key.")
	ErrReused     = fault.New(fault.Invalid, "idempotency_key_reused", "This Idempotency-Key was sent with another request before.")
)

// Keys stores idempotency keys and their responses in a database.
type Keys struct {
	db        *database.DB
	sealer    *keyring.Sealer
	retention time.Duration
	now       func() time.Time
}

// New returns the keys of a database. Each response is encrypted for its row. After the
// retention, a request with the same Idempotency-Key is a new one.
func New(db *database.DB, ring *keyring.Keyring, retention time.Duration, now func() time.Time) (*Keys, error) {
	sealer, err := ring.Sealer("idempotency")
	return &Keys{db: db, sealer: sealer, retention: retention, now: now}, err
}

// Retention returns how long a response is replayed.
func (k *Keys) Retention() time.Duration { return k.retention }

// Answer is a response that can be replayed.
type Answer struct {
	Location string
	Body     []byte // JSON
}

// Attempt is one request with a key.
type Attempt struct {
	keys *Keys
	id   string
	lock uuid.UUID
	Kept bool // whether Keep stored its response
}

// Begin claims a caller's key for the request with this fingerprint, or returns the stored
// response of an earlier one. It refuses a key whose request is in progress
// (request_in_progress), and one that was used for another request
// (idempotency_key_reused).
func (k *Keys) Begin(ctx context.Context, caller, key, fingerprint string) (*Attempt, *Answer, error) {
	sum := sha256.Sum256([]byte(caller + "\x00" + key))
	a := &Attempt{keys: k, id: hex.EncodeToString(sum[:]), lock: uuid.New()}
	var before *Answer
	err := k.db.InTx(ctx, func(ctx context.Context) (err error) {
		before = nil
		now := k.now()
		var claimed string
		// mutant: key-claim
		err = k.db.Row(ctx, `INSERT INTO idempotency_keys (id, fingerprint, lock, locked_until, created_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, lock = excluded.lock,
				locked_until = excluded.locked_until, created_at = excluded.created_at, answer = NULL
			WHERE (idempotency_keys.answer IS NULL AND idempotency_keys.locked_until < excluded.created_at) OR idempotency_keys.created_at < ?
			RETURNING id`, a.id, fingerprint, a.lock, now.Add(lease), now, now.Add(-k.retention)).Scan(&claimed)
		if database.IsNotFound(err) {
			before, err = k.find(ctx, a.id, fingerprint)
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("claim an idempotency key: %w", err)
	}
	return a, before, nil
}

func (k *Keys) find(ctx context.Context, id, fingerprint string) (*Answer, error) {
	var first string
	var sealed *string
	err := k.db.Row(ctx, "SELECT fingerprint, answer FROM idempotency_keys WHERE id = ?", id).Scan(&first, &sealed)
	switch {
	case err != nil:
		return nil, err
	case first != fingerprint:
		return nil, ErrReused
	case sealed == nil:
		return nil, ErrInProgress
	}
	return k.open(id, *sealed)
}

// Keep stores the response, in the transaction that creates the resource. It refuses if
// another request has claimed the key since (request_in_progress).
func (a *Attempt) Keep(ctx context.Context, answer Answer) error {
	sealed, err := a.keys.seal(a.id, answer)
	if err != nil {
		return err
	}
	r := a.keys.db.Conn(ctx).Exec("UPDATE idempotency_keys SET answer = ? WHERE id = ? AND lock = ?", sealed, a.id, a.lock) // mutant: answer-kept
	if r.Error != nil {
		return fmt.Errorf("store an idempotent response: %w", r.Error)
	}
	if r.RowsAffected == 0 { // the lease expired, and another request has the key
		return ErrInProgress
	}
	a.Kept = true
	return nil
}

// Release releases the key if nothing was created, so that the client may retry at once.
func (a *Attempt) Release(ctx context.Context) error {
	err := a.keys.db.InTx(ctx, func(ctx context.Context) error {
		return a.keys.db.Conn(ctx).Exec("DELETE FROM idempotency_keys WHERE id = ? AND lock = ? AND answer IS NULL", a.id, a.lock).Error
	})
	if err != nil {
		return fmt.Errorf("release an idempotency key: %w", err)
	}
	return nil
}

// sweep deletes a batch of the keys whose retention is over.
func (k *Keys) sweep(ctx context.Context) (swept int64, err error) {
	err = k.db.InTx(ctx, func(ctx context.Context) error {
		r := k.db.Conn(ctx).Exec("DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE created_at < ? LIMIT ?)", k.now().Add(-k.retention), sweepBatch)
		swept = r.RowsAffected
		return r.Error
	})
	if err != nil {
		return 0, fmt.Errorf("sweep idempotency keys: %w", err)
	}
	return swept, nil
}

func (k *Keys) seal(id string, answer Answer) (string, error) {
	text, err := json.Marshal(answer)
	if err != nil {
		return "", err
	}
	return k.sealer.Seal(text, id)
}

func (k *Keys) open(id, sealed string) (*Answer, error) {
	text, err := k.sealer.Open(sealed, id)
	if err != nil {
		return nil, ErrUnreadable.WithCause(fmt.Errorf("decrypt a stored response (was JWT_REFRESH_SECRET_KEY changed?): %w", err))
	}
	var answer Answer
	return &answer, json.Unmarshal(text, &answer)
}

type key struct{}

// With returns a context with the attempt, which From returns.
func With(ctx context.Context, a *Attempt) context.Context { return context.WithValue(ctx, key{}, a) }

// From returns the attempt of the request, or nil if it has no key.
func From(ctx context.Context) *Attempt {
	a, _ := ctx.Value(key{}).(*Attempt)
	return a
}
