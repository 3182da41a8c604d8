// Package ratelimit slows down whoever asks for the same thing too often. The
// counts are those of this process: they start anew with it, and each replica
// has its own.
package ratelimit

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"guildhall/platform/fault"
)

// errTooMany is the same whatever the limit, so that it tells nothing of whom
// else it counts.
var errTooMany = fault.New(fault.TooManyRequests, "too_many_requests", "Too many attempts. Try again later.")

// Refusal is what Allow answers at the limit, for the OpenAPI document.
func Refusal() *fault.Error { return errTooMany }

// maxKeys is how many keys are kept before those that are idle are forgotten,
// and how many at most: then all are, for memory must not grow with attackers.
const maxKeys = 100_000

// Limiter allows each key a burst, and then one more in each interval. A nil
// Limiter allows everything. It is safe for concurrent use.
type Limiter struct {
	burst    int
	interval time.Duration
	now      func() time.Time

	mu   sync.Mutex
	keys map[string]*rate.Limiter
}

// New returns a Limiter.
func New(burst int, interval time.Duration, now func() time.Time) *Limiter {
	return &Limiter{burst: burst, interval: interval, now: now, keys: map[string]*rate.Limiter{}}
}

// Allow counts one attempt, or answers 429 with the time until the next may be
// made. A refused attempt is not counted.
func (l *Limiter) Allow(key string) error {
	if l == nil {
		return nil
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	k, known := l.keys[key]
	if !known {
		l.makeRoom(now)
		k = rate.NewLimiter(rate.Every(l.interval), l.burst)
		l.keys[key] = k
	}
	r := k.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return errTooMany.WithRetryAfter(wait)
	}
	return nil
}

// Forget gives the key its whole burst back, as after a success.
func (l *Limiter) Forget(key string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.keys, key)
}

func (l *Limiter) makeRoom(now time.Time) {
	if len(l.keys) < maxKeys {
		return
	}
	for key, k := range l.keys {
		if k.TokensAt(now) >= float64(l.burst) {
			delete(l.keys, key)
		}
	}
	if len(l.keys) >= maxKeys {
		clear(l.keys)
	}
}

// Address is the key of a client's address. Of IPv6 it is the /64, which one
// subscriber has whole.
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
