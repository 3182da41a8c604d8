package password

import (
	"crypto/subtle"
	"fmt"
	"strings"
	"time"
)

// imported is a hash that another system made, by any algorithm but bcrypt and argon2. It is
// stored in one form for each algorithm, in the manner of PHC strings: $algorithm,
// parameters, salt and key. Import translates the forms of other systems into these, so that
// a log-in reads only these.
//
// A fast hash is wrapped: in place of its key there is an argon2id hash of the key.
type imported struct {
	algorithm
	prefix string        // the stored form as far as the key
	key    []byte        // nil if the hash is wrapped
	over   *argon2idHash // nil if not
}

// algorithm is a way to hash passwords, with all parameters.
type algorithm interface {
	derive(password string) []byte
	cost() cost
}

// cost is what a check takes, computed from the parameters. The times of units were measured
// on a core of 2026 (BenchmarkImported).
type cost struct {
	memory uint64        // KiB
	time   time.Duration // at most
	least  time.Duration // with a short password
}

// The most that the check of a hash may cost.
const (
	longest = 2 * time.Second
	most    = maxMemory
)

func (c cost) tooHigh() bool { return c.time > longest || c.memory > most }

// fast is what a hash must take, or it is wrapped. Against a faster one, a thief of the table
// can try billions of passwords an hour. bcrypt of the lowest cost takes as long.
const fast = time.Millisecond

// parsers are the algorithms by their names. A parser gets the fields between the name and
// the key.
var parsers = map[string]func(name string, fields []string, keys Keys) (form, error){
	"pbkdf2-sha1": parsePBKDF2, "pbkdf2-sha256": parsePBKDF2, "pbkdf2-sha512": parsePBKDF2,
	"scrypt": parseScrypt, "scrypt-nfkc": parseScrypt, "firebase-scrypt": parseFirebase,
	"5": parseSHACrypt, "6": parseSHACrypt,
	"digest": parseDigest,
}

// form is an algorithm, and how its key is written.
type form struct {
	algorithm
	length int  // of the key in bytes
	text   bool // the key is text; else it is in base64
}

func parseImported(encoded string, keys Keys) (i imported, err error) {
	before := encoded
	if at := strings.LastIndex(encoded, argon2idPrefix); at > 0 {
		over, err := parseArgon2id(encoded[at:])
		if err != nil {
			return i, err
		}
		before, i.over = encoded[:at], &over
	}
	parts := strings.Split(before, "$")
	if len(parts) < 3 || parts[0] != "" {
		return i, fmt.Errorf("%w: of no known kind", errUnreadable)
	}
	var f form
	key := ""
	if name := parts[1]; name == "P" || name == "H" {
		f, key, err = parsePHPass(parts[2:])
	} else if parser, known := parsers[name]; known {
		fields := parts[2:]
		if i.over == nil {
			fields, key = fields[:len(fields)-1], fields[len(fields)-1]
		}
		f, err = parser(name, fields, keys)
	} else {
		return i, fmt.Errorf("%w: of no known kind", errUnreadable)
	}
	if err != nil {
		return i, err
	}
	if f.cost().tooHigh() { // mutant: costly-hash
		return i, fmt.Errorf("%w: would take more than 2 seconds or 256 MiB to check", errUnreadable)
	}
	i.algorithm, i.prefix = f.algorithm, strings.TrimSuffix(strings.TrimSuffix(before, key), "$")
	if i.over != nil {
		if key != "" {
			return i, fmt.Errorf("%w: two keys", errUnreadable)
		}
		return i, nil
	}
	ok := len(key) == f.length && strings.Trim(key, cryptAlphabet) == ""
	i.key = []byte(key)
	if !f.text {
		i.key, ok = decode(key, f.length, f.length)
	}
	if !ok {
		return i, fmt.Errorf("%w: bad key", errUnreadable)
	}
	return i, nil
}

// tooFast reports whether the hash has to be wrapped.
func (i imported) tooFast() bool { return i.over == nil && i.cost().least < fast }

// wrap returns the stored form in which the key is replaced by an argon2id hash of it.
func (i imported) wrap(p Parameters, salt []byte) string {
	return i.prefix + p.hash(string(i.key), salt).encode()
}

func (i imported) matches(password string) bool {
	key := i.derive(password)
	if i.over != nil {
		return i.over.matches(string(key))
	}
	return subtle.ConstantTimeCompare(key, i.key) == 1
}

func (imported) outdated(Parameters) bool { return true }

// turns counts the memory. A hash that takes longer keeps its turn for as long.
func (i imported) turns() int {
	n := 1
	if i.over != nil {
		n = i.over.turns()
	}
	return max(n, int((i.cost().memory+turnMemory-1)/turnMemory)) //nolint:gosec // at most 256 MiB
}

// numbers parses comma separated parameters, name=number each, in this order.
func numbers(text string, limits ...limit) ([]uint32, error) {
	fields := strings.Split(text, ",")
	if len(fields) != len(limits) {
		return nil, fmt.Errorf("%w: wrong number of parameters", errUnreadable)
	}
	values := make([]uint32, len(limits))
	for i, l := range limits {
		var ok bool
		if values[i], ok = number(fields[i], l.name+"=", l.low, l.high); !ok {
			return nil, fmt.Errorf("%w: parameter %s is missing or out of bounds", errUnreadable, l.name)
		}
	}
	return values, nil
}

type limit struct {
	name      string
	low, high uint32
}

// parametersAndSalt parses the two fields that most algorithms have.
func parametersAndSalt(fields []string, limits ...limit) ([]uint32, []byte, error) {
	if len(fields) != 2 {
		return nil, nil, fmt.Errorf("%w: not parameters, salt and key", errUnreadable)
	}
	values, err := numbers(fields[0], limits...)
	if err != nil {
		return nil, nil, err
	}
	salt, ok := decode(fields[1], 1, 64)
	if !ok {
		return nil, nil, fmt.Errorf("%w: bad salt", errUnreadable)
	}
	return values, salt, nil
}
