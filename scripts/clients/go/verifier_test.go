package guildhall

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestATokenSaysWho(t *testing.T) {
	s := newStub(t)
	v := s.verifier(defaultStaleness)
	i, err := v.Verify(t.Context(), s.token(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if i.Person != "ada" || i.Organization != "engines" || i.Session != "s1" || i.Role != "admin" || i.ClientID != "guildhall" || !slices.Equal(i.Scopes, []string{"read", "write"}) {
		t.Errorf("%+v", i)
	}
	if _, err := v.Verify(t.Context(), sign(t, jwt.MapClaims{
		"iss": "guildhall", "aud": []string{"https://other.example.com", audience}, "sub": "ada", "sid": "s1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}, map[string]any{"typ": "application/at+jwt"}, jwt.SigningMethodRS256, "rs", s.rs)); err != nil {
		t.Errorf("RS256: %v", err)
	}
	if n := s.introspections.Load(); n != 0 {
		t.Errorf("asked about %d tokens", n)
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	s := newStub(t)
	v := s.verifier(defaultStaleness)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKIXPublicKey(&s.ec.PublicKey)
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	now := time.Now()
	claims := jwt.MapClaims{"iss": "guildhall", "aud": audience, "sub": "ada", "sid": "s1", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	good := s.token(nil, nil)
	parts := strings.Split(good, ".")
	for what, token := range map[string]string{
		"alg none":                   sign(t, claims, nil, jwt.SigningMethodNone, "ec", jwt.UnsafeAllowNoneSignatureType),
		"HS256 with the public key":  sign(t, claims, nil, jwt.SigningMethodHS256, "ec", secret),
		"HS256, without kid":         sign(t, claims, map[string]any{"kid": nil}, jwt.SigningMethodHS256, "", secret),
		"the kid of another key":     sign(t, claims, nil, jwt.SigningMethodES256, "ec", other),
		"the kid of an RSA key":      sign(t, claims, nil, jwt.SigningMethodES256, "rs", s.ec),
		"RS256 by an ES256 key's id": sign(t, claims, nil, jwt.SigningMethodRS256, "ec", s.rs),
		"PS256 by the RSA key":       sign(t, claims, nil, jwt.SigningMethodPS256, "rs", s.rs),
		"an unknown kid":             sign(t, claims, nil, jwt.SigningMethodES256, "x", s.ec),
		"a key in the header":        sign(t, claims, map[string]any{"kid": "mine", "jwk": ecKey("mine", other)}, jwt.SigningMethodES256, "mine", other),
		"an address of keys":         sign(t, claims, map[string]any{"kid": "mine", "jku": s.URL + "/mine"}, jwt.SigningMethodES256, "mine", other),
		"no kid":                     s.token(nil, map[string]any{"kid": nil}),
		"a kid that is no text":      s.token(nil, map[string]any{"kid": 1}),
		"an ID token":                s.token(nil, map[string]any{"typ": "JWT"}),
		"no typ":                     s.token(nil, map[string]any{"typ": nil}),
		"crit":                       s.token(nil, map[string]any{"crit": []string{"exp"}}),
		"another audience":           s.token(jwt.MapClaims{"aud": "https://other.example.com"}, nil),
		"no audience":                s.token(jwt.MapClaims{"aud": nil}, nil),
		"another issuer":             s.token(jwt.MapClaims{"iss": "https://accounts.example.org"}, nil),
		"no issuer":                  s.token(jwt.MapClaims{"iss": nil}, nil),
		"expired":                    s.token(jwt.MapClaims{"exp": now.Add(-6 * time.Second).Unix()}, nil),
		"no end":                     s.token(jwt.MapClaims{"exp": nil}, nil),
		"not valid yet":              s.token(jwt.MapClaims{"nbf": now.Add(time.Minute).Unix()}, nil),
		"from the future":            s.token(jwt.MapClaims{"iat": now.Add(time.Minute).Unix()}, nil),
		"of unknown age":             s.token(jwt.MapClaims{"iat": nil}, nil),
		"no person":                  s.token(jwt.MapClaims{"sub": nil}, nil),
		"no session":                 s.token(jwt.MapClaims{"sid": nil}, nil),
		"another signature":          parts[0] + "." + parts[1] + "." + strings.Split(s.token(jwt.MapClaims{"sub": "grace"}, nil), ".")[2],
		"no signature":               parts[0] + "." + parts[1] + ".",
		"an API key":                 "guildhall_key_0123456789",
		"nothing":                    "",
		"junk":                       "a.b.c",
		"longer":                     good + ".x",
	} {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Error(err)
	}
	if n := s.introspections.Load(); n != 0 {
		t.Errorf("asked about %d forged tokens", n)
	}
}

func TestMiddlewareAnswers(t *testing.T) {
	s := newStub(t)
	v := s.verifier(leastStaleness)
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i, found := FromContext(r.Context()); !found || i.Person != "ada" {
			t.Errorf("%+v", i)
		}
	})
	ask := func(h http.Handler, authorization ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header["Authorization"] = authorization
		w := httptest.NewRecorder()
		v.Middleware(h).ServeHTTP(w, r)
		return w
	}
	good := "Bearer " + s.token(nil, nil)
	for _, c := range []struct {
		h             http.Handler
		authorization []string
		status        int
		challenge     string
	}{
		{ok, []string{good}, 200, ""},
		{ok, []string{"bearer" + good[6:]}, 200, ""},
		{ok, nil, 401, `Bearer realm="https://api.example.com"`},
		{ok, []string{"Basic YTpi"}, 401, `Bearer realm="https://api.example.com"`},
		{ok, []string{good, good}, 401, `Bearer realm="https://api.example.com"`},
		{ok, []string{"Bearer x"}, 401, `Bearer realm="https://api.example.com", error="invalid_token", error_description="The access token is invalid, has expired or has been revoked"`},
		{RequireScope("write", ok), []string{good}, 200, ""},
		{RequireScope("delete", ok), []string{good}, 403, `Bearer error="insufficient_scope", scope="delete"`},
		{RequireRole("member", ok), []string{good}, 200, ""},
		{RequireRole("admin", ok), []string{good}, 200, ""},
		{RequireRole("owner", ok), []string{good}, 403, `Bearer error="insufficient_scope"`},
		{RequireRole("member", ok), []string{"Bearer " + s.token(jwt.MapClaims{"role": nil}, nil)}, 403, `Bearer error="insufficient_scope"`},
		{RequireRole("member", ok), []string{"Bearer " + s.token(jwt.MapClaims{"role": "root"}, nil)}, 403, `Bearer error="insufficient_scope"`},
	} {
		w := ask(c.h, c.authorization...)
		if w.Code != c.status || w.Header().Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%v: %d %s", c.authorization, w.Code, w.Header())
		}
	}
	s.breaks("/api/v1/auth/revocations", cut)
	s.breaks("/oauth/introspect", cut)
	eventually(t, func() bool { return !v.Fresh() })
	if w := ask(ok, good); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %s", w.Code, w.Header())
	}
	w := httptest.NewRecorder()
	RequireScope("read", ok).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != 403 {
		t.Errorf("without Middleware: %d", w.Code)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{}, {URL: "localhost:8000", Audience: "a", Key: "k"}, {URL: "http://localhost:8000", Key: "k"}, {URL: "http://localhost:8000", Audience: "a"},
		{URL: "http://localhost:8000", Audience: "a", Key: "k", MaxStaleness: time.Second},
	} {
		if _, err := New(t.Context(), o); err == nil {
			t.Errorf("%+v", o)
		}
	}
}
