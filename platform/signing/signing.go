// Package signing keeps the keys that sign access tokens. They are rows of a table, so that
// all replicas sign and verify with the same ones, and so that the algorithm can change
// while the service runs.
//
// A key is made some time before it signs: other programs have its public part by then. Once
// a later key signs, it verifies until the last token that it signed has expired. So its
// times say what it is for, and no replica has to change its state.
//
// A database from before this table goes on with HS256: a row says so, whose key is
// JWT_SECRET_KEY.
package signing

import (
	"context"
	"crypto"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/keyring"
	"guildhall/platform/token"
)

const (
	// publishedFor is how long a key is published before it signs: three times as long as
	// others may keep the published keys (maxAge).
	publishedFor = 15 * time.Minute
	// clockSkew is added to the time for which a key verifies after it last signed.
	clockSkew = time.Minute
	// reloadAtMost is the least time between two reads because of an unknown key.
	reloadAtMost = 10 * time.Second
	// reloadTimeout is how long such a read may take.
	reloadTimeout = 5 * time.Second
)

// ReloadEvery is about the time between two reads of the table: less than a minute passes.
const ReloadEvery = 40 * time.Second

// Options of the store.
type Options struct {
	DB        *database.DB
	Trail     *audit.Trail
	Ring      *keyring.Keyring // of JWT_SECRET_KEY
	Secrets   []token.Key      // of HS256: JWT_SECRET_KEY and retired ones
	Tokens    *token.Service
	Algorithm string        // of new keys
	Rotation  time.Duration // 0: only by command
	AccessTTL time.Duration // how long a token is valid at most
	Now       func() time.Time
	Log       *slog.Logger
}

// Store has the keys.
type Store struct {
	Options
	sealer *keyring.Sealer

	mu        sync.Mutex
	learnedAt time.Time // when an unknown key was last looked for
	keys      []Key
	warned    map[string]bool
}

// New returns the store. It knows no keys until they are loaded.
func New(o Options) (*Store, error) {
	sealer, err := o.Ring.Sealer("signing keys")
	if err != nil {
		return nil, err
	}
	s := &Store{Options: o, sealer: sealer, warned: map[string]bool{}}
	if s.Algorithm == "" {
		s.Algorithm = token.ES256
	}
	o.Tokens.SetAccessKeys(nil)
	o.Tokens.OnUnknownKey(s.learn)
	return s, nil
}

// State is what a key is for.
type State string

const (
	Next     State = "next"     // it is published and will sign
	Signing  State = "signing"  // it signs
	Retiring State = "retiring" // it verifies until the last of its tokens expires
	Retired  State = "retired"  // its time is over
	Revoked  State = "revoked"  // its tokens were made invalid
	Unusable State = "unusable" // another JWT_SECRET_KEY has encrypted it
)

// Key is a row of signing_keys.
type Key struct {
	ID        string     `json:"id"` // kid (RFC 7638); hs256 for the secret
	Algorithm string     `json:"algorithm"`
	State     State      `json:"state"`
	CreatedAt time.Time  `json:"created_at"`
	SignsFrom time.Time  `json:"signs_from"`
	EndsAt    *time.Time `json:"ends_at"` // when it stops verifying, if that is known

	sealed  string
	endedAt sql.NullTime
	signer  crypto.Signer // nil for the secret, and if sealed can't be opened
}

// secretID is the id of the row that stands for JWT_SECRET_KEY.
const secretID = "hs256"

// Prepare loads the keys, and makes the first one if there is none that this process can
// use.
func (s *Store) Prepare(ctx context.Context) error {
	if err := s.Load(ctx); err != nil {
		return err
	}
	if err := s.renew(ctx); err != nil {
		return err
	}
	if _, found := s.current(); found {
		return nil
	}
	if _, err := s.add(ctx, first, s.Algorithm); err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	return s.Load(ctx)
}

// renew encrypts keys with the current JWT_SECRET_KEY, so that the retired one can be removed.
func (s *Store) renew(ctx context.Context) error {
	s.mu.Lock()
	keys := s.keys
	s.mu.Unlock()
	for _, k := range keys {
		if k.signer == nil {
			continue
		}
		sealed, changed, err := s.sealer.Renew(k.sealed, k.ID)
		if err == nil && changed {
			err = s.DB.InTx(ctx, func(ctx context.Context) error {
				return s.DB.Queue(ctx, "UPDATE signing_keys SET private_key = ? WHERE id = ? AND private_key = ?", sealed, k.ID, k.sealed)
			})
		}
		if err != nil {
			return fmt.Errorf("encrypt a signing key again: %w", err)
		}
	}
	return nil
}

// Load reads the keys, and gives them to the tokens.
func (s *Store) Load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(ctx)
}

func (s *Store) load(ctx context.Context) error {
	keys, err := s.read(ctx)
	if err != nil {
		return err
	}
	s.keys = keys
	var signing, others []token.Key
	for _, k := range keys {
		switch k.State {
		case Signing:
			signing = s.usable(k)
		case Next, Retiring:
			others = append(others, s.usable(k)...)
		}
	}
	if len(signing) > 0 {
		s.Tokens.SetAccessKeys(append(signing, others...))
	}
	return nil
}

// learn reads the keys again, for a token that names a key that this process does not know.
func (s *Store) learn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Now().Sub(s.learnedAt) < reloadAtMost { // mutant: unknown-keys
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
	defer cancel()
	s.learnedAt = s.Now()
	if err := s.load(database.ForAll(ctx)); err != nil {
		s.Log.Error("could not read the signing keys", "cause", err)
	}
}

func (s *Store) usable(k Key) []token.Key {
	if k.Algorithm == token.HS256 {
		return slices.Clone(s.Secrets)
	}
	return []token.Key{{ID: k.ID, Algorithm: k.Algorithm, Private: k.signer, Public: k.signer.Public()}}
}

// current returns the key that signs, as last loaded.
func (s *Store) current() (Key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return signingOf(s.keys)
}

func signingOf(keys []Key) (Key, bool) {
	i := slices.IndexFunc(keys, func(k Key) bool { return k.State == Signing })
	if i < 0 {
		return Key{}, false
	}
	return keys[i], true
}

// Keys reads all keys, in the order in which they sign.
func (s *Store) Keys(ctx context.Context) ([]Key, error) { return s.read(ctx) }

func (s *Store) read(ctx context.Context) ([]Key, error) {
	rows, err := s.DB.Rows(ctx, `SELECT id, algorithm, private_key, created_at, signs_from, ended_at FROM signing_keys ORDER BY signs_from, id`)
	if err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	keys, err := database.Collect(rows, func(scan func(...any) error) (k Key, err error) {
		var sealed sql.NullString
		err = scan(&k.ID, &k.Algorithm, &sealed, &k.CreatedAt, &k.SignsFrom, &k.endedAt)
		k.sealed, k.CreatedAt, k.SignsFrom = sealed.String, k.CreatedAt.UTC(), k.SignsFrom.UTC()
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	s.judge(keys)
	return keys, nil
}

// judge says what each key is for now. The one that signs is the last whose time has come.
func (s *Store) judge(keys []Key) {
	now := s.Now()
	var superseded *time.Time // when the key after this one began to sign
	for i := len(keys) - 1; i >= 0; i-- {
		k := &keys[i]
		switch err := s.open(k); {
		case k.endedAt.Valid: // mutant: revoked-signing-keys
			k.State, k.EndsAt = Revoked, new(k.endedAt.Time.UTC())
		case err != nil:
			k.State = Unusable
			if !s.warned[k.ID] {
				s.warned[k.ID] = true
				s.Log.Warn("a signing key can't be used: its tokens are refused", "kid", k.ID, "cause", err)
			}
		case k.SignsFrom.After(now):
			k.State = Next
		case superseded == nil:
			k.State, superseded = Signing, &k.SignsFrom
		default:
			ends := superseded.Add(s.AccessTTL + clockSkew)
			k.State, k.EndsAt, superseded = Retiring, &ends, &k.SignsFrom
			if !ends.After(now) {
				k.State = Retired
			}
		}
	}
}
