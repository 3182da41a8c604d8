package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// NewSecret returns 256 random bits, for a link or for one client. Only its hash is stored.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// HashSecret returns what is stored of a secret. A secret can't be guessed, so a fast hash is
// enough.
func HashSecret(secret string) string { // mutant: invitation-hash
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Link returns the link to a page with a secret. The secret is in the fragment, which
// browsers send to no server: it is in no log and no Referer.
func Link(page, secret string) string { return page + "#link_token=" + secret } // mutant: link-fragment
