package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	saltLength = 16
	keyLength  = 32
)

// today is what new hashes are made with: the first choice of the OWASP
// Password Storage Cheat Sheet, 19 MiB and two passes.
var today = params{memory: 19456, passes: 2, lanes: 1}

// What a stored hash may ask for. A row that came with an import, or from
// somebody who can write to the database, must not be able to stop the service.
// The common defaults are inside: RFC 9106's second (64 MiB, 3 passes, 4 lanes)
// and passlib's (100 MiB, 2 passes, 8 lanes).
const (
	maxMemory  = 128 << 10 // KiB
	maxPasses  = 10
	maxLanes   = 16
	maxWork    = 512 << 10 // KiB × passes, some thirteen times today's
	maxEncoded = 256       // bytes of the whole string
)

// params of argon2id (RFC 9106 §3.1), memory in KiB.
type params struct {
	memory, passes uint32
	lanes          uint8
}

type argon2idHash struct {
	params
	salt, key []byte
}

func newArgon2id(password string) argon2idHash {
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails: it ends the program instead
	return argon2idHash{today, salt, today.derive(password, salt, keyLength)}
}

func (p params) derive(password string, salt []byte, length int) []byte {
	return argon2.IDKey([]byte(password), salt, p.passes, p.memory, p.lanes, uint32(length)) //nolint:gosec // at most 64
}

func (a argon2idHash) matches(password string) bool {
	key := a.derive(password, a.salt, len(a.key))
	return subtle.ConstantTimeCompare(key, a.key) == 1
}

func (a argon2idHash) outdated() bool {
	return a.params != today || len(a.salt) != saltLength || len(a.key) != keyLength
}

// turns keeps the sum of memory within what ordinary hashes would take, and
// counts the cores that lanes occupy.
func (a argon2idHash) turns() int {
	return max(int((a.memory+today.memory-1)/today.memory), int(a.lanes))
}

// encode as a PHC string: github.com/P-H-C/phc-string-format.
func (a argon2idHash) encode() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.memory, a.passes, a.lanes,
		base64.RawStdEncoding.EncodeToString(a.salt), base64.RawStdEncoding.EncodeToString(a.key))
}

// parseArgon2id takes exactly what encode writes, with other parameters: a
// string that could be read in two ways is refused.
func parseArgon2id(encoded string) (argon2idHash, error) {
	if len(encoded) > maxEncoded {
		return argon2idHash{}, fmt.Errorf("%w: too long", errUnreadable)
	}
	rest, ok := strings.CutPrefix(encoded, "$argon2id$v=19$")
	if !ok {
		return argon2idHash{}, fmt.Errorf("%w: neither bcrypt nor argon2id version 19", errUnreadable)
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return argon2idHash{}, fmt.Errorf("%w: not three parts after the version", errUnreadable)
	}
	p, err := parseParams(parts[0])
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

func parseParams(s string) (params, error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return params{}, fmt.Errorf("%w: not three parameters", errUnreadable)
	}
	memory, okM := number(fields[0], "m=", 8, maxMemory)
	passes, okT := number(fields[1], "t=", 1, maxPasses)
	lanes, okP := number(fields[2], "p=", 1, maxLanes)
	if !okM || !okT || !okP || memory < 8*lanes || memory*passes > maxWork {
		return params{}, fmt.Errorf("%w: parameters out of bounds", errUnreadable)
	}
	return params{memory, passes, uint8(lanes)}, nil //nolint:gosec // at most maxLanes
}

// number reads a decimal without sign or leading zeros.
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

// decode refuses what encodes differently: Go's decoder lets line breaks and
// stray bits pass.
func decode(s string, low, high int) ([]byte, bool) {
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(b) < low || len(b) > high || base64.RawStdEncoding.EncodeToString(b) != s {
		return nil, false
	}
	return b, true
}
