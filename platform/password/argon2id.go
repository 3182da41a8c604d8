package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	argon2d "github.com/go-crypt/x/argon2"
	"golang.org/x/crypto/argon2"
)

const (
	saltLength = 16
	keyLength  = 32
)

// Default holds the parameters of new hashes unless a setting overrides them. The OWASP
// Password Storage Cheat Sheet lists five settings as equally strong. This one is the
// fastest (BenchmarkEquallyStrong) and takes the least memory.
var Default = Parameters{Memory: 7168, Passes: 5, Lanes: 1}

// The weakest setting of OWASP's five, in KiB and KiB × passes.
const (
	leastMemory = 7168
	leastWork   = 5 * 7168
)

// The limits on the parameters of a stored hash. A row from an import, or from an
// attacker who can write to the database, must not be able to exhaust the service. The
// limits allow the common defaults: RFC 9106's second (64 MiB, 3 passes, 4 lanes) and
// passlib's (100 MiB, 2 passes, 8 lanes).
const (
	maxMemory  = 256 << 10 // KiB
	maxPasses  = 64
	maxLanes   = 16
	maxWork    = 1280 << 10 // KiB × passes: two seconds, at 1.5 µs each
	maxEncoded = 512        // bytes of the whole string
)

// Parameters are those of argon2id (RFC 9106 §3.1).
type Parameters struct {
	Memory uint32 // KiB
	Passes uint32
	Lanes  uint8
}

// ParseParameters parses the form that String returns. It refuses parameters that are
// weaker than every setting that OWASP lists, or costlier than Verify accepts.
func ParseParameters(s string) (Parameters, error) {
	p, err := parseParameters(s)
	switch {
	case err != nil:
		return Parameters{}, fmt.Errorf("is not of the form %s, of at most m=%d, t=%d, p=%d and m×t=%d", Default, maxMemory, maxPasses, maxLanes, maxWork)
	case p.Memory < leastMemory || p.Memory*p.Passes < leastWork:
		return Parameters{}, fmt.Errorf("is weaker than %s, the least that OWASP lists", Default)
	}
	return p, nil
}

// String returns the form that the parameters have in a PHC string.
func (p Parameters) String() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", p.Memory, p.Passes, p.Lanes)
}

type argon2idHash struct {
	Parameters
	salt, key []byte
}

func (p Parameters) hash(password string, salt []byte) argon2idHash {
	return argon2idHash{p, salt, p.derive(password, salt, keyLength)}
}

func (p Parameters) derive(password string, salt []byte, length int) []byte {
	return argon2.IDKey([]byte(password), salt, p.Passes, p.Memory, p.Lanes, uint32(length)) //nolint:gosec // at most 64
}

// unusable returns a hash that no password matches: no key derives as nothing but zeros.
func (p Parameters) unusable() argon2idHash {
	h := argon2idHash{p, make([]byte, saltLength), make([]byte, keyLength)}
	_, _ = rand.Read(h.salt) // never fails: it crashes the program instead
	return h
}

// IsUnusable reports whether a hash is of an account without a password. It does not know those
// of an earlier release, which are random.
func IsUnusable(encoded string) bool {
	h, err := parseArgon2id(encoded)
	return err == nil && !slices.ContainsFunc(h.key, func(b byte) bool { return b != 0 })
}

func (a argon2idHash) matches(password string) bool {
	key := a.derive(password, a.salt, len(a.key))
	return subtle.ConstantTimeCompare(key, a.key) == 1
}

func (a argon2idHash) outdated(now Parameters) bool {
	return a.Parameters != now || len(a.salt) != saltLength || len(a.key) != keyLength
}

// turnMemory is the memory of one turn in KiB. Hashes that earlier versions stored need
// this much, so they take one turn as well.
const turnMemory = 19456

// turns returns how many turns the hash takes: enough for its memory, at turnMemory each,
// and at least one for each lane, which occupies a core.
func (a argon2idHash) turns() int {
	return max(int((a.Memory+turnMemory-1)/turnMemory), int(a.Lanes))
}

// encode returns the PHC string: github.com/P-H-C/phc-string-format.
func (a argon2idHash) encode() string {
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version, a.Parameters,
		base64.RawStdEncoding.EncodeToString(a.salt), base64.RawStdEncoding.EncodeToString(a.key))
}

const argon2idPrefix = "$argon2id$v=19$"

// parseArgon2id accepts exactly the form that encode returns, with any parameters within
// the limits. It refuses a string that could be read in two ways.
func parseArgon2id(encoded string) (argon2idHash, error) {
	return parseArgon2(encoded, argon2idPrefix)
}

func parseArgon2(encoded, prefix string) (argon2idHash, error) {
	rest, ok := strings.CutPrefix(encoded, prefix)
	if !ok {
		return argon2idHash{}, fmt.Errorf("%w: not version 19 of argon2", errUnreadable)
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return argon2idHash{}, fmt.Errorf("%w: not three parts after the version", errUnreadable)
	}
	p, err := parseParameters(parts[0])
	if err != nil {
		return argon2idHash{}, err
	}
	salt, ok := decode(parts[1], 8, 64)
	if !ok {
		return argon2idHash{}, fmt.Errorf("%w: bad salt", errUnreadable)
	}
	key, ok := decode(parts[2], 16, 64)
	if !ok {
		return argon2idHash{}, fmt.Errorf("%w: bad key", errUnreadable)
	}
	return argon2idHash{p, salt, key}, nil
}

// otherArgon2 is a hash by argon2i or argon2d. Its fields are those of argon2id.
type otherArgon2 struct {
	argon2idHash
	compute func(password, salt []byte, passes, memory uint32, lanes uint8, length uint32) []byte
}

func parseOtherArgon2(encoded string) (storedHash, error) {
	o := otherArgon2{compute: argon2.Key}
	prefix := "$argon2i$v=19$"
	if strings.HasPrefix(encoded, "$argon2d$") {
		prefix = "$argon2d$v=19$"
		o.compute = func(password, salt []byte, passes, memory uint32, lanes uint8, length uint32) []byte {
			return argon2d.DKey(password, salt, passes, memory, uint32(lanes), length)
		}
	}
	var err error
	o.argon2idHash, err = parseArgon2(encoded, prefix)
	return o, err
}

func (o otherArgon2) matches(password string) bool {
	key := o.compute([]byte(password), o.salt, o.Passes, o.Memory, o.Lanes, uint32(len(o.key))) //nolint:gosec // at most 64
	return subtle.ConstantTimeCompare(key, o.key) == 1
}

func (otherArgon2) outdated(Parameters) bool { return true }

func parseParameters(s string) (Parameters, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return Parameters{}, fmt.Errorf("%w: not three parameters", errUnreadable)
	}
	memory, okM := number(fields[0], "m=", 8, maxMemory)
	passes, okT := number(fields[1], "t=", 1, maxPasses)
	lanes, okP := number(fields[2], "p=", 1, maxLanes)
	if !okM || !okT || !okP || memory < 8*lanes || memory*passes > maxWork {
		return Parameters{}, fmt.Errorf("%w: parameters out of bounds", errUnreadable)
	}
	return Parameters{memory, passes, uint8(lanes)}, nil //nolint:gosec // at most maxLanes
}

// number parses a decimal without sign or leading zeros.
func number(s, prefix string, low, high uint32) (uint32, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != digits {
		return 0, false
	}
	return uint32(n), uint32(n) >= low && uint32(n) <= high
}

// decode refuses text that is not what the encoder writes for the same bytes: Go's decoder
// accepts line breaks and stray bits.
func decode(s string, low, high int) ([]byte, bool) {
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(b) < low || len(b) > high || base64.RawStdEncoding.EncodeToString(b) != s {
		return nil, false
	}
	return b, true
}
