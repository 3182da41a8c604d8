package signing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/token"
)

// why a key is made.
type why int

const (
	first   why = iota // there is none that this process can use
	planned            // it is published, and signs later
	stolen             // the others are revoked
)

var (
	// ErrWaiting means that a key is waiting to sign.
	ErrWaiting = errors.New("another key is published already, and will sign soon")
	// ErrSecret means that the key of HS256 can't be replaced in the database.
	ErrSecret = errors.New("the key of HS256 is JWT_SECRET_KEY: set another one, or rotate to another algorithm")
)

// Rotate makes a key that signs once other programs had the time to learn it. With revoke,
// the former keys are invalid at once, and the new one signs at once. It returns the new
// key.
func (s *Store) Rotate(ctx context.Context, algorithm string, revoke bool) (Key, error) {
	reason := planned
	if revoke {
		reason = stolen
	}
	id, err := s.add(ctx, reason, algorithm)
	if err != nil {
		return Key{}, err
	}
	if err := s.Load(ctx); err != nil {
		return Key{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.ID == id {
			return k, nil
		}
	}
	return Key{}, errors.New("somebody deleted the new key")
}

// RotateIfDue makes the next key if the newest one that was loaded has signed for as long as
// the setting says.
func (s *Store) RotateIfDue(ctx context.Context) error {
	s.mu.Lock()
	keys := s.keys
	s.mu.Unlock()
	if len(keys) == 0 {
		return nil
	}
	newest := keys[len(keys)-1]
	if due := s.NextRotation(keys); newest.State != Signing || due == nil || due.After(s.Now()) {
		return nil
	}
	algorithm := s.Algorithm
	if algorithm == token.HS256 { // only a command turns back to the secret
		algorithm = newest.Algorithm
	}
	if _, err := s.Rotate(ctx, algorithm, false); err != nil && !errors.Is(err, ErrWaiting) {
		return err
	}
	return nil
}

// NextRotation returns when the key after these is due, or nil if only a command makes one.
func (s *Store) NextRotation(keys []Key) *time.Time {
	if len(keys) == 0 || s.Rotation == 0 {
		return nil
	}
	newest := keys[len(keys)-1]
	if newest.State != Signing && newest.State != Next || newest.Algorithm == token.HS256 {
		return nil
	}
	return new(newest.SignsFrom.Add(s.Rotation))
}

// add makes a key and returns its id. An empty algorithm is that of the setting.
func (s *Store) add(ctx context.Context, reason why, algorithm string) (id string, err error) {
	if algorithm == "" {
		algorithm = s.Algorithm
	}
	var sealed any
	if algorithm == token.HS256 {
		if id = secretID; reason == stolen {
			return "", ErrSecret
		}
	} else {
		if id, sealed, err = s.seal(algorithm); err != nil {
			return "", err
		}
	}
	err = s.DB.InTx(database.ForAll(ctx), func(ctx context.Context) error {
		// Two processes that rotate take turns. Two that start on a new database may each make a
		// key: then the younger one signs, and both verify.
		if err := s.lock(ctx); err != nil {
			return err
		}
		keys, err := s.read(ctx)
		if err != nil {
			return err
		}
		from := s.Now()
		switch _, signing := signingOf(keys); {
		case reason == first && signing:
			return nil
		case reason == planned && len(keys) > 0 && keys[len(keys)-1].State == Next:
			return ErrWaiting
		case reason == planned && algorithm != token.HS256: // nothing of a secret is published
			from = from.Add(publishedFor) // mutant: published-first
		}
		return s.insert(ctx, id, algorithm, sealed, from, reason)
	})
	if err != nil {
		return "", fmt.Errorf("add a signing key: %w", err)
	}
	return id, nil
}

func (s *Store) lock(ctx context.Context) error {
	rows, err := s.DB.Rows(ctx, "SELECT id FROM signing_keys ORDER BY id"+s.DB.ForUpdate()) // mutant: signing-keys-lock
	if err == nil {
		_, err = database.Collect(rows, func(scan func(...any) error) (id string, err error) { return id, scan(&id) })
	}
	return err
}

func (s *Store) insert(ctx context.Context, id, algorithm string, sealed any, from time.Time, reason why) error {
	now := s.Now()
	if reason == stolen {
		if err := s.DB.Queue(ctx, "UPDATE signing_keys SET ended_at = ? WHERE ended_at IS NULL", now); err != nil {
			return err
		}
	}
	if err := s.DB.Queue(ctx, "DELETE FROM signing_keys WHERE id = ?", id); err != nil { // of the secret, which can sign again
		return err
	}
	err := s.DB.Queue(ctx, "INSERT INTO signing_keys (id, algorithm, private_key, created_at, signs_from) VALUES (?, ?, ?, ?, ?)", id, algorithm, sealed, now, from)
	if err != nil || reason == first {
		return err
	}
	details := map[string]string{"kid": id, "algorithm": algorithm, "signs_from": from.Format(time.RFC3339)}
	if reason == stolen {
		details["revoked"] = "all others"
	}
	return s.Trail.Record(ctx, audit.Event{Action: audit.SigningKeyCreated, Details: details})
}

// keptAfterwards is how long a key stays in the table once it is of no use.
const keptAfterwards = 24 * time.Hour

// sweep deletes the keys that are of no use any more.
func (s *Store) sweep(ctx context.Context) (forgotten int64, err error) {
	keys, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	err = s.DB.InTx(ctx, func(ctx context.Context) error {
		for _, k := range keys {
			if (k.State == Retired || k.State == Revoked) && !k.EndsAt.Add(keptAfterwards).After(s.Now()) {
				n, err := s.DB.Exec(ctx, "DELETE FROM signing_keys WHERE id = ?", k.ID)
				if err != nil {
					return err
				}
				forgotten += n
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("delete signing keys: %w", err)
	}
	return forgotten, nil
}
