package password

import (
	"crypto/md5"  //nolint:gosec // other systems use it
	"crypto/sha1" //nolint:gosec // other systems use it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
)

// digest is a plain hash of the password and a salt, which may be empty:
// $digest$h=sha1,o=ps$salt, in which o is the order of password and salt. It is never
// stored with its key.
type digest struct {
	new       func() hash.Hash
	saltFirst bool
	salt      []byte
}

var digests = map[string]func() hash.Hash{
	"md5": md5.New, "sha1": sha1.New, "sha224": sha256.New224, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
}

const (
	passwordFirst = "ps"
	saltFirst     = "sp"
)

func digestForm(name, order string, salt, key []byte) string {
	return fmt.Sprintf("$digest$h=%s,o=%s$%s$%s", name, order,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func parseDigest(_ string, fields []string, _ Keys) (form, error) {
	if len(fields) != 2 {
		return form{}, fmt.Errorf("%w: not parameters, salt and key", errUnreadable)
	}
	name, order, _ := strings.Cut(fields[0], ",o=")
	d := digest{new: digests[strings.TrimPrefix(name, "h=")], saltFirst: order == saltFirst}
	if d.new == nil || !strings.HasPrefix(name, "h=") || order != saltFirst && order != passwordFirst {
		return form{}, fmt.Errorf("%w: parameters out of bounds", errUnreadable)
	}
	var ok bool
	if d.salt, ok = decode(fields[1], 0, 64); !ok {
		return form{}, fmt.Errorf("%w: bad salt", errUnreadable)
	}
	return form{algorithm: d, length: d.new().Size()}, nil
}

func (d digest) derive(password string) []byte {
	h := d.new()
	if d.saltFirst {
		h.Write(d.salt)
	}
	h.Write([]byte(password))
	if !d.saltFirst {
		h.Write(d.salt)
	}
	return h.Sum(nil)
}

func (digest) cost() cost { return cost{} }
