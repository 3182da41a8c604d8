// Package password hashes and verifies passwords, and refuses common and breached ones.
//
// A hash deliberately costs tens of milliseconds of a core and megabytes of memory. So
// that attackers can't exhaust the server (OWASP), the number of concurrent hashes is
// limited by cores and memory, few callers may wait, and the rest are refused at once.
package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Options of a Hasher. The zero value is right for a server.
type Options struct {
	// Parameters are those of new hashes. Zero: Default.
	Parameters Parameters
	// Concurrency is how many hashes run at once, each on a core and in at most 19 MiB.
	// A hash that needs more counts as several.
	// 0: one for each core (GOMAXPROCS), within a third of the memory limit (GOMEMLIMIT).
	Concurrency int
	// Queue is how many callers may wait for a turn; the next is refused.
	// 0: 32 for each that runs, about a second of waiting. Negative: none.
	Queue int
	// Keys are the secrets of other systems that some imported hashes name.
	Keys Keys
	// Timed is called after each hash with the time of the call and how long it waited
	// for its turn. It may be nil.
	Timed func(ctx context.Context, asked time.Time, waited time.Duration)
}

// Hasher computes and verifies password hashes. It is safe for concurrent use. A process
// should have one, because each Hasher has its own limits.
type Hasher struct {
	parameters Parameters
	keys       Keys
	turns      *turns
	absent     string // the hash that VerifyAbsent compares with
}

// New returns a Hasher.
func New(o Options) *Hasher {
	if o.Concurrency <= 0 {
		o.Concurrency = affordable(runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1))
	}
	if o.Queue == 0 {
		o.Queue = 32 * o.Concurrency
	}
	if o.Parameters == (Parameters{}) {
		o.Parameters = Default
	}
	turns := newTurns(o.Concurrency, max(o.Queue, 0))
	turns.timed = o.Timed
	return &Hasher{parameters: o.Parameters, keys: o.Keys, turns: turns, absent: o.Parameters.unusable().encode()}
}

// affordable returns how many hashes may run at once, given the number of cores and the
// memory limit in bytes. Two thirds of the memory are for requests and for the garbage of
// finished hashes.
func affordable(cores int, limit int64) int {
	return max(1, int(min(int64(cores), limit/3/(turnMemory<<10))))
}

// Hash returns the PHC string to store for the password, with a random salt. Like Verify
// and VerifyAbsent, it returns ErrBusy if too many callers wait already, and the
// context's error if the context ends before the caller's turn.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	var encoded string
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails: it crashes the program instead
	turns := argon2idHash{Parameters: h.parameters}.turns()
	err := h.turns.take(ctx, turns, func() { encoded = h.parameters.hash(password, salt).encode() })
	if err != nil {
		return "", err
	}
	return encoded, nil
}

// Verify reports whether the password matches a stored hash: one that Hash returned, or
// that Import did. renew asks the caller to store a new Hash of this password, because the
// stored one is of another kind or has other parameters than Hash uses now. renew is true
// only if ok is. A stored hash that can't be parsed is an error.
//
// bcrypt uses only the first 72 bytes of a password, and the former service silently
// truncated longer ones. Such a password is accepted if its first 72 bytes match. From
// the renewal on, all bytes count.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (ok, renew bool, err error) {
	stored, err := parse(encoded, h.keys)
	if err != nil {
		return false, false, err
	}
	err = h.turns.take(ctx, stored.turns(), func() { ok = stored.matches(password) })
	if err != nil {
		return false, false, err
	}
	return ok, ok && stored.outdated(h.parameters), nil
}

// VerifyAbsent does the work of Verify for an account that does not exist, so that the
// response time does not reveal whether it exists (ASVS 6.3.8). It returns an error only
// if hashing was not possible.
//
// An account with an imported hash, or a hash with other parameters, takes a different time
// until its first log-in renews the hash.
func (h *Hasher) VerifyAbsent(ctx context.Context, password string) error {
	_, _, err := h.Verify(ctx, h.absent, password)
	return err
}

// Unusable returns a hash that no password matches, for an account without a password. It
// has the parameters of a new hash, so that a log-in takes as long as with any other.
func (h *Hasher) Unusable() string { return h.parameters.unusable().encode() }

// HashWithSalt returns a reproducible hash for sample data. Never use it for a real
// account: with a known salt, an attacker can compute hashes in advance.
func HashWithSalt(password string, salt []byte) string { return Default.hash(password, salt).encode() }

// Readable returns an error for a hash that Verify would refuse, because it can't be
// parsed, costs too much, or needs a key that is not here.
func (h *Hasher) Readable(encoded string) error {
	_, err := parse(encoded, h.keys)
	return err
}

// Ready returns ErrBusy if Hash and Verify would return it now. Call it before other work
// that would be wasted.
func (h *Hasher) Ready() error {
	if h.turns.full() {
		h.turns.refused.Add(1)
		return ErrBusy
	}
	return nil
}

// Stats are the current load of a Hasher and the number of its refusals.
type Stats struct {
	Running  int   // hashes being computed
	Waiting  int   // callers waiting for a turn
	Rejected int64 // callers refused since the start, because too many waited
}

// Stats returns the current numbers. It costs a few atomic reads; the numbers may be of
// slightly different instants.
func (h *Hasher) Stats() Stats { return h.turns.stats() }

// storedHash is a parsed hash from the database.
type storedHash interface {
	matches(password string) bool // in constant time, given equal lengths
	outdated(now Parameters) bool // whether Hash would write another kind of hash now
	turns() int                   // its cost, in turns of ordinary hashes
}

// errUnreadable is wrapped by the error for every malformed hash. No error contains the
// hash.
var errUnreadable = errors.New("unreadable password hash")

func parse(encoded string, keys Keys) (storedHash, error) {
	if len(encoded) > maxEncoded {
		return nil, fmt.Errorf("%w: too long", errUnreadable)
	}
	switch {
	case strings.HasPrefix(encoded, argon2idPrefix):
		return parseArgon2id(encoded)
	case strings.HasPrefix(encoded, "$argon2i$"), strings.HasPrefix(encoded, "$argon2d$"):
		return parseOtherArgon2(encoded)
	case strings.HasPrefix(encoded, "$2"), strings.HasPrefix(encoded, wordPressPrefix), strings.HasPrefix(encoded, "$bcrypt-"):
		return parseBcryptKind(encoded, keys)
	}
	i, err := parseImported(encoded, keys)
	if err == nil && i.tooFast() { // mutant: fast-hash
		err = fmt.Errorf("%w: a fast hash, and no argon2id over it", errUnreadable)
	}
	return i, err
}
