package password

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"time"

	"golang.org/x/crypto/scrypt"
	"golang.org/x/text/unicode/norm"
)

// scryptHash is scrypt (RFC 7914): $scrypt$ln=17,r=8,p=1,l=64$salt$key, in which ln is the
// binary logarithm of N. With $scrypt-nfkc$ the password is normalized before, as
// better-auth does.
type scryptHash struct {
	ln, r, p, length uint32
	salt             []byte
	normalized       bool
}

func scryptForm(name string, ln, r, p uint32, salt, key []byte) string {
	return fmt.Sprintf("$%s$ln=%d,r=%d,p=%d,l=%d$%s$%s", name, ln, r, p, len(key),
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

var (
	limitLN = limit{"ln", 1, 24}
	limitR  = limit{"r", 1, 64}
	limitP  = limit{"p", 1, 64}
)

func parseScrypt(name string, fields []string, _ Keys) (form, error) {
	n, salt, err := parametersAndSalt(fields, limitLN, limitR, limitP, limit{"l", minKey, maxKey})
	if err != nil {
		return form{}, err
	}
	return form{algorithm: scryptHash{n[0], n[1], n[2], n[3], salt, name == "scrypt-nfkc"}, length: int(n[3])}, nil
}

func (s scryptHash) derive(password string) []byte {
	if s.normalized {
		password = norm.NFKC.String(password)
	}
	key, err := scrypt.Key([]byte(password), s.salt, 1<<s.ln, int(s.r), int(s.p), int(s.length))
	if err != nil { // not with these limits
		return nil
	}
	return key
}

func (s scryptHash) cost() cost {
	blocks := uint64(s.r) << s.ln
	all := time.Duration(blocks) * time.Duration(s.p) * 550 //nolint:gosec // at most 2³⁰
	return cost{memory: (blocks + uint64(s.r)*uint64(s.p)) * 128 >> 10, time: all, least: all}
}

// firebaseHash is Firebase's modification: scrypt derives a key of AES-256 in counter mode,
// which encrypts the signer key of the project. $firebase-scrypt$k=NAME,ln=14,r=8$salt$key,
// in which the salt ends with the salt separator.
type firebaseHash struct {
	scryptHash
	signer []byte
}

func parseFirebase(_ string, fields []string, keys Keys) (form, error) {
	if len(fields) != 2 {
		return form{}, fmt.Errorf("%w: not parameters, salt and key", errUnreadable)
	}
	name, parameters, err := cutKeyName(fields[0])
	if err != nil {
		return form{}, err
	}
	n, salt, err := parametersAndSalt([]string{parameters, fields[1]}, limitLN, limitR)
	if err != nil {
		return form{}, err
	}
	key, err := keys.find(name)
	if err != nil {
		return form{}, err
	}
	signer, ok := anyBase64(key)
	if !ok || len(signer) < minKey || len(signer) > maxKey {
		return form{}, fmt.Errorf("%w: the key %q in PASSWORD_IMPORT_KEYS is not a signer key in base64", errUnreadable, name)
	}
	return form{algorithm: firebaseHash{scryptHash{n[0], n[1], 1, 32, salt, false}, signer}, length: len(signer)}, nil
}

func (f firebaseHash) derive(password string) []byte {
	block, err := aes.NewCipher(f.scryptHash.derive(password))
	if err != nil { // not with a key of 32 bytes
		return nil
	}
	encrypted := make([]byte, len(f.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(encrypted, f.signer) //nolint:gosec // Firebase's IV is zero, and each salt has a key of its own
	return encrypted
}
