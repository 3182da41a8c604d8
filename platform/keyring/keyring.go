// Package keyring derives encryption keys from the configured secrets. Each purpose has
// its own keys.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// Keyring holds the current secret and the retired ones.
type Keyring struct{ secrets [][]byte }

// New returns a keyring of the current secret and retired ones.
func New(secret []byte, retired ...[]byte) *Keyring {
	return &Keyring{append([][]byte{secret}, retired...)}
}

// Sealer encrypts and authenticates (AES-256-GCM).
type Sealer struct{ ciphers []cipher.AEAD } // the first seals, all open

// Sealer returns the sealer of a purpose. Its keys are derived by HKDF-SHA-256 (RFC 5869).
func (k *Keyring) Sealer(purpose string) (*Sealer, error) {
	s := &Sealer{}
	for _, secret := range k.secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "guildhall "+purpose, 32)
		if err != nil {
			return nil, fmt.Errorf("derive the key of %s: %w", purpose, err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		s.ciphers = append(s.ciphers, aead)
	}
	return s, nil
}

// HasRetired reports whether there are secrets that open and do not seal any more.
func (s *Sealer) HasRetired() bool { return len(s.ciphers) > 1 }

// ErrNotSealed is returned for text that no secret of the keyring sealed for this
// purpose and place.
var ErrNotSealed = errors.New("encrypted with another secret, or modified since")

// Seal encrypts text for a place, such as the key of a row. Open decrypts it only for the
// same place.
func (s *Sealer) Seal(text []byte, place string) (string, error) {
	aead := s.ciphers[0]
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	return base64.RawStdEncoding.EncodeToString(aead.Seal(nonce, nonce, text, []byte(place))), nil
}

// Open decrypts what Seal returned for the place. Anything else is ErrNotSealed.
func (s *Sealer) Open(sealed, place string) ([]byte, error) {
	text, _, err := s.open(sealed, place)
	return text, err
}

// Renew seals again what a retired secret has sealed. changed is false if that was the
// current one.
func (s *Sealer) Renew(sealed, place string) (renewed string, changed bool, err error) {
	text, by, err := s.open(sealed, place)
	if err != nil || by == 0 {
		return sealed, false, err
	}
	renewed, err = s.Seal(text, place)
	return renewed, err == nil, err
}

// open also returns the index of the secret that sealed it.
func (s *Sealer) open(sealed, place string) (text []byte, by int, err error) {
	raw, err := base64.RawStdEncoding.DecodeString(sealed)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrNotSealed, err)
	}
	for i, aead := range s.ciphers {
		if len(raw) < aead.NonceSize() {
			return nil, 0, ErrNotSealed
		}
		if text, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(place)); err == nil {
			return text, i, nil
		}
	}
	return nil, 0, ErrNotSealed
}
