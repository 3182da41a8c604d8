package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

var (
	accessKey  = []byte("an-access-key-for-tests-of-32-bytes-or-more")
	refreshKey = []byte("a-refresh-key-for-tests-of-32-bytes-or-more")
	someone    = uuid.MustParse("0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70")
	session    = uuid.MustParse("0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f71")
	start      = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func newService(now *time.Time) *Service {
	return New(Config{
		AccessKey: accessKey, RefreshKey: refreshKey, Issuer: "guildhall", Audience: "guildhall",
		AccessTTL: 30 * time.Minute, Now: func() time.Time { return *now },
	})
}

// forge signs any header and payload, given as JSON.
func forge(header, payload string, key []byte, h func() hash.Hash) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	mac := hmac.New(h, key)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const goodHeader = `{"alg":"HS256","typ":"at+jwt"}`

// payload returns the claims of a valid access token with changes; nil removes a claim.
func payload(changes map[string]any) string {
	claims := map[string]any{
		"iss": "guildhall", "aud": "guildhall", "sub": someone.String(), "sid": session.String(), "jti": "x",
		"iat": start.Unix(), "nbf": start.Unix(), "exp": start.Add(30 * time.Minute).Unix(),
	}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestParsedClaimsAreThoseIssued(t *testing.T) {
	now := start
	s := newService(&now)
	organization := uuid.NullUUID{UUID: uuid.New(), Valid: true}
	text, expires, err := s.Issue(Grant{UserID: someone, SessionID: session, OrganizationID: organization, NotAfter: start.Add(time.Hour)})
	if err != nil || !expires.Equal(start.Add(30*time.Minute)) {
		t.Fatal(expires, err)
	}
	got, err := s.ParseAccess(text)
	if err != nil || got.UserID != someone || got.SessionID != session || got.OrganizationID != organization || !got.ExpiresAt.Equal(expires) || got.ID == "" {
		t.Errorf("%+v %v", got, err)
	}
	if _, expires, err = s.Issue(Grant{UserID: someone, SessionID: session, OrganizationID: organization, NotAfter: start.Add(time.Minute)}); err != nil || !expires.Equal(start.Add(time.Minute)) {
		t.Errorf("it outlives its session: %v %v", expires, err)
	}
	if _, _, err := s.Issue(Grant{UserID: someone, SessionID: session, OrganizationID: organization, NotAfter: start}); err == nil {
		t.Error("issued for a session that has ended")
	}
	first, err := s.IssueRefresh(someone, session, 3, start, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	now = start.Add(time.Minute)
	if second, _ := s.IssueRefresh(someone, session, 3, start, start.Add(time.Hour)); second != first {
		t.Error("the same generation gave another string")
	}
	r, err := s.ParseRefresh(first)
	if err != nil || r.UserID != someone || r.SessionID != session || r.Generation != 3 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestTimesOfATokenAndTheLeeway(t *testing.T) {
	for _, c := range []struct {
		at time.Duration
		ok bool
	}{{0, true}, {-29 * time.Second, true}, {-31 * time.Second, false}, {30*time.Minute + 999*time.Millisecond, true}, {30*time.Minute + time.Second, false}} {
		now := start.Add(c.at)
		_, err := newService(&now).ParseAccess(forge(goodHeader, payload(nil), accessKey, sha256.New))
		if (err == nil) != c.ok {
			t.Errorf("%v after its start: %v", c.at, err)
		}
	}
}

// TestForgedTokens has attacks that RFC 8725 describes.
func TestForgedTokens(t *testing.T) {
	now := start
	s := newService(&now)
	sign := func(header string, changes map[string]any) string {
		return forge(header, payload(changes), accessKey, sha256.New)
	}
	if _, err := s.ParseAccess(sign(goodHeader, nil)); err != nil {
		t.Fatal(err)
	}
	unsigned := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload(nil))) + "."
	}
	refresh, err := s.IssueRefresh(someone, session, 1, start, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	forged := map[string]string{
		"empty":           "",
		"alg none":        unsigned(`{"alg":"none","typ":"at+jwt"}`),
		"alg None":        unsigned(`{"alg":"None","typ":"at+jwt"}`),
		"no signature":    unsigned(goodHeader),
		"HS512":           forge(`{"alg":"HS512","typ":"at+jwt"}`, payload(nil), accessKey, sha512.New),
		"RS256":           sign(`{"alg":"RS256","typ":"at+jwt"}`, nil),
		"lower case alg":  sign(`{"alg":"hs256","typ":"at+jwt"}`, nil),
		"no alg":          sign(`{"typ":"at+jwt"}`, nil),
		"no typ":          sign(`{"alg":"HS256"}`, nil),
		"typ JWT":         sign(`{"alg":"HS256","typ":"JWT"}`, nil),
		"typ of refresh":  sign(`{"alg":"HS256","typ":"rt+jwt"}`, nil),
		"crit":            sign(`{"alg":"HS256","typ":"at+jwt","crit":["x"],"x":1}`, nil),
		"other key":       forge(goodHeader, payload(nil), refreshKey, sha256.New),
		"empty key":       forge(goodHeader, payload(nil), nil, sha256.New),
		"a refresh token": refresh,
		"too long":        sign(goodHeader, map[string]any{"x": strings.Repeat("x", 4096)}),
		"repeated claim":  forge(goodHeader, strings.Replace(payload(nil), "{", `{"sub":"`+uuid.NewString()+`",`, 1), accessKey, sha256.New),
		"not an object":   forge(goodHeader, `[]`, accessKey, sha256.New),
		"null":            forge(goodHeader, `null`, accessKey, sha256.New),
	}
	for name, changes := range map[string]map[string]any{
		"iss": {"iss": "another"}, "aud": {"aud": "another"}, "auds": {"aud": []string{"guildhall", "x"}}, "sub": {"sub": "x"},
		"nil sub": {"sub": uuid.Nil.String()}, "upper sub": {"sub": strings.ToUpper(someone.String())}, "sid": {"sid": "x"},
		"org": {"organization_id": "x"}, "org type": {"organization_id": 1}, "expired": {"exp": start.Unix() - 31}, "early": {"nbf": start.Unix() + 31},
		"future": {"iat": start.Unix() + 31}, "exp type": {"exp": "never"}, "exp negative": {"exp": -1}, "exp huge": {"exp": 1e300}, "exp zero": {"exp": 0},
		"no iss": {"iss": nil}, "no aud": {"aud": nil}, "no sub": {"sub": nil}, "no sid": {"sid": nil}, "no jti": {"jti": nil},
		"no iat": {"iat": nil}, "no nbf": {"nbf": nil}, "no exp": {"exp": nil},
	} {
		forged["claim "+name] = sign(goodHeader, changes)
	}
	for name, text := range forged {
		if got, err := s.ParseAccess(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	// A token can't choose its key: these members are ignored.
	for _, header := range []string{`{"alg":"HS256","typ":"at+jwt","kid":"../../dev/null"}`, `{"alg":"HS256","typ":"at+jwt","jku":"https://evil.example","jwk":{}}`} {
		if _, err := s.ParseAccess(forge(header, payload(nil), refreshKey, sha256.New)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", header, err)
		}
	}
	access, _, err := s.Issue(Grant{UserID: someone, SessionID: session, NotAfter: start.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ParseRefresh(access); !errors.Is(err, ErrInvalid) {
		t.Errorf("an access token refreshes: %v", err)
	}
	for i := range access {
		if _, err := s.ParseAccess(access[:i]); !errors.Is(err, ErrInvalid) {
			t.Errorf("cut at %d: %v", i, err)
		}
		for bit := range 8 {
			b := []byte(access)
			b[i] ^= 1 << bit
			if _, err := s.ParseAccess(string(b)); !errors.Is(err, ErrInvalid) {
				t.Errorf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
}

func TestNothingIsIssuedForANilID(t *testing.T) {
	now := start
	s := newService(&now)
	end := start.Add(time.Hour)
	for _, c := range []func() error{
		func() error {
			_, _, err := s.Issue(Grant{UserID: uuid.Nil, SessionID: session, NotAfter: end})
			return err
		},
		func() error {
			_, _, err := s.Issue(Grant{UserID: someone, SessionID: uuid.Nil, NotAfter: end})
			return err
		},
		func() error {
			_, _, err := s.Issue(Grant{UserID: someone, SessionID: session, OrganizationID: uuid.NullUUID{Valid: true}, NotAfter: end})
			return err
		},
		func() error { _, err := s.IssueRefresh(uuid.Nil, session, 1, start, end); return err },
		func() error { _, err := s.IssueRefresh(someone, session, -1, start, end); return err },
		func() error { _, err := s.IssueRefresh(someone, session, 1, end, start); return err },
	} {
		if c() == nil {
			t.Error("issued")
		}
	}
}

func FuzzParse(f *testing.F) {
	now := start
	s := newService(&now)
	f.Add(goodHeader, payload(nil), true)
	f.Add(`{"alg":"none"}`, `{}`, false)
	f.Fuzz(func(t *testing.T, header, claims string, signed bool) {
		key := accessKey
		if !signed {
			key = refreshKey
		}
		got, err := s.ParseAccess(forge(header, claims, key, sha256.New))
		if err == nil && (!signed || got.UserID == uuid.Nil || got.SessionID == uuid.Nil) || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q %q: %+v %v", header, claims, got, err)
		}
		if _, err := s.ParseRefresh(header); err == nil {
			t.Errorf("%q is a refresh token", header)
		}
	})
}

// BenchmarkParseAccess parses a token that is not cached: once with the header that sign
// writes, and once with the same members in another order.
func BenchmarkParseAccess(b *testing.B) {
	now := start
	s := newService(&now)
	for name, header := range map[string]string{"own header": goodHeader, "another": `{"typ":"at+jwt","alg":"HS256"}`} {
		text := forge(header, payload(nil), accessKey, sha256.New)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.verifyAccess(s.access, s.access.keys.Load(), text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
