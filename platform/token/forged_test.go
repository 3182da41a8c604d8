package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

const goodRefreshHeader = `{"alg":"HS256","typ":"rt+jwt"}`

func refreshPayload(changes map[string]any) string {
	all := map[string]any{"generation": 1}
	for name, value := range changes {
		all[name] = value
	}
	return payload(all)
}

// TestForgedRefreshTokens checks the same for refresh tokens.
func TestForgedRefreshTokens(t *testing.T) {
	now := start
	s := newService(&now)
	sign := func(header string, changes map[string]any) string {
		return forge(header, refreshPayload(changes), refreshKey, sha256.New)
	}
	if _, err := s.ParseRefresh(sign(goodRefreshHeader, nil)); err != nil {
		t.Fatal(err)
	}
	forged := map[string]string{
		"key of access":  forge(goodRefreshHeader, refreshPayload(nil), accessKey, sha256.New),
		"typ of access":  sign(goodHeader, nil),
		"no typ":         sign(`{"alg":"HS256"}`, nil),
		"typ twice":      sign(`{"alg":"HS256","typ":["rt+jwt"]}`, nil),
		"typ upper":      sign(`{"alg":"HS256","typ":"RT+JWT"}`, nil),
		"alg number":     sign(`{"alg":256,"typ":"rt+jwt"}`, nil),
		"crit empty":     sign(`{"alg":"HS256","typ":"rt+jwt","crit":[]}`, nil),
		"crit null":      sign(`{"alg":"HS256","typ":"rt+jwt","crit":null}`, nil),
		"crit b64":       sign(`{"alg":"HS256","typ":"rt+jwt","crit":["b64"],"b64":false}`, nil),
		"header array":   sign(`["HS256"]`, nil),
		"header null":    sign(`null`, nil),
		"header twice":   sign(goodRefreshHeader+goodRefreshHeader, nil),
		"header invalid": sign("{\"alg\":\"HS256\",\"typ\":\"\xff\"}", nil),
		"generation 2x":  forge(goodRefreshHeader, strings.Replace(refreshPayload(nil), "{", `{"generation":7,`, 1), refreshKey, sha256.New),
		"escaped twice":  forge(goodRefreshHeader, strings.Replace(refreshPayload(nil), "{", `{"\u0073ub":"`+uuid.NewString()+`",`, 1), refreshKey, sha256.New),
		"trailing":       forge(goodRefreshHeader, refreshPayload(nil)+"{}", refreshKey, sha256.New),
		"invalid UTF-8":  forge(goodRefreshHeader, strings.Replace(refreshPayload(nil), "{", "{\"x\":\"\xff\",", 1), refreshKey, sha256.New),
	}
	for name, value := range map[string]any{
		"generation": nil, "generation ": "1", "generation  ": -1, "generation      ": 0, "generation   ": 1.5, "generation    ": 1e300, "generation     ": true,
		"iss": "", "iss ": []string{"guildhall"}, "aud": "", "aud ": []string{"guildhall"}, "sub": "", "sub ": someone.String() + " ", "sub  ": "{" + someone.String() + "}",
		"sub   ": strings.ReplaceAll(someone.String(), "-", ""), "sid": uuid.Nil.String(), "sid ": 7, "jti": "", "jti ": 7,
		"exp": start.Unix() - 30, "exp ": "1", "exp  ": int64(253402300800), "exp   ": float64(start.Unix()) + .5, "nbf": start.Unix() + 31, "nbf ": -1, "iat": start.Unix() + 31, "iat ": 0,
	} {
		name = strings.TrimSpace(name)
		forged[fmt.Sprintf("%s %v", name, value)] = sign(goodRefreshHeader, map[string]any{name: value})
	}
	for name, text := range forged {
		if got, err := s.ParseRefresh(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	// The names of claims are case-sensitive, and unknown claims are ignored.
	for _, name := range []string{"SUB", "Sub", "ſub", "unknown"} {
		got, err := s.ParseRefresh(sign(goodRefreshHeader, map[string]any{name: uuid.NewString()}))
		if err != nil || got.UserID != someone {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// TestCutAndFlippedRefreshTokens: every prefix and every flipped bit is refused, and so is
// any other encoding of the same token.
func TestCutAndFlippedRefreshTokens(t *testing.T) {
	now := start
	s := newService(&now)
	text, err := s.IssueRefresh(someone, session, 3, start, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, text string) {
		t.Helper()
		if got, err := s.ParseRefresh(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v %v", what, got, err)
		}
	}
	for i := range text {
		refused(fmt.Sprint("cut at ", i), text[:i])
		refused(fmt.Sprint("cut before ", i+1), text[i+1:])
		for bit := range 8 {
			b := []byte(text)
			b[i] ^= 1 << bit
			refused(fmt.Sprintf("bit %d of byte %d", bit, i), string(b))
		}
	}
	parts := strings.Split(text, ".")
	for _, other := range []string{
		text + "=", text + "==", text[:len(text)-9] + "\r\n" + text[len(text)-9:], text + "\n", text[:9] + "\n" + text[9:], text + ".", "." + text, "\n" + text, text + " ", text + "\x00", text + "A", text + "." + parts[2],
		parts[0] + "=." + parts[1] + "." + parts[2], parts[0] + "." + parts[1] + "..", parts[1] + "." + parts[0] + "." + parts[2], parts[0] + ".." + parts[2], "." + parts[1] + "." + parts[2],
		strings.Repeat(".", 1_000_000), strings.Repeat("A", maxLength) + "." + parts[1] + "." + parts[2], text + strings.Repeat(" ", maxLength),
	} {
		refused(fmt.Sprintf("%.20q (%d bytes)", other, len(other)), other)
	}
	// The last character of a base64 text has unused bits, which must be zero.
	for _, last := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if other := text[:len(text)-1] + string(last); other != text {
			refused("last character "+string(last), other)
		}
	}
}

// TestEachTimeHasTheLeeway: to the second, and in the right direction.
func TestEachTimeHasTheLeeway(t *testing.T) {
	now := start
	s := newService(&now)
	for _, c := range []struct {
		claim  string
		offset int64
		ok     bool
	}{
		{"exp", 0, true}, {"exp", -1, false}, {"exp", -29, false}, {"exp", 1 << 30, true},
		{"nbf", 30, true}, {"nbf", 31, false}, {"nbf", -1 << 30, true},
		{"iat", 30, true}, {"iat", 31, false}, {"iat", -1 << 30, true},
	} {
		changes := map[string]any{c.claim: start.Unix() + c.offset}
		_, err := s.ParseAccess(forge(goodHeader, payload(changes), accessKey, sha256.New))
		if (err == nil) != c.ok {
			t.Errorf("access, %s %+d s: %v", c.claim, c.offset, err)
		}
		_, err = s.ParseRefresh(forge(goodRefreshHeader, refreshPayload(changes), refreshKey, sha256.New))
		if (err == nil) != c.ok {
			t.Errorf("refresh, %s %+d s: %v", c.claim, c.offset, err)
		}
	}
}

// TestIssuedTokensFit: every issued token is accepted.
func TestIssuedTokensFit(t *testing.T) {
	now := start.Add(999 * time.Millisecond)
	s := newService(&now)
	for _, generation := range []int64{1, 2, 1<<63 - 2} {
		text, err := s.IssueRefresh(someone, session, generation, now, now.Add(time.Nanosecond))
		if err != nil || len(text) > maxLength {
			t.Fatal(len(text), err)
		}
		for zone, at := range map[string]time.Time{"UTC": now, "elsewhere": now.In(time.FixedZone("", 5*3600)), "cut": now.Truncate(time.Second)} {
			if again, err := s.IssueRefresh(someone, session, generation, at, at.Add(time.Nanosecond)); err != nil || again != text {
				t.Errorf("%s: another string for the same generation (%v)", zone, err)
			}
		}
		got, err := s.ParseRefresh(text)
		if err != nil || got.Generation != generation || !got.IssuedAt.Equal(start) || got.ID == "" {
			t.Errorf("%+v %v", got, err)
		}
		for name, issue := range map[string]func() (string, error){
			"user": func() (string, error) {
				return s.IssueRefresh(session, session, generation, now, now.Add(time.Nanosecond))
			},
			"session": func() (string, error) {
				return s.IssueRefresh(someone, someone, generation, now, now.Add(time.Nanosecond))
			},
			"end": func() (string, error) { return s.IssueRefresh(someone, session, generation, now, now.Add(time.Second)) },
			"generation": func() (string, error) {
				return s.IssueRefresh(someone, session, generation+1, now, now.Add(time.Nanosecond))
			},
		} {
			if other, err := issue(); err != nil || other == text {
				t.Errorf("another %s gives the same string (%v)", name, err)
			}
		}
	}
	ids := map[string]bool{}
	for range 100 {
		text, expires, err := s.Issue(Grant{UserID: someone, SessionID: session, NotAfter: now.Add(time.Nanosecond)})
		if err != nil || expires.After(now.Add(time.Nanosecond)) {
			t.Fatal(expires, err)
		}
		got, err := s.ParseAccess(text)
		if err != nil || got.OrganizationID.Valid || ids[got.ID] {
			t.Fatalf("%+v %v", got, err)
		}
		ids[got.ID] = true
	}
	another := New(Config{AccessKey: accessKey, RefreshKey: refreshKey, Issuer: "another", Audience: "guildhall", AccessTTL: time.Minute, Now: func() time.Time { return now }})
	text, _, err := another.Issue(Grant{UserID: someone, SessionID: session, NotAfter: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ParseAccess(text); !errors.Is(err, ErrInvalid) {
		t.Errorf("another issuer's: %v", err)
	}
}

// FuzzParseRaw gives any text to both parsers. They accept only tokens that were signed
// with the key of their kind.
func FuzzParseRaw(f *testing.F) {
	now := start
	s := newService(&now)
	access, _, err := s.Issue(Grant{UserID: someone, SessionID: session, OrganizationID: uuid.NullUUID{UUID: session, Valid: true}, NotAfter: start.Add(time.Hour)})
	if err != nil {
		f.Fatal(err)
	}
	refresh, err := s.IssueRefresh(someone, session, 3, start, start.Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", ".", "..", "...", access, refresh, access + ".", access[:len(access)-1], strings.Repeat(".", 5000), "e30.e30.e30"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		signed := func(key []byte) bool {
			end := strings.LastIndexByte(text, '.')
			if end < 0 {
				return false
			}
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(text[:end]))
			return text[end+1:] == base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		}
		a, err := s.ParseAccess(text)
		if err == nil && !signed(accessKey) || err != nil && !errors.Is(err, ErrInvalid) || err != nil && a != (Access{}) {
			t.Errorf("access %q: %+v %v", text, a, err)
		}
		r, err := s.ParseRefresh(text)
		if err == nil && !signed(refreshKey) || err != nil && !errors.Is(err, ErrInvalid) || err != nil && r != (Refresh{}) {
			t.Errorf("refresh %q: %+v %v", text, r, err)
		}
	})
}

// FuzzParseSigned signs any header and claims as a refresh token, as another version of
// the service could: an accepted token is complete.
func FuzzParseSigned(f *testing.F) {
	now := start
	s := newService(&now)
	f.Add(goodRefreshHeader, refreshPayload(nil))
	f.Add(goodRefreshHeader, refreshPayload(map[string]any{"generation": 0}))
	f.Add(`{"alg":"HS256","alg":"none","typ":"rt+jwt"}`, refreshPayload(map[string]any{"exp": 1e10}))
	f.Fuzz(func(t *testing.T, header, claims string) {
		got, err := s.ParseRefresh(forge(header, claims, refreshKey, sha256.New))
		switch {
		case err != nil && !errors.Is(err, ErrInvalid):
			t.Errorf("%q %q: %v", header, claims, err)
		case err == nil && (got.UserID == uuid.Nil || got.SessionID == uuid.Nil || got.ID == "" || got.Generation < 1 ||
			got.ExpiresAt.Before(start.Add(-expiryLeeway)) || got.IssuedAt.After(start.Add(leeway)) || got.ExpiresAt.Year() > 9999):
			t.Errorf("%q %q: %+v", header, claims, got)
		}
		if a, err := s.ParseAccess(forge(header, claims, refreshKey, sha256.New)); err == nil {
			t.Errorf("%q %q: taken as an access token: %+v", header, claims, a)
		}
	})
}
