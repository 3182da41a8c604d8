package password

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// ErrNoPassword is returned by Import for what other systems store for an account without a
// password: nothing, or a text that begins with ! or *.
var ErrNoPassword = errors.New("no password hash")

// IsNone reports whether another system stores this for an account without a password.
func IsNone(given string) bool { return given == "" || given[0] == '!' || given[0] == '*' }

// Source is what a password hash does not say itself. The zero value is right for most.
type Source struct {
	// Form is firebase, md5, sha1, sha224, sha256, sha384 or sha512 for a bare key in
	// base64 or hexadecimal, and empty for a hash that says what it is.
	Form string
	// Salt is that of a bare key: in base64 for firebase, else as it is.
	Salt      string
	SaltFirst bool // md5(salt + password), not md5(password + salt)
	// Key is the name, in PASSWORD_IMPORT_KEYS, of Firebase's signer key, or of Devise's
	// pepper, which it appends to the password.
	Key string
	// These are Firebase's parameters, as its console shows them.
	SaltSeparator      string // in base64
	Rounds, MemoryCost uint32
}

// Forms are the forms of bare keys.
func Forms() []string {
	return []string{"firebase", "md5", "sha1", "sha224", "sha256", "sha384", "sha512"}
}

// maxGiven is the longest text that Import reads, Keycloak's JSON included.
const maxGiven = 4096

// Import returns what to store for a password hash that another system made, so that Verify
// checks it. A fast hash is wrapped, which takes as long as a Hash. It refuses a hash that
// Verify would refuse, and one that takes more than two seconds or 256 MiB to check. No
// error contains the hash. Other than Hash, it does not wait for a turn: it is for imports,
// not for requests.
//
// It accepts what it returns, so that an export can be imported.
func (h *Hasher) Import(given string, from Source) (stored string, err error) {
	if IsNone(given) {
		return "", ErrNoPassword
	}
	if len(given) > maxGiven {
		return "", fmt.Errorf("%w: too long", errUnreadable)
	}
	if from.Form != "" && !slices.Contains(Forms(), from.Form) {
		return "", fmt.Errorf("the form of password hashes is none of %s", strings.Join(Forms(), ", "))
	}
	if stored, err = translate(given, from, h.keys); err != nil {
		return "", err
	}
	if i, err := parseImported(stored, h.keys); err == nil && i.tooFast() {
		salt := make([]byte, saltLength)
		_, _ = rand.Read(salt) // never fails: it crashes the program instead
		stored = i.wrap(h.parameters, salt)
	}
	if err := h.Readable(stored); err != nil {
		return "", err
	}
	return stored, nil
}

// Imported reports whether Import would return what is stored, but for the salt of a wrapped
// hash. For one of these it takes as long as a Hash.
func (h *Hasher) Imported(given string, from Source, stored string) bool {
	if len(given) > maxGiven || from.Form != "" && !slices.Contains(Forms(), from.Form) {
		return false
	}
	text, err := translate(given, from, h.keys)
	if err != nil || text == stored {
		return err == nil
	}
	is, err := parseImported(text, h.keys)
	if err != nil || !is.tooFast() {
		return false
	}
	was, err := parseImported(stored, h.keys)
	return err == nil && was.over != nil && strings.HasPrefix(stored, is.prefix+argon2idPrefix) && was.over.matches(string(is.key))
}

// translate returns the stored form of a hash in the form of another system. What it does not
// know it returns as it is.
func translate(given string, from Source, keys Keys) (string, error) {
	if from.Form == "firebase" {
		return fromFirebase(given, from)
	}
	if from.Form != "" {
		return fromBareKey(given, from)
	}
	fields := strings.Split(given, "$")
	switch first := fields[0]; {
	case first == "" && len(fields) > 2:
		return fromCrypt(given, fields[1:], from, keys)
	case strings.HasPrefix(first, `{"`):
		return fromKeycloak(given)
	case strings.HasPrefix(first, "{"):
		return fromLDAP(given, from, keys)
	case strings.HasPrefix(first, "scrypt:"), strings.HasPrefix(first, "pbkdf2:"):
		return fromWerkzeug(fields)
	case len(fields) > 1:
		return fromDjango(given, fields)
	case strings.Contains(given, ":"):
		return fromBetterAuth(given)
	default:
		return fromASPNET(given)
	}
}

// fromCrypt translates what begins like crypt(3): passlib's, PHC strings that lack a length,
// and bcrypt with Devise's pepper.
func fromCrypt(given string, fields []string, from Source, keys Keys) (string, error) {
	name := fields[0]
	switch {
	case from.Key != "" && strings.HasPrefix(given, "$2"):
		return bcryptPepperPrefix + from.Key + given, nil
	case name == "fbscrypt" && len(fields) == 4: // Supabase has the signer key in each hash
		return fromSupabase(fields, keys)
	case len(fields) != 4:
		return given, nil
	case name == "pbkdf2":
		name = "pbkdf2-sha1"
	case name != "scrypt" && !strings.HasPrefix(name, "pbkdf2-"):
		return given, nil
	}
	parameters, _, _ := strings.Cut(fields[1], ",l=")
	if name != "scrypt" && !strings.HasPrefix(parameters, "i=") {
		parameters = "i=" + parameters
	}
	salt, key, err := saltAndKey(fields[2], fields[3])
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$%s$%s,l=%d$%s$%s", name, parameters, len(key), base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

// fromDjango translates algorithm$iterations$salt$key. A salt is text.
func fromDjango(given string, fields []string) (string, error) {
	name := fields[0]
	rest := strings.TrimPrefix(given, name)
	switch {
	case name == "argon2":
		return "$" + strings.TrimPrefix(rest, "$"), nil
	case name == "bcrypt":
		return strings.TrimPrefix(rest, "$"), nil
	case name == "bcrypt_sha256":
		return bcryptSHA256Prefix + strings.TrimPrefix(rest, "$"), nil
	case (name == "pbkdf2_sha256" || name == "pbkdf2_sha1") && len(fields) == 4:
		n, okN := parameter(fields[1])
		key, okKey := anyBase64(fields[3])
		if okN && okKey {
			return pbkdf2Form(strings.TrimPrefix(name, "pbkdf2_"), n, []byte(fields[2]), key), nil
		}
	case name == "scrypt" && len(fields) == 6:
		if key, ok := anyBase64(fields[5]); ok {
			return fromScryptN(fields[1], fields[3], fields[4], []byte(fields[2]), key)
		}
	case (name == "md5" || name == "sha1") && len(fields) == 3:
		if key, err := hex.DecodeString(fields[2]); err == nil {
			return digestForm(name, saltFirst, []byte(fields[1]), key), nil
		}
	default:
		return given, nil
	}
	return "", fmt.Errorf("%w: not as Django writes %s", errUnreadable, name)
}

// fromScryptN writes scrypt whose N is a number, not its logarithm.
func fromScryptN(n, r, p string, salt, key []byte) (string, error) {
	nn, okN := parameter(n)
	rr, okR := parameter(r)
	pp, okP := parameter(p)
	if !okN || !okR || !okP || bits.OnesCount32(nn) != 1 {
		return "", fmt.Errorf("%w: parameters of scrypt out of bounds", errUnreadable)
	}
	return scryptForm("scrypt", uint32(bits.TrailingZeros32(nn)), rr, pp, salt, key), nil //nolint:gosec // at most 31
}

// fromWerkzeug translates scrypt:N:r:p$salt$key and pbkdf2:sha256:iterations$salt$key. The
// salt is text, the key is hexadecimal.
func fromWerkzeug(fields []string) (string, error) {
	if len(fields) == 3 {
		key, err := hex.DecodeString(fields[2])
		method := strings.Split(fields[0], ":")
		switch {
		case err != nil:
		case method[0] == "scrypt" && len(method) == 4:
			return fromScryptN(method[1], method[2], method[3], []byte(fields[1]), key)
		case method[0] == "pbkdf2" && len(method) == 3 && prfs[method[1]].new != nil:
			if n, ok := parameter(method[2]); ok {
				return pbkdf2Form(method[1], n, []byte(fields[1]), key), nil
			}
		}
	}
	return "", fmt.Errorf("%w: not as Werkzeug writes it", errUnreadable)
}

// fromBetterAuth translates salt:key in hexadecimal, of which the salt is used as text.
func fromBetterAuth(given string) (string, error) {
	salt, text, _ := strings.Cut(given, ":")
	key, err := hex.DecodeString(text)
	if _, errSalt := hex.DecodeString(salt); err != nil || errSalt != nil || len(salt) != 32 || len(key) != 64 {
		return "", fmt.Errorf("%w: not a salt and a key in hexadecimal, as better-auth writes it", errUnreadable)
	}
	return scryptForm("scrypt-nfkc", 14, 16, 1, []byte(salt), key), nil
}

// fromFirebase translates a bare key of Firebase, whose parameters come from the project.
func fromFirebase(given string, from Source) (string, error) {
	salt, key, err := saltAndKey(from.Salt, given)
	if err != nil {
		return "", err
	}
	separator, ok := anyBase64(from.SaltSeparator)
	if !ok {
		return "", fmt.Errorf("%w: the salt separator is not base64", errUnreadable)
	}
	return firebaseForm(from.Key, from.MemoryCost, from.Rounds, append(salt, separator...), key), nil
}

func firebaseForm(name string, memoryCost, rounds uint32, salt, key []byte) string {
	return fmt.Sprintf("$firebase-scrypt$k=%s,ln=%d,r=%d$%s$%s", name, memoryCost, rounds,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// fromSupabase translates $fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$key. The signer key has
// to be among the keys, too, so that it need not be stored.
func fromSupabase(fields []string, keys Keys) (string, error) {
	parameters := map[string]string{}
	for _, p := range strings.Split(fields[1], ",") {
		name, value, _ := strings.Cut(p, "=")
		parameters[name] = value
	}
	n, okN := parameter(parameters["n"])
	r, okR := parameter(parameters["r"])
	if !okN || !okR || parameters["v"] != "1" || parameters["p"] != "1" {
		return "", fmt.Errorf("%w: not as Supabase writes fbscrypt", errUnreadable)
	}
	for name, key := range keys {
		if key == parameters["sk"] {
			return fromFirebase(fields[3], Source{Salt: fields[2], SaltSeparator: parameters["ss"], Key: name, MemoryCost: n, Rounds: r})
		}
	}
	return "", fmt.Errorf("%w: its signer key (sk) is not in PASSWORD_IMPORT_KEYS", errUnreadable)
}

// fromLDAP translates {SCHEME}. Salted digests end with the salt.
func fromLDAP(given string, from Source, keys Keys) (string, error) {
	scheme, rest, _ := strings.Cut(given[1:], "}")
	scheme = strings.ToUpper(scheme)
	if scheme == "CRYPT" || scheme == "ARGON2" {
		if strings.HasPrefix(rest, "{") {
			return "", fmt.Errorf("%w: one scheme in another", errUnreadable)
		}
		return translate(rest, from, keys)
	}
	if strings.HasPrefix(scheme, "PBKDF2") {
		return fromCrypt(given, append([]string{strings.ToLower(scheme)}, strings.Split(rest, "$")...), from, keys)
	}
	name := strings.ToLower(scheme)
	salted := false
	switch name {
	case "smd5", "ssha", "ssha224", "ssha256", "ssha384", "ssha512":
		name, salted = name[1:], true
	}
	if name == "sha" {
		name = "sha1"
	}
	newHash, known := digests[name]
	if !known {
		return "", fmt.Errorf("%w: a scheme of LDAP that is not known", errUnreadable)
	}
	size := newHash().Size()
	raw, ok := anyBase64(rest)
	if !ok || len(raw) < size || salted == (len(raw) == size) {
		return "", fmt.Errorf("%w: not the base64 of its scheme", errUnreadable)
	}
	return digestForm(name, passwordFirst, raw[size:], raw[:size]), nil
}

func fromBareKey(given string, from Source) (string, error) {
	size := digests[from.Form]().Size()
	key, err := hex.DecodeString(given)
	if err != nil || len(key) != size {
		key, _ = anyBase64(given)
	}
	if len(key) != size {
		return "", fmt.Errorf("%w: neither hexadecimal nor base64 of %d bytes", errUnreadable, size)
	}
	order := passwordFirst
	if from.SaltFirst {
		order = saltFirst
	}
	return digestForm(from.Form, order, []byte(from.Salt), key), nil
}

// saltAndKey decodes both from base64.
func saltAndKey(salt, key string) (s, k []byte, err error) {
	s, ok := anyBase64(salt)
	if !ok {
		return nil, nil, fmt.Errorf("%w: the salt is not base64", errUnreadable)
	}
	if k, ok = anyBase64(key); !ok {
		return nil, nil, fmt.Errorf("%w: the key is not base64", errUnreadable)
	}
	return s, k, nil
}

// parameter parses a number of a foreign form.
func parameter(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// otherAlphabets are those of URLs and of passlib, which writes . for +.
var otherAlphabets = strings.NewReplacer("-", "+", "_", "/", ".", "+")

// anyBase64 decodes base64 with any of the usual alphabets, padded or not.
func anyBase64(s string) ([]byte, bool) {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(otherAlphabets.Replace(s), "="))
	return b, err == nil
}
