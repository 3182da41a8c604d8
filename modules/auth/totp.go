package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // HMAC-SHA-1 is what authenticator apps compute
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"rsc.io/qr"
)

// This file computes one-time passwords (TOTP, RFC 6238) as every authenticator app does: with
// HMAC-SHA-1, 6 digits, and a step of 30 seconds.

const (
	totpStep  = 30 * time.Second
	totpBytes = 20 // of a secret: RFC 4226 §4 recommends 160 bits
	// totpSkew is how many steps before and after the current one count, for clocks that differ
	// and people who type slowly (RFC 6238 §5.2).
	totpSkew = 1
)

var base32Secret = base32.StdEncoding.WithPadding(base32.NoPadding)

// newTOTPSecret returns the bytes of a new secret.
func newTOTPSecret() ([]byte, error) {
	secret := make([]byte, totpBytes)
	_, err := rand.Read(secret)
	return secret, err
}

// totpAt returns the code of a step.
func totpAt(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step)
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[offset:offset+4])&0x7fffffff%1_000_000)
}

// totpStepOf returns the step for which a code is right at a time, or false. Of several, it is
// the last: a code counts once.
func totpStepOf(secret []byte, code string, now time.Time) (step int64, ok bool) {
	current := now.Unix() / int64(totpStep.Seconds())
	for candidate := current - totpSkew; candidate <= current+totpSkew; candidate++ { // mutant: totp-skew
		if hmac.Equal([]byte(totpAt(secret, candidate)), []byte(code)) {
			step, ok = candidate, true
		}
	}
	return step, ok
}

// totpURI returns the text of the QR code that authenticator apps read.
func totpURI(secret, issuer, account string) string {
	// Some apps show a + of a query as it is, and take the colon for the end of the issuer.
	issuer = strings.ReplaceAll(issuer, ":", "")
	label := url.PathEscape(issuer) + ":" + url.PathEscape(account)
	return "otpauth://totp/" + label + "?secret=" + secret + "&issuer=" + url.PathEscape(issuer) + "&algorithm=SHA1&digits=6&period=30"
}

// qrSVG draws a QR code, with the margin of four modules that readers need.
func qrSVG(text string) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	const margin = 4
	size := code.Size + 2*margin
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+margin, y+margin)
			}
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" width="%[2]d" height="%[2]d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="%[3]s"/></svg>`,
		size, 4*size, path.String()), nil
}
