package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/signing"
	"guildhall/platform/token"
)

// published returns the keys that another program reads.
func (s *service) published() (keys []signing.JWK) {
	s.t.Helper()
	var set signing.Set
	a := s.do("GET", signing.KeysPath, "", nil).is(200)
	if err := json.Unmarshal(a.body, &set); err != nil {
		s.t.Fatal(err)
	}
	return set.Keys
}

// verifiedBy reports whether a token is signed by one of the published keys, as another
// program checks it: with nothing of this one.
func verifiedBy(t testing.TB, keys []signing.JWK, access string) bool {
	t.Helper()
	header, _ := claims(t, access)
	parts := strings.Split(access, ".")
	bytesOf := func(text string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sum, signature := sha256.Sum256([]byte(parts[0]+"."+parts[1])), bytesOf(parts[2])
	number := func(text string) *big.Int { return new(big.Int).SetBytes(bytesOf(text)) }
	for _, k := range keys {
		if k.ID != header["kid"] || k.Algorithm != header["alg"] || k.Use != "sig" {
			continue
		}
		if k.KeyType == "EC" && k.Curve == "P-256" && len(signature) == 64 {
			r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			return ecdsa.Verify(&ecdsa.PublicKey{Curve: elliptic.P256(), X: number(k.X), Y: number(k.Y)}, sum[:], r, s) //nolint:staticcheck // as a stranger would
		}
		if k.KeyType == "RSA" {
			return rsa.VerifyPKCS1v15(&rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())}, crypto.SHA256, sum[:], signature) == nil
		}
	}
	return false
}

// keys loads the keys as the worker of a process does, and returns "kid state" of each.
func (s *service) keys() (list []signing.Key) {
	s.t.Helper()
	if err := s.kernel.Keyset.Prepare(everything); err != nil {
		s.t.Fatal(err)
	}
	if err := s.kernel.Keyset.RotateIfDue(everything); err != nil {
		s.t.Fatal(err)
	}
	list, err := s.kernel.Keyset.Keys(everything)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// withItsSecrets is atServer for commands that encrypt.
func (s *service) withItsSecrets() atServer {
	c := s.atServer()
	c.environ = append(c.environ, "JWT_SECRET_KEY="+s.kernel.Config.JWTSecretKey.Reveal(), "JWT_REFRESH_SECRET_KEY="+s.kernel.Config.JWTRefreshSecretKey.Reveal())
	return c
}

func states(keys []signing.Key) string {
	var list []string
	for _, k := range keys {
		list = append(list, k.Algorithm+" "+string(k.State))
	}
	return strings.Join(list, ", ")
}

func algorithm(name string) func(*config.Config) {
	return func(c *config.Config) { c.JWTAlgorithm = name }
}

// TestTokensAreVerifiedWithThePublishedKeys: with those of each algorithm, but never with the
// secret of HS256.
func TestTokensAreVerifiedWithThePublishedKeys(t *testing.T) {
	for _, name := range []string{token.ES256, token.RS256, token.HS256} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *service) {
				ada := s.person("Ada")
				if header, _ := claims(t, ada.access); header["alg"] != name || header["typ"] != "at+jwt" {
					t.Errorf("%s: %v", name, header)
				}
				keys := s.published()
				if secret := name == token.HS256; verifiedBy(t, keys, ada.access) == secret || len(keys) == 0 != secret {
					t.Errorf("%s: %v", name, keys)
				}
				a := s.do("GET", signing.KeysPath, "", nil).is(200)
				if a.header.Get("Cache-Control") != "public, max-age=300" || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Content-Type") != "application/json" {
					t.Errorf("%v", a.header)
				}
				s.do("GET", signing.KeysPath, "", nil, "If-None-Match", a.header.Get("ETag")).is(304)
				if strings.Contains(string(a.body), `"d":`) {
					t.Errorf("a private key: %s", a.body)
				}
			}, algorithm(name))
		})
	}
}

// TestSigningKeysRotate: the next key is published before it signs, and the former one
// verifies until its last token has expired.
func TestSigningKeysRotate(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		first, _ := claims(t, ada.access)
		s.later(89 * 24 * time.Hour)
		if got := states(s.keys()); got != "ES256 signing" {
			t.Errorf("before the time: %s", got)
		}
		s.later(24 * time.Hour)
		ada = s.actorOf(s.logIn(ada.email, password).is(200))
		if got := states(s.keys()); got != "ES256 signing, ES256 next" {
			t.Fatalf("when it is time: %s", got)
		}
		if again := s.keys(); len(again) != 2 || len(s.published()) != 2 {
			t.Errorf("once more: %s", states(again))
		}
		if _, err := s.kernel.Keyset.Rotate(everything, "", false); err == nil {
			t.Error("a second next key")
		}
		s.later(14 * time.Minute)
		s.keys()
		old := s.actorOf(s.logIn(ada.email, password).is(200))
		if header, _ := claims(t, old.access); header["kid"] != first["kid"] {
			t.Error("the next key signs too early")
		}
		s.later(61 * time.Second)
		s.keys()
		young := s.actorOf(s.logIn(ada.email, password).is(200))
		if header, _ := claims(t, young.access); header["kid"] == first["kid"] || !verifiedBy(t, s.published(), young.access) {
			t.Errorf("the next key does not sign: %v", header)
		}
		s.later(29 * time.Minute)
		if got := states(s.keys()); got != "ES256 retiring, ES256 signing" || !verifiedBy(t, s.published(), old.access) {
			t.Errorf("afterwards: %s", got)
		}
		young.get("/auth/me").is(200)
		s.later(3 * time.Minute)
		if got := states(s.keys()); got != "ES256 retired, ES256 signing" || len(s.published()) != 1 {
			t.Errorf("when its tokens have expired: %s", got)
		}
		s.later(25 * time.Hour)
		if _, err := s.app.Sweep(everything); err != nil {
			t.Fatal(err)
		}
		if got := states(s.keys()); got != "ES256 signing" {
			t.Errorf("a day later: %s", got)
		}
		s.refresh(young.refresh).is(200)
		if n := len(s.table("SELECT * FROM audit_events WHERE action = 'signing_key.created'")); n != 1 {
			t.Errorf("%d events", n)
		}
	}, algorithm(token.ES256), func(c *config.Config) { c.SigningKeyRotation = 90 * 24 * time.Hour })
}

// TestPlatformAdministratorsSeeTheSigningKeys: what guildhall keys list prints, and when the next
// key is made.
func TestPlatformAdministratorsSeeTheSigningKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		shown := func() (keys []any, next any) {
			t.Helper()
			root = s.actorOf(s.logIn(root.email, password).is(200))
			a := root.get("/platform/signing-keys").is(200).object()
			return a["keys"].([]any), a["next_rotation_at"]
		}
		keys, next := shown()
		first := s.keys()[0]
		if k := keys[0].(object); len(keys) != 1 || k["id"] != first.ID || k["algorithm"] != "ES256" || k["state"] != "signing" || k["ends_at"] != nil {
			t.Errorf("%v", keys)
		}
		if got := timeOf(t, next.(string)); !got.Equal(first.SignsFrom.Add(90 * 24 * time.Hour)) {
			t.Errorf("the next rotation is at %v", next)
		}
		s.later(91 * 24 * time.Hour)
		s.keys()
		keys, next = shown()
		if k := keys[1].(object); len(keys) != 2 || k["state"] != "next" || timeOf(t, next.(string)).Sub(timeOf(t, k["signs_from"].(string))) != 90*24*time.Hour {
			t.Errorf("%v, next %v", keys, next)
		}
		s.later(16 * time.Minute)
		s.keys()
		keys, _ = shown()
		if k := keys[0].(object); k["state"] != "retiring" || k["ends_at"] == nil {
			t.Errorf("%v", keys)
		}
	}, algorithm(token.ES256), func(c *config.Config) { c.SigningKeyRotation = 90 * 24 * time.Hour })
}

// TestRotationByCommandOnly: with SIGNING_KEY_ROTATION_DAYS=0 and for a secret, no time is named.
func TestRotationByCommandOnly(t *testing.T) {
	for name, options := range map[string][]func(*config.Config){
		"0 days": {algorithm(token.ES256), func(c *config.Config) { c.SigningKeyRotation = 0 }},
		"HS256":  {algorithm(token.HS256), func(c *config.Config) { c.SigningKeyRotation = 90 * 24 * time.Hour }},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *service) {
				if a := s.operator("Root").get("/platform/signing-keys").is(200).object(); a["next_rotation_at"] != nil || len(a["keys"].([]any)) != 1 {
					t.Errorf("%v", a)
				}
			}, options...)
		})
	}
}

// TestStolenSigningKeys: keys rotate --now makes the tokens of former keys invalid, and
// sessions live on.
func TestStolenSigningKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		ada.get("/auth/me").is(200) // it is remembered
		c := s.withItsSecrets()
		c.ok("keys", "rotate", "--now", "--algorithm", "RS256")
		s.keys()
		ada.get("/auth/me").is(401, "invalid_token")
		if keys := s.published(); len(keys) != 1 || verifiedBy(t, keys, ada.access) {
			t.Errorf("published: %v", keys)
		}
		again := s.actorOf(s.refresh(ada.refresh).is(200))
		again.get("/auth/me").is(200)
		if header, _ := claims(t, again.access); header["alg"] != token.RS256 {
			t.Errorf("%v", header)
		}
		if out, status := runWith(t, "", c.dir, c.environ, "keys", "rotate", "--now", "--algorithm", "HS256"); status == 0 {
			t.Errorf("a secret can't be revoked: %s", out)
		}
	})
}

// TestHS256GoesOn: a database that uses it keeps it until a command says otherwise, and then
// nobody is refused.
func TestHS256GoesOn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		// The service as it is configured for new databases.
		newer := start(t, s.kernel.Config.DatabaseURL.Reveal(), algorithm(token.ES256))
		held := *ada
		held.s = newer
		held.get("/auth/me").is(200)
		bob := newer.person("Bob")
		if header, _ := claims(t, bob.access); header["alg"] != token.HS256 || header["kid"] != nil {
			t.Errorf("%v", header)
		}
		s.withItsSecrets().ok("keys", "rotate", "--algorithm", "ES256")
		if got := states(newer.keys()); got != "HS256 signing, ES256 next" {
			t.Errorf("%s", got)
		}
		newer.later(16 * time.Minute)
		newer.keys()
		held.get("/auth/me").is(200)
		eve := newer.person("Eve")
		if header, _ := claims(t, eve.access); header["alg"] != token.ES256 {
			t.Errorf("%v", header)
		}
		newer.later(32 * time.Minute)
		if got := states(newer.keys()); got != "HS256 retired, ES256 signing" {
			t.Errorf("%s", got)
		}
		// The secret has no power any more, also for a token that looks fresh.
		header, c := claims(t, bob.access)
		now := time.Now().Add(48 * time.Minute).Unix()
		forged := forge(header, with(with(with(c, "iat", now), "nbf", now), "exp", now+600), string(newer.kernel.Config.JWTSecretKey), sha256.New)
		newer.do("GET", "/api/v1/auth/me", forged, nil).is(401, "invalid_token")
	}, algorithm(token.HS256))
}

// TestForgedSigningKeys: the key that a token names decides, with its own algorithm.
func TestForgedSigningKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		header, c := claims(t, ada.access)
		jwk := s.published()[0]
		text, err := json.Marshal(jwk)
		if err != nil {
			t.Fatal(err)
		}
		secret := string(s.kernel.Config.JWTSecretKey)
		x, _ := base64.RawURLEncoding.DecodeString(jwk.X)
		y, _ := base64.RawURLEncoding.DecodeString(jwk.Y)
		hs256 := with(header, "alg", "HS256")
		for name, forged := range map[string]string{
			"the secret, without kid": forge(with(hs256, "kid", nil), c, secret, sha256.New), "the secret": forge(hs256, c, secret, sha256.New),
			"HS256 with the JWK": forge(hs256, c, string(text), sha256.New), "HS256 with the point": forge(hs256, c, "\x04"+string(x)+string(y), sha256.New),
			"HS256 with X": forge(hs256, c, jwk.X, sha256.New), "ES256 with HMAC": forge(header, c, secret, sha256.New),
			"RS256 with this kid": forge(with(header, "alg", "RS256"), c, secret, sha256.New), "another kid": forge(with(header, "kid", "another"), c, secret, sha256.New),
			"no kid": forge(with(header, "kid", nil), c, secret, sha256.New), "kid is an array": forge(with(header, "kid", []any{jwk.ID}), c, secret, sha256.New),
			"its own key":        forge(with(hs256, "jwk", map[string]any{"kty": "oct", "k": "YQ"}), c, "a", sha256.New),
			"an empty signature": ada.access[:strings.LastIndex(ada.access, ".")+1], "a signature of zeros": ada.access[:strings.LastIndex(ada.access, ".")+1] + strings.Repeat("A", 86),
		} {
			a := s.do("GET", "/api/v1/auth/me", forged, nil)
			if a.status != http.StatusUnauthorized {
				t.Errorf("%s: %d", name, a.status)
			}
		}
	})
}

// TestUnknownKeys: a flood of them costs one query in ten seconds.
func TestUnknownKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		header, c := claims(t, ada.access)
		before := s.statements.Load()
		for i := range 100 {
			s.do("GET", "/api/v1/auth/me", forge(with(header, "kid", fmt.Sprint("k", i)), c, "key", sha256.New), nil).is(401)
		}
		if n := s.statements.Load() - before; n > 1 {
			t.Errorf("%d statements for 100 unknown keys", n)
		}
	})
}

// TestPrivateKeysAreSealed: the database has them encrypted. Another secret makes another
// key, a retired one opens the old, and then it is needed no more.
func TestPrivateKeysAreSealed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		var sealed string
		if err := s.kernel.DB.Row(everything, "SELECT private_key FROM signing_keys").Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.RawStdEncoding.DecodeString(sealed)
		if err != nil || strings.Contains(string(raw), "\x2a\x86\x48\xce\x3d") { // the object id of EC keys
			t.Errorf("stored: %q %v", raw, err)
		}
		url := s.kernel.Config.DatabaseURL.Reveal()
		const another = "another-access-key-for-tests-of-32-bytes-or-more"
		both := start(t, url, func(c *config.Config) {
			c.JWTSecretKey, c.RetiredSecretKeys = another, []config.Secret{c.JWTSecretKey}
		})
		alone := start(t, url, func(c *config.Config) { c.JWTSecretKey = another })
		held := *ada
		for name, now := range map[string]*service{"with the retired secret": both, "without it": alone} {
			held.s = now
			if a := held.get("/auth/me"); a.status != 200 {
				t.Errorf("%s: %d", name, a.status)
			}
		}
		stranger := start(t, url, func(c *config.Config) { c.JWTSecretKey = "a-third-access-key-for-tests-of-32-bytes-or-more" })
		held.s = stranger
		held.get("/auth/me").is(401, "invalid_token")
		stranger.actorOf(stranger.refresh(ada.refresh).is(200)).get("/auth/me").is(200)
		if got := states(stranger.keys()); got != "ES256 unusable, ES256 signing" {
			t.Errorf("keys: %s", got)
		}
		if !strings.Contains(stranger.log.String(), "can't be used") {
			t.Error("the log does not say it")
		}
	}, algorithm(token.ES256))
}

// TestTheIssuerMayChange: access tokens of the former one are refused, and sessions live on.
func TestTheIssuerMayChange(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		const issuer = "https://id.example.com/hall"
		now := start(t, s.kernel.Config.DatabaseURL.Reveal(), func(c *config.Config) { c.JWTIssuer, c.PublicURL = issuer, "https://id.example.com/hall" })
		held := *ada
		held.s = now
		held.get("/auth/me").is(401, "invalid_token")
		again := now.actorOf(now.refresh(ada.refresh).is(200))
		again.get("/auth/me").is(200)
		if _, c := claims(t, again.access); c["iss"] != issuer {
			t.Errorf("%v", c)
		}

		var about struct {
			Issuer   string
			Keys     string `json:"jwks_uri"`
			Token    string `json:"token_endpoint"`
			Resource string
			Servers  []string `json:"authorization_servers"`
		}
		if err := json.Unmarshal(now.do("GET", signing.ServerPath, "", nil).is(200).body, &about); err != nil || about.Issuer != issuer ||
			about.Keys != issuer+signing.KeysPath || about.Token != issuer+signing.TokenPath {
			t.Errorf("%+v %v", about, err)
		}
		if err := json.Unmarshal(now.do("GET", signing.ResourcePath, "", nil).is(200).body, &about); err != nil || about.Resource != issuer || fmt.Sprint(about.Servers) != "["+issuer+"]" {
			t.Errorf("%+v %v", about, err)
		}
		challenge := now.do("GET", "/api/v1/auth/me", "", nil).is(401).header.Get("WWW-Authenticate")
		if !strings.HasSuffix(challenge, `, resource_metadata="`+issuer+signing.ResourcePath+`"`) {
			t.Errorf("challenge: %s", challenge)
		}
		// A name is no URL, and has no metadata.
		s.do("GET", signing.ServerPath, "", nil).is(404)
		if c := s.do("GET", "/api/v1/auth/me", "", nil).is(401).header.Get("WWW-Authenticate"); strings.Contains(c, "metadata") {
			t.Errorf("challenge: %s", c)
		}
	})
}

// TestKeysRotateUnderLoadAtOnce: of two replicas, one signs with the next key before the other
// does. Neither refuses a token.
func TestKeysRotateUnderLoadAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		replicas := []*service{s, start(t, s.kernel.Config.DatabaseURL.Reveal(), algorithm(token.ES256))}
		var people []*actor
		for i := range 4 {
			people = append(people, s.person(fmt.Sprint("Person", i)))
		}
		ctx, stop := context.WithCancel(everything)
		var busy sync.WaitGroup
		for i, p := range people {
			busy.Go(func() {
				held := *p
				for n := i; ctx.Err() == nil; n++ {
					held.s = replicas[n%2]
					if n%5 == 0 {
						fresh := held.s.actorOf(held.s.refresh(held.refresh).is(200))
						held.access, held.refresh = fresh.access, fresh.refresh
						held.s = replicas[(n+1)%2] // the other one has to accept it
					}
					if a := held.get("/auth/me"); a.status != http.StatusOK {
						t.Errorf("refused: %d %s", a.status, a.body)
						return
					}
				}
			})
		}
		for round := range 3 {
			time.Sleep(100 * time.Millisecond)
			if _, err := s.kernel.Keyset.Rotate(everything, "", false); err != nil {
				t.Error(err)
			}
			if round > 0 { // in the first one, the other replica meets an unknown key
				replicas[1].keys()
			}
			// Its time comes. Each round another replica notices it first.
			s.exec("UPDATE signing_keys SET signs_from = ? WHERE signs_from > ?", s.kernel.Now(), s.kernel.Now())
			replicas[round%2].keys()
			time.Sleep(100 * time.Millisecond)
			replicas[(round+1)%2].keys()
		}
		stop()
		busy.Wait()
		if got := states(s.keys()); got != "ES256 retiring, ES256 retiring, ES256 retiring, ES256 signing" {
			t.Errorf("keys: %s", got)
		}
	}, algorithm(token.ES256))
}

// TestReplicasRotateOnceAtOnce: of several that rotate, one makes the next key.
func TestReplicasRotateOnceAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		var all sync.WaitGroup
		var made atomic.Int64
		for range 8 {
			all.Go(func() {
				switch _, err := s.kernel.Keyset.Rotate(everything, "", false); {
				case err == nil:
					made.Add(1)
				case !errors.Is(err, signing.ErrWaiting):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := states(s.keys()); got != "ES256 signing, ES256 next" || made.Load() != 1 {
			t.Errorf("%d made: %s", made.Load(), got)
		}
	})
}

// TestARotationWaitsForAnother: it knows what the other one made.
func TestARotationWaitsForAnother(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		done := make(chan error, 1)
		err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
			if _, err := s.kernel.Keyset.Rotate(ctx, "", false); err != nil {
				return err
			}
			go func() {
				_, err := s.kernel.Keyset.Rotate(everything, "", false)
				done <- err
			}()
			select {
			case err := <-done:
				t.Errorf("it did not wait: %v", err)
				done <- err
			case <-time.After(300 * time.Millisecond):
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, signing.ErrWaiting) {
			t.Errorf("it made another one: %v", err)
		}
		if got := states(s.keys()); got != "ES256 signing, ES256 next" {
			t.Errorf("%s", got)
		}
	})
}

// TestReplicasThatStartAtOnce: each of two may make the first key of a new database. Either
// accepts what the other one signs.
func TestReplicasThatStartAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		other := start(t, s.kernel.Config.DatabaseURL.Reveal())
		s.exec("DELETE FROM signing_keys")
		s.keys()
		s.exec("UPDATE signing_keys SET ended_at = signs_from") // as if it were not there yet
		other.keys()
		s.exec("UPDATE signing_keys SET ended_at = NULL")
		for _, pair := range [][2]*service{{s, other}, {other, s}} {
			held := *pair[0].person("Ada")
			held.s = pair[1]
			held.get("/auth/me").is(200)
		}
	})
}
