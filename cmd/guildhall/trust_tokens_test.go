package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"guildhall/platform/platformtest"
	"guildhall/platform/token"
)

// forge creates a token with any header and claims, signed with any key.
func forge(header, payload map[string]any, key string, algorithm func() hash.Hash) string {
	part := func(v map[string]any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(header) + "." + part(payload)
	mac := hmac.New(algorithm, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func with(m map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(m)
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

// forgeries returns variants of a valid token (RFC 8725), each with one difference.
func forgeries(header, payload map[string]any, key, otherKey, good, other string) map[string]string {
	now := time.Now().Unix()
	hs256 := func(h, p map[string]any) string { return forge(h, p, key, sha256.New) }
	all := map[string]string{
		"another kind of token": other, "another key": forge(header, payload, otherKey, sha256.New), "an empty key": forge(header, payload, "", sha256.New),
		"HS512": forge(with(header, "alg", "HS512"), payload, key, sha512.New), "HS384 said": hs256(with(header, "alg", "HS384"), payload),
		"crit": hs256(with(header, "crit", []string{"exp"}), payload), "another typ": hs256(with(header, "typ", "JWT"), payload), "no typ": hs256(with(header, "typ", nil), payload),
		"no signature": good[:strings.LastIndex(good, ".")+1], "two parts": good[:strings.LastIndex(good, ".")], "four parts": good + ".x",
		"padding": good + "==", "a space": good + " x", "huge": good + strings.Repeat("A", 5000), "dots": strings.Repeat(".", 4000),
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "RS256", "ES256", "PS256", "EdDSA", "hs256"} {
		signed := hs256(with(header, "alg", alg), payload)
		all["alg "+alg] = signed
		all["alg "+alg+" unsigned"] = signed[:strings.LastIndex(signed, ".")+1]
	}
	// Headers that make a careless verifier use the attacker's key.
	for name, value := range map[string]any{
		"kid": "../../dev/null", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5u", "x5c": []string{"MII"},
		"jwk": map[string]any{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte("attacker"))},
	} {
		all[name] = forge(with(header, name, value), payload, "attacker", sha256.New)
	}
	for name, values := range map[string][]any{
		"iss": {nil, "", "evil", []string{"guildhall"}}, "aud": {nil, "", "evil", []string{"evil"}}, "sub": {nil, "", "x", uuid.Nil.String(), 7},
		"sid": {nil, "", "x", uuid.Nil.String()}, "jti": {nil, ""}, "exp": {nil, now - 31, 0, -1, "9999999999", 1e300, true}, "nbf": {nil, now + 3600, 1e300},
		"iat": {nil, now + 3600, "x"},
	} {
		for _, value := range values {
			all[fmt.Sprint(name, " ", value)] = hs256(header, with(payload, name, value))
		}
	}
	all["another session"] = hs256(header, with(payload, "sid", uuid.NewString()))
	all["another person"] = hs256(header, with(payload, "sub", uuid.NewString()))
	for i := range good {
		all[fmt.Sprint("cut at ", i)] = good[:i]
		flipped := []byte(good)
		flipped[i] ^= 1
		all[fmt.Sprint("flipped at ", i)] = string(flipped)
	}
	return all
}

// TestTrustForgedTokens presents forged tokens wherever tokens are accepted: the answer
// is always 401. With HS256 the forger even has the key: TestForgedSigningKeys has the others.
func TestTrustForgedTokens(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		accessKey, refreshKey := s.kernel.Config.JWTSecretKey.Reveal(), s.kernel.Config.JWTRefreshSecretKey.Reveal()
		tried, wrong := 0, 0
		judge := func(what string, a answer) {
			if tried++; a.status != 401 || a.code() != "invalid_token" && a.code() != "invalid_refresh_token" && a.code() != "authentication_required" {
				if wrong++; wrong <= 10 {
					t.Errorf("%s: %d %s", what, a.status, a.body)
				}
			}
		}
		header, payload := claims(t, ada.access)
		// Control: the unchanged token is accepted.
		s.do("GET", "/api/v1/auth/me", forge(header, payload, accessKey, sha256.New), nil).is(200)
		for what, forged := range forgeries(header, payload, accessKey, refreshKey, ada.access, ada.refresh) {
			if forged != "" && !strings.ContainsAny(forged, "\x00\r\n") {
				judge("access, "+what, s.do("GET", "/api/v1/auth/me", forged, nil))
			}
		}
		for _, client := range []string{"x", "Guildhall", uuid.NewString(), ada.id} {
			judge("client_id "+client, s.do("GET", "/api/v1/auth/me", forge(header, with(payload, "client_id", client), accessKey, sha256.New), nil))
		}
		// At a registered API.
		root := s.operator("Root")
		orders := root.registersAPI("orders")
		key, atOrders := root.keyOf(orders), ada.tokenFor(orders).is(200).str("access_token")
		header, payload = claims(t, atOrders)
		if a := s.introspects(key, forge(header, payload, accessKey, sha256.New)); a.value("active") != true {
			t.Errorf("control: %s", a.body)
		}
		for what, forged := range forgeries(header, payload, accessKey, refreshKey, atOrders, ada.refresh) {
			if forged == "" || len(forged) > 4000 || strings.ContainsAny(forged, "\x00\r\n") || !utf8.ValidString(forged) {
				continue
			}
			tried++
			a := s.asForm("/oauth/introspect", key, "token", forged)
			if a.status == 400 { // not text
				continue
			}
			if a.status != 200 || string(a.body) != unknownToThem {
				if wrong++; wrong <= 10 {
					t.Errorf("introspection, %s: %d %s", what, a.status, a.body)
				}
			}
		}
		header, payload = claims(t, ada.refresh)
		for what, forged := range forgeries(header, payload, refreshKey, accessKey, ada.refresh, ada.access) {
			if what == "iss evil" { // a session outlives a change of JWT_ISSUER
				continue
			}
			a := s.refresh(forged)
			if a.status == 422 { // not text, or longer than any token
				continue
			}
			judge("refresh, "+what, a)
		}
		for _, generation := range []any{nil, 0, 2, 99, -1, "1", 1.5, 1e300} {
			if a := s.refresh(forge(header, with(payload, "generation", generation), refreshKey, sha256.New)); a.status != 401 || a.code() == "refresh_token_reused" {
				wrong++
				t.Errorf("generation %v: %d %s", generation, a.status, a.body)
			}
			tried++
		}
		recordResult(t, "forged tokens (RFC 8725)", string(s.kernel.DB.Driver()), tried, wrong, 0, "access and refresh; cut and flipped at every byte")
	}, algorithm(token.HS256))
}

// TestTrustHugeHeaders checks that a token of a million dots is refused before it is
// parsed.
func TestTrustHugeHeaders(t *testing.T) {
	t.Parallel()
	p := serveProcess(t, t.TempDir(), inProduction(platformtest.SQLiteURL(t), crashEnvironment...)...)
	tried, wrong := 0, 0
	for size, want := range map[int]string{15_000: "401", 20_000: "431", 1_000_000: "431"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			_, _ = fmt.Fprintf(conn, "GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", strings.Repeat(".", size))
		}()
		answer := make([]byte, 64)
		n, _ := conn.Read(answer)
		_ = conn.Close()
		if tried++; !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 "+want) {
			wrong++
			t.Errorf("%d dots: %q, want %s", size, answer[:n], want)
		}
	}
	p.do("GET", "/livez", "", nil).is(200)
	recordResult(t, "huge headers", "sqlite", tried, wrong, 0, "431 over 16 KiB")
}
