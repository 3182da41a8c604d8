package guildhall

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	audience = "https://api.example.com"
	apiKey   = "guildhall_key_stub"
)

// stub answers like Guildhall, and misbehaves as no real one can be made to.
type stub struct {
	*httptest.Server
	t  *testing.T
	ec *ecdsa.PrivateKey
	rs *rsa.PrivateKey

	mu     sync.Mutex
	jwks   []jwk
	marks  []mark
	asOf   func() time.Time
	broken map[string]http.HandlerFunc // by path
	live   bool                        // what introspection says

	fetches, introspections atomic.Int32
}

func newStub(t *testing.T) *stub {
	s := &stub{t: t, asOf: time.Now, broken: map[string]http.HandlerFunc{}, live: true}
	s.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.rs, _ = rsa.GenerateKey(rand.Reader, 2048)
	s.jwks = []jwk{ecKey("ec", s.ec), {Type: "RSA", ID: "rs", Use: "sig", Algorithm: "RS256", N: encode(s.rs.N.Bytes()), E: encode(big.NewInt(int64(s.rs.E)).Bytes())}}
	routes := map[string]http.HandlerFunc{
		"/.well-known/jwks.json": s.keys, "/api/v1/auth/revocations": s.feed, "/oauth/introspect": s.introspect,
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		h := s.broken[r.URL.Path]
		s.mu.Unlock()
		if h == nil {
			h = routes[r.URL.Path]
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func ecKey(id string, k *ecdsa.PrivateKey) jwk {
	point, _ := k.PublicKey.Bytes()
	return jwk{Type: "EC", ID: id, Use: "sig", Algorithm: "ES256", Curve: "P-256", X: encode(point[1:33]), Y: encode(point[33:])}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (s *stub) keys(w http.ResponseWriter, _ *http.Request) {
	s.fetches.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": s.jwks})
}

func (s *stub) feed(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	wait, _ := strconv.Atoi(r.URL.Query().Get("wait"))
	until := time.Now().Add(time.Duration(wait) * time.Second)
	for {
		s.mu.Lock()
		items, asOf, next := s.marks[after:], s.asOf(), len(s.marks)
		s.mu.Unlock()
		if len(items) > 0 || time.Now().After(until) {
			_ = json.NewEncoder(w).Encode(page{items, strconv.Itoa(next), asOf})
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *stub) introspect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+apiKey {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.PostFormValue("token") == "-" { // is the key an API's?
		_, _ = w.Write([]byte(`{"active": false}`))
		return
	}
	s.introspections.Add(1)
	answer := map[string]any{"active": s.live}
	if s.live {
		answer["sub"], answer["sid"], answer["role"] = "ada", "s1", "owner"
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// breaks makes a path answer otherwise; nil mends it.
func (s *stub) breaks(path string, h http.HandlerFunc) {
	s.mu.Lock()
	s.broken[path] = h
	s.mu.Unlock()
	s.CloseClientConnections()
}

func (s *stub) revoke(m mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = append(s.marks, m)
}

func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func stall(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// verifier returns one that follows the stub's feed, and waits until it knows it.
func (s *stub) verifier(staleness time.Duration) *Verifier {
	v, err := New(s.t.Context(), Options{URL: s.URL, Audience: audience, Key: apiKey, MaxStaleness: staleness, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, v.Fresh)
	return v
}

func eventually(t testing.TB, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come true")
		}
	}
}

// token is one of Ada's, with other claims and header fields if given.
func (s *stub) token(claims jwt.MapClaims, header map[string]any) string {
	now := time.Now()
	all := jwt.MapClaims{
		"iss": "guildhall", "aud": audience, "sub": "ada", "sid": "s1", "organization_id": "engines", "jti": fmt.Sprint(now.UnixNano()),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "client_id": "guildhall", "scope": "read write", "role": "admin",
	}
	for name, value := range claims {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	return sign(s.t, all, header, jwt.SigningMethodES256, "ec", s.ec)
}

func sign(t *testing.T, claims jwt.MapClaims, header map[string]any, method jwt.SigningMethod, id string, secret any) string {
	token := jwt.NewWithClaims(method, claims)
	token.Header["typ"], token.Header["kid"] = "at+jwt", id
	for name, value := range header {
		if token.Header[name] = value; value == nil {
			delete(token.Header, name)
		}
	}
	text, err := token.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
