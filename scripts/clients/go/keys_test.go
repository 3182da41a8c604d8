package guildhall

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// older makes the keys older.
func (k *keys) older(d time.Duration) {
	k.fetching.Lock()
	defer k.fetching.Unlock()
	set := k.current.Load()
	k.current.Store(&keySet{set.keys, set.at.Add(-d)})
	k.unknownAt, k.failedAt = k.unknownAt.Add(-d), k.failedAt.Add(-d)
}

func TestManyRequestsFetchKeysOnce(t *testing.T) {
	s := newStub(t)
	v := s.verifier(defaultStaleness)
	eventually(t, func() bool { return v.keys.current.Load() != nil })
	v.keys.current.Store(nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := v.Verify(t.Context(), s.token(nil, nil)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.fetches.Load(); n != 2 { // and the one at the start
		t.Errorf("%d fetches", n)
	}
}

func TestUnknownKeysMakeFewFetches(t *testing.T) {
	s := newStub(t)
	v := s.verifier(defaultStaleness)
	if _, err := v.Verify(t.Context(), s.token(nil, nil)); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if _, err := v.Verify(t.Context(), s.token(nil, map[string]any{"kid": fmt.Sprint("unknown-", i)})); !errors.Is(err, ErrInvalidToken) {
			t.Fatal(err)
		}
	}
	if n := s.fetches.Load(); n != 2 {
		t.Errorf("%d fetches", n)
	}
	// A new key is found after the pause, however many unknown ones there are.
	s.rotate()
	if _, err := v.Verify(t.Context(), s.token(nil, map[string]any{"kid": "new"})); !errors.Is(err, ErrInvalidToken) {
		t.Error(err)
	}
	v.keys.older(unknownEvery)
	if _, err := v.Verify(t.Context(), s.token(nil, map[string]any{"kid": "new"})); err != nil {
		t.Error(err)
	}
}

// rotate replaces the key that signs.
func (s *stub) rotate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.jwks = []jwk{ecKey("new", s.ec)}
}

func TestANewKeyIsFoundAtOnce(t *testing.T) {
	s := newStub(t)
	v := s.verifier(defaultStaleness)
	old := s.token(nil, nil)
	if _, err := v.Verify(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	s.rotate()
	if _, err := v.Verify(t.Context(), s.token(nil, map[string]any{"kid": "new"})); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(t.Context(), old); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a revoked key: %v", err)
	}
}

// Whoever stole a key signs tokens that no mark is about.
func TestAStolenKeyIsForgotten(t *testing.T) {
	s := newStub(t)
	v := s.verifier(defaultStaleness)
	forged := s.token(jwt.MapClaims{"iat": time.Now().Add(3 * time.Second).Unix()}, nil)
	if _, err := v.Verify(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	s.revoke(mark{At: time.Now()})
	v.keys.older(hurryAge)
	time.Sleep(100 * time.Millisecond)
	if _, err := v.Verify(t.Context(), forged); err != nil { // the process of Guildhall does not know yet
		t.Error(err)
	}
	s.rotate()
	v.keys.older(hurryAge)
	if _, err := v.Verify(t.Context(), forged); !errors.Is(err, ErrInvalidToken) {
		t.Error(err)
	}
}

func TestKeysAreFetchedAgainAndKept(t *testing.T) {
	s := newStub(t)
	v := s.verifier(defaultStaleness)
	check := func(want error, fetches int32) {
		t.Helper()
		if _, err := v.Verify(t.Context(), s.token(nil, nil)); !errors.Is(err, want) {
			t.Error(err)
		}
		if n := s.fetches.Load(); n != fetches {
			t.Errorf("%d fetches", n)
		}
	}
	check(nil, 1)
	v.keys.older(keysAge)
	check(nil, 2)
	for what, fault := range map[string]http.HandlerFunc{"cut": cut, "error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }} {
		v.keys.older(keysAge)
		s.breaks("/.well-known/jwks.json", fault)
		check(nil, 2)
		if _, err := v.Verify(t.Context(), s.token(nil, map[string]any{"kid": "perhaps new"})); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.breaks("/.well-known/jwks.json", nil)
	v.keys.older(unknownEvery)
	check(nil, 3)

	// Without any, nobody can tell.
	s.breaks("/.well-known/jwks.json", cut)
	v = s.verifier(defaultStaleness)
	check(ErrUnavailable, 3)
	s.breaks("/.well-known/jwks.json", nil)
	time.Sleep(retryKeys)
	check(nil, 4)
}

func TestOnlyKnownKindsOfKeysAreTaken(t *testing.T) {
	s := newStub(t)
	good := s.jwks[1]
	for what, spoil := range map[string]func(*jwk){
		"for encryption": func(j *jwk) { j.Use = "enc" }, "no algorithm": func(j *jwk) { j.Algorithm = "" }, "PS256": func(j *jwk) { j.Algorithm = "PS256" },
		"no id": func(j *jwk) { j.ID = "" }, "short": func(j *jwk) { j.N = j.N[:100] }, "no number": func(j *jwk) { j.N = "!" },
		"symmetric": func(j *jwk) { j.Type = "oct" }, "a huge exponent": func(j *jwk) { j.E = j.N },
	} {
		bad := good
		spoil(&bad)
		if bad.public() != nil {
			t.Error(what)
		}
	}
	point := s.jwks[0]
	point.X = point.Y
	if point.public() != nil {
		t.Error("a point that is not on the curve")
	}
}
