package guildhall

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// keysAge is how long keys are kept: Guildhall publishes a key 15 minutes before it signs.
	keysAge = 5 * time.Minute
	// unknownEvery bounds how often tokens with unknown keys make this program ask again.
	unknownEvery = 30 * time.Second
	// retryKeys is the pause after a failure while there are no keys at all.
	retryKeys = time.Second
	// When every token was revoked, a key may have been stolen. Processes of Guildhall may
	// publish it for a minute yet.
	hurry      = 2 * time.Minute
	hurryAge   = 10 * time.Second
	leastModul = 2048 // bits (RFC 7518 §3.3)
)

var errUnknownKey = errors.New("the key is unknown")

// key is a public key, and the only algorithm that it is for.
type key struct {
	algorithm string
	public    any
}

// keySet is what Guildhall has published.
type keySet struct {
	keys map[string]key
	at   time.Time
}

// keys keeps the published keys. It goes on with old ones while Guildhall is down.
type keys struct {
	api     *api
	log     *slog.Logger
	current atomic.Pointer[keySet]

	hurryUntil atomic.Pointer[time.Time]

	// Whoever holds it fetches; others wait for what comes.
	fetching  sync.Mutex
	failedAt  time.Time
	unknownAt time.Time
}

// get returns a key by its id.
func (k *keys) get(ctx context.Context, id string) (key, error) {
	if found, ok := k.known(id); ok {
		return found, nil
	}
	k.fetching.Lock()
	defer k.fetching.Unlock()
	if found, ok := k.known(id); ok {
		return found, nil
	}
	k.renew(ctx, id)
	set := k.current.Load()
	if set == nil {
		return key{}, ErrUnavailable
	}
	if found, ok := set.keys[id]; ok {
		return found, nil
	}
	if k.failedAt.After(set.at) {
		return key{}, ErrUnavailable // it may be a new one
	}
	return key{}, errUnknownKey
}

// hurry makes keys be fetched often for a while.
func (k *keys) hurry() {
	until := time.Now().Add(hurry)
	k.hurryUntil.Store(&until)
}

// age is how long keys are kept.
func (k *keys) age() time.Duration {
	if until := k.hurryUntil.Load(); until != nil && time.Now().Before(*until) {
		return hurryAge
	}
	return keysAge
}

// known returns a key that needs no fetch.
func (k *keys) known(id string) (found key, ok bool) {
	set := k.current.Load()
	if set == nil || time.Since(set.at) > k.age() {
		return found, false
	}
	found, ok = set.keys[id]
	return found, ok
}

// renew fetches the keys, unless that was tried just now.
func (k *keys) renew(ctx context.Context, id string) {
	now, set := time.Now(), k.current.Load()
	switch {
	case set == nil:
		if now.Sub(k.failedAt) < retryKeys {
			return
		}
	case k.failedAt.After(set.at) && now.Sub(k.failedAt) < unknownEvery:
		return
	case now.Sub(set.at) <= k.age():
		if now.Sub(k.unknownAt) < unknownEvery {
			return
		}
		k.unknownAt = now
	}
	// One request fetches for all: that its client goes away must not be their failure.
	fetched, err := k.api.fetchKeys(context.WithoutCancel(ctx))
	if err != nil {
		k.failedAt = time.Now()
		k.log.Warn("guildhall: the keys could not be fetched", "error", err)
		return
	}
	k.current.Store(&keySet{fetched, now})
	if _, found := fetched[id]; !found && id != "" {
		k.unknownAt = now
	}
}

// jwk is a published key (RFC 7517).
type jwk struct {
	Type      string `json:"kty"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
	N         string `json:"n"`
	E         string `json:"e"`
}

func (a *api) fetchKeys(ctx context.Context) (map[string]key, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/.well-known/jwks.json", nil) //nolint:gosec // the address is the one that is configured
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := a.call(r, &set, nil); err != nil {
		return nil, err
	}
	found := map[string]key{}
	for _, j := range set.Keys {
		if public := j.public(); public != nil {
			found[j.ID] = key{j.Algorithm, public}
		}
	}
	return found, nil
}

// public returns the key, or nil if it is of a kind that is unknown here.
func (j *jwk) public() any {
	if j.ID == "" || j.Use != "" && j.Use != "sig" {
		return nil
	}
	switch {
	case j.Type == "EC" && j.Curve == "P-256" && j.Algorithm == jwt.SigningMethodES256.Alg():
		x, errX := decode(j.X)
		y, errY := decode(j.Y)
		if errX != nil || errY != nil {
			return nil
		}
		point := append(append([]byte{4}, x...), y...) // SEC 1
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return nil
		}
		return public
	case j.Type == "RSA" && j.Algorithm == jwt.SigningMethodRS256.Alg():
		n, errN := decode(j.N)
		e, errE := decode(j.E)
		if errN != nil || errE != nil || len(e) == 0 || len(e) > 4 {
			return nil
		}
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		if public.N.BitLen() < leastModul {
			return nil
		}
		return public
	default:
		return nil
	}
}

func decode(text string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(text) }
