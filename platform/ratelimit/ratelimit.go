// Package ratelimit provides rate limits: in the database (Store), and in memory (Limiter)
// where a restart may reset them and each replica may have its own.
package ratelimit

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"guildhall/platform/fault"
)

// errTooMany is the same for every limit, so that it does not reveal which other clients
// a limit counts.
var errTooMany = fault.New(fault.TooManyRequests, "too_many_requests", "Too many attempts. Try again later.")

// Refusal returns the error for a reached limit, for the OpenAPI document.
func Refusal() *fault.Error { return errTooMany }

// maxKeys is how many keys have their own limit. When it is reached, idle keys are
// dropped. Busy keys never are: if too many are busy, new keys share sharedKeys limits.
const (
	maxKeys    = 100_000
	sharedKeys = 1000
)

// Limiter applies a policy to each key, in memory. A nil Limiter allows everything. It is
// safe for concurrent use.
type Limiter struct {
	policy Policy
	now    func() time.Time

	mu    sync.Mutex
	keys  map[string]*rate.Limiter
	swept time.Time
	seed  maphash.Seed
}

// NewLimiter returns a Limiter.
func NewLimiter(p Policy, now func() time.Time) *Limiter {
	return &Limiter{policy: p, now: now, keys: map[string]*rate.Limiter{}, seed: maphash.MakeSeed()}
}

// Allow counts one attempt, or refuses it (too_many_requests) with the time until the
// next is allowed. A refused attempt does not count.
func (l *Limiter) Allow(ctx context.Context, key string) error {
	if l == nil {
		return nil
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.of(key, now)
	r := k.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		announce(ctx, l.policy, 0, wait)
		return errTooMany.WithRetryAfter(wait).WithCause(&Reached{l.policy})
	}
	left := k.TokensAt(now)
	if !l.policy.Silent {
		announce(ctx, l.policy, int64(left), time.Duration((float64(l.policy.Burst)-left)*float64(l.policy.Interval)))
	}
	return nil
}

// Exhausted reports whether Allow would refuse the key now. It counts nothing.
func (l *Limiter) Exhausted(key string) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	return l.of(key, now).TokensAt(now) < 1
}

func (l *Limiter) of(key string, now time.Time) *rate.Limiter {
	if k, known := l.keys[key]; known {
		return k
	}
	if len(l.keys) >= maxKeys && now.Sub(l.swept) >= l.policy.Interval { // not for every new key
		l.swept = now
		for key, k := range l.keys {
			if k.TokensAt(now) >= float64(l.policy.Burst) {
				delete(l.keys, key)
			}
		}
	}
	if len(l.keys) >= maxKeys {
		key = fmt.Sprint("shared ", maphash.String(l.seed, key)%sharedKeys)
		if k, known := l.keys[key]; known {
			return k
		}
	}
	k := rate.NewLimiter(rate.Every(l.policy.Interval), l.policy.Burst)
	l.keys[key] = k
	return k
}

// Address returns the key of a client's IP address. For IPv6 it is the /64, which
// providers assign to one subscriber.
func Address(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked().String()
	}
	return a.String()
}
