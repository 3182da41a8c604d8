package password

import (
	"crypto/md5" //nolint:gosec // other systems use it
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/go-crypt/x/base64"
	"github.com/go-crypt/x/crypt"
)

// cryptInput is how many bytes of a password SHA-crypt and phpass get here: each round reads
// them, so that a long password would take many times as long. A longer one never matches.
const cryptInput = 256

// cryptAlphabet has the digits of crypt(3)'s base64, in the order of their values.
const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func readByCrypt(password string) (read []byte, whole bool) {
	return []byte(password[:min(len(password), cryptInput)]), len(password) <= cryptInput // mutant: crypt-input
}

// shaCrypt is crypt(3) with SHA-256 or SHA-512: $6$rounds=5000$salt$key.
type shaCrypt struct {
	new    func() hash.Hash
	rounds uint32
	salt   string
	time   time.Duration // of a round with 256 bytes
	least  time.Duration // with a short password
}

const shaCryptRounds = 5000 // if the hash says nothing

func parseSHACrypt(name string, fields []string, _ Keys) (form, error) {
	s, length := shaCrypt{new: sha256.New, rounds: shaCryptRounds, time: 600, least: 175}, 43
	if name == "6" {
		s, length = shaCrypt{new: sha512.New, rounds: shaCryptRounds, time: 1300, least: 350}, 86
	}
	if len(fields) == 2 {
		n, err := numbers(fields[0], limit{"rounds", 1000, 100_000_000})
		if err != nil {
			return form{}, err
		}
		s.rounds, fields = n[0], fields[1:]
	}
	if len(fields) != 1 || len(fields[0]) > 16 || !isGraphic(fields[0]) {
		return form{}, fmt.Errorf("%w: bad salt", errUnreadable)
	}
	s.salt = fields[0]
	return form{algorithm: s, length: length, text: true}, nil
}

func isGraphic(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

func (s shaCrypt) derive(password string) []byte {
	read, whole := readByCrypt(password)
	key := crypt.KeySHACrypt(s.new, read, []byte(s.salt), int(s.rounds))
	if !whole {
		return nil
	}
	return key
}

func (s shaCrypt) cost() cost {
	return cost{time: time.Duration(s.rounds) * s.time, least: time.Duration(s.rounds) * s.least}
}

// phpass is the portable hash of WordPress until 6.7, phpBB and Drupal 7: $P$ or $H$, a
// character for the binary logarithm of the rounds, 8 of salt and 22 of the key.
type phpass struct {
	log  int
	salt string
}

const (
	phpassSalt = 8
	phpassKey  = 22
)

func parsePHPass(fields []string) (f form, key string, err error) {
	if len(fields) != 1 || len(fields[0]) < 1+phpassSalt || !isGraphic(fields[0]) {
		return f, "", fmt.Errorf("%w: not rounds, salt and key", errUnreadable)
	}
	p := phpass{strings.IndexByte(cryptAlphabet, fields[0][0]), fields[0][1 : 1+phpassSalt]}
	if p.log < 7 || p.log > 30 {
		return f, "", fmt.Errorf("%w: rounds out of bounds", errUnreadable)
	}
	return form{algorithm: p, length: phpassKey, text: true}, fields[0][1+phpassSalt:], nil
}

func (p phpass) derive(password string) []byte {
	read, whole := readByCrypt(password)
	sum := md5.Sum(append([]byte(p.salt), read...)) //nolint:gosec // it is what phpass does
	input := make([]byte, md5.Size+len(read))
	copy(input[md5.Size:], read)
	for range 1 << p.log {
		copy(input, sum[:])
		sum = md5.Sum(input) //nolint:gosec // it is what phpass does
	}
	if !whole {
		return nil
	}
	return base64.EncodeCrypt(sum[:])
}

func (p phpass) cost() cost {
	return cost{time: time.Duration(1<<p.log) * 550, least: time.Duration(1<<p.log) * 125}
}
