package systems

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// The forms in which hashes are passed on that do not say what they are in the other system.
// They are those in which platform/password stores them.

// malformed is passed on for a hash that is not as its system writes it. It is refused.
const malformed = "malformed"

// digestHash is a plain hash of the password and a salt, which comes first or last.
func digestHash(name string, saltFirst bool, salt, key []byte) string {
	order := "ps"
	if saltFirst {
		order = "sp"
	}
	return fmt.Sprintf("$digest$h=%s,o=%s$%s$%s", name, order, plainBase64(salt), plainBase64(key))
}

func pbkdf2Hash(name, iterations string, salt, key []byte) string {
	return fmt.Sprintf("$pbkdf2-%s$i=%s,l=%d$%s$%s", name, iterations, len(key), plainBase64(salt), plainBase64(key))
}

// scryptHash takes N as it is, not its logarithm.
func scryptHash(n, r, p string, salt, key []byte) string {
	cost, err := strconv.ParseUint(n, 10, 32)
	if err != nil || bits.OnesCount64(cost) != 1 {
		return malformed
	}
	return fmt.Sprintf("$scrypt$ln=%d,r=%s,p=%s,l=%d$%s$%s", bits.TrailingZeros64(cost), r, p, len(key), plainBase64(salt), plainBase64(key))
}

func plainBase64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// bytesOf decodes a text. The alphabet of base64 may be that of URLs.
func bytesOf(text, encoding string) (b []byte, ok bool) {
	var err error
	switch encoding {
	case "hex":
		b, err = hex.DecodeString(text)
	case "base64":
		b, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "="))
	case "utf8", "":
		b = []byte(text)
	default:
		return nil, false
	}
	return b, err == nil
}
