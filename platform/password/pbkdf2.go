package password

import (
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // other systems use it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"time"
)

// The lengths of a derived key in bytes.
const (
	minKey = 16
	maxKey = 64
)

// pbkdf2Hash is PBKDF2 (RFC 8018 §5.2) with an HMAC: $pbkdf2-sha256$i=600000,l=32$salt$key.
type pbkdf2Hash struct {
	prf
	iterations, length uint32
	salt               []byte
}

// prf is the function that PBKDF2 repeats, and the time that it takes.
type prf struct {
	new  func() hash.Hash
	size uint32
	time time.Duration
}

var prfs = map[string]prf{
	"sha1":   {sha1.New, sha1.Size, 350},
	"sha256": {sha256.New, sha256.Size, 400},
	"sha512": {sha512.New, sha512.Size, 750},
}

func pbkdf2Form(name string, iterations uint32, salt, key []byte) string {
	return fmt.Sprintf("$pbkdf2-%s$i=%d,l=%d$%s$%s", name, iterations, len(key),
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func parsePBKDF2(name string, fields []string, _ Keys) (form, error) {
	n, salt, err := parametersAndSalt(fields, limit{"i", 1, 100_000_000}, limit{"l", minKey, maxKey})
	if err != nil {
		return form{}, err
	}
	return form{algorithm: pbkdf2Hash{prfs[name[len("pbkdf2-"):]], n[0], n[1], salt}, length: int(n[1])}, nil
}

func (p pbkdf2Hash) derive(password string) []byte {
	key, err := pbkdf2.Key(p.new, password, p.salt, int(p.iterations), int(p.length))
	if err != nil { // only if Go is restricted to FIPS 140
		return nil
	}
	return key
}

func (p pbkdf2Hash) cost() cost {
	blocks := (p.length + p.size - 1) / p.size
	all := time.Duration(p.iterations) * time.Duration(blocks) * p.time
	return cost{time: all, least: all / time.Duration(blocks)} // of its blocks, a thief computes one
}
