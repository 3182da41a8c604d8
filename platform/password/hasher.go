// Package password turns passwords into hashes that are safe to store, verifies
// them, and refuses the ones that everybody guesses first.
//
// A hash costs tens of milliseconds of a core and megabytes, on purpose. So no
// more run at once than the machine has cores for, few wait, and the rest are
// refused at once (OWASP: a hash function is a way to exhaust a server).
package password

import (
	"context"
	"crypto/rand"
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Options of a Hasher. The zero value is right for a server.
type Options struct {
	// Parameters are what new hashes are made with. Zero: Default.
	Parameters Parameters
	// Concurrency is how many hashes run at once, each on a core and in at most
	// 19 MiB; one that asks for more counts as several.
	// 0: one for each core (GOMAXPROCS), and no more than a third of the memory
	// that Go may take (GOMEMLIMIT) is enough for.
	Concurrency int
	// Queue is how many callers may wait for a turn; the next is refused.
	// 0: 32 for each that runs, about a second of waiting. Negative: none.
	Queue int
	// Timed is told of each hash that was made when it was asked for and how long
	// it waited for its turn; or nil.
	Timed func(ctx context.Context, asked time.Time, waited time.Duration)
}

// Hasher makes and verifies password hashes. It is safe for concurrent use, and
// one process needs one: the limits are the Hasher's.
type Hasher struct {
	parameters Parameters
	turns      *turns
	absent     string // what nobody's password is compared with
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
	return &Hasher{parameters: o.Parameters, turns: turns, absent: o.Parameters.unusable().encode()}
}

// affordable is how many hashes may run at once on so many cores, within a limit
// of bytes. The rest of the memory is for requests, and for hashes that have been
// computed and not collected yet.
func affordable(cores int, limit int64) int {
	return max(1, int(min(int64(cores), limit/3/(turnMemory<<10))))
}

// Hash returns the PHC string to store for the password, with a salt of its own.
// It answers fault.Unavailable "hashing_busy" when too many wait already, and
// the context's error when that ends before the turn comes; so do the other two.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	var encoded string
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails: it ends the program instead
	turns := argon2idHash{Parameters: h.parameters}.turns()
	err := h.turns.take(ctx, turns, func() { encoded = h.parameters.hash(password, salt).encode() })
	if err != nil {
		return "", err
	}
	return encoded, nil
}

// Verify says whether the password is the one that was hashed: with argon2id,
// as Hash writes it or with other parameters within reason, or with the bcrypt
// of the former service. renew asks the caller to store a new Hash of this
// password, because the stored one is not what Hash would write today; it is
// never true unless ok is. A stored hash that can't be read is an error.
//
// bcrypt sees no more than 72 bytes, and the former service cut what was longer
// in silence. Such a person is let in with the password they chose, of which
// the first 72 bytes decide; renewing ends that, for all bytes count from then.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (ok, renew bool, err error) {
	stored, err := parse(encoded)
	if err != nil {
		return false, false, err
	}
	err = h.turns.take(ctx, stored.turns(), func() { ok = stored.matches(password) })
	if err != nil {
		return false, false, err
	}
	return ok, ok && stored.outdated(h.parameters), nil
}

// VerifyAbsent does what Verify does, for an account that does not exist, so
// that the time an answer takes does not tell (ASVS 6.3.8). There is nothing to
// learn from it but that hashing was possible.
//
// An account whose hash is a bcrypt one, or was made with other parameters, takes
// as long as that says, until its first log-in renews it.
func (h *Hasher) VerifyAbsent(ctx context.Context, password string) error {
	_, _, err := h.Verify(ctx, h.absent, password)
	return err
}

// Unusable returns a hash that no password has, for an account without one. It has
// the parameters of a new hash and is verified like any other, so that a log-in takes
// as long.
func (h *Hasher) Unusable() string { return h.parameters.unusable().encode() }

// HashWithSalt is the hash for sample data, which must be the same each time: who
// knows the salt can have guessed before. No person's is ever made with it.
func HashWithSalt(password string, salt []byte) string { return Default.hash(password, salt).encode() }

// Readable says whether Verify could read a hash, and would not be kept busy by
// it for longer than by others.
func Readable(encoded string) error {
	_, err := parse(encoded)
	return err
}

// Ready refuses where a hash would be: for whoever has something to do first
// that should not be done in vain.
func (h *Hasher) Ready() error {
	if h.turns.full() {
		h.turns.refused.Add(1)
		return ErrBusy
	}
	return nil
}

// Stats is how busy a Hasher is now, and how often it has refused.
type Stats struct {
	Running  int   // hashes being computed
	Waiting  int   // callers waiting for a turn
	Rejected int64 // callers refused since the start, because too many waited
}

// Stats costs a few atomic reads; the numbers need not be of the same instant.
func (h *Hasher) Stats() Stats { return h.turns.stats() }

// storedHash is a hash as it was read from the database.
type storedHash interface {
	matches(password string) bool // in constant time, given equal lengths
	outdated(now Parameters) bool // it is not what Hash would write with these
	turns() int                   // how many ordinary hashes its cost is worth
}

// errUnreadable is what every malformed hash wraps. No error repeats the hash.
var errUnreadable = errors.New("unreadable password hash")

func parse(encoded string) (storedHash, error) {
	if strings.HasPrefix(encoded, "$2") {
		return parseBcrypt(encoded)
	}
	return parseArgon2id(encoded)
}
