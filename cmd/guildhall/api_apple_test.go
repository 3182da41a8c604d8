package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/oauth2-proxy/mockoidc"

	"guildhall/platform/config"
)

const appleCallback = "https://id.example.com/api/v1/auth/providers/apple/callback"

// withApple gives the service a provider that does what Apple's documentation says, and no more:
// it posts a form to one URL, and wants a secret that is signed.
func withApple(t testing.TB) func(*config.Config) {
	return func(c *config.Config) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		var o *otherService
		wrong := func(w http.ResponseWriter, why string) {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusBadRequest)
			t.Log(why)
		}
		o = runProvider(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case mockoidc.AuthorizationEndpoint:
					q := r.URL.Query()
					if q.Get("response_mode") != "form_post" || q.Get("scope") != "openid name email" || q.Get("redirect_uri") != appleCallback {
						wrong(w, r.URL.RawQuery)
						return
					}
					q.Set("scope", "openid email")
					r.URL.RawQuery = q.Encode()
				case mockoidc.TokenEndpoint:
					// "Creating a client secret": ES256, kid, iss, iat, exp, aud, sub.
					claims := jwt.MapClaims{}
					_, err := jwt.ParseWithClaims(r.FormValue("client_secret"), claims, func(secret *jwt.Token) (any, error) {
						if secret.Header["kid"] != "KEY" {
							return nil, fmt.Errorf("kid %v", secret.Header["kid"])
						}
						return &key.PublicKey, nil
					}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer("TEAM"), jwt.WithSubject(o.ClientID), jwt.WithAudience(o.Issuer()), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
					if err != nil || r.PostForm.Get("redirect_uri") != appleCallback || r.Header.Get("Authorization") != "" {
						wrong(w, fmt.Sprint(err, r.PostForm))
						return
					}
					r.Form.Set("client_secret", o.ClientSecret)
				}
				next.ServeHTTP(w, r)
			})
		})
		c.RedirectURIs = append(c.RedirectURIs, backTo, backTo+"?tenant=1")
		c.Providers = append(c.Providers, config.Provider{
			ID: "apple", Kind: "apple", Name: "Apple", Issuer: o.Issuer(), ClientID: o.ClientID, TeamID: "TEAM", KeyID: "KEY",
			PrivateKey: config.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		})
	}
}

// posts takes the browser to Apple and back: Apple posts its form, and the service sends the
// browser on.
func (s *service) posts(who someone, asked answer, more ...string) returned {
	s.t.Helper()
	at := s.visits(who, asked)
	if !strings.HasPrefix(at.location, appleCallback+"?") {
		s.t.Fatalf("Apple answers at %s", at.location)
	}
	return s.passesOn(at, append([]string{"code", at.code, "state", at.state}, more...)...)
}

func (s *service) passesOn(at returned, form ...string) returned {
	s.t.Helper()
	on := s.form("/auth/providers/apple/callback", form...).is(303)
	back, err := url.Parse(on.header.Get("Location"))
	if err != nil {
		s.t.Fatal(err)
	}
	return returned{at.challenge, back.Query().Get("code"), back.Query().Get("state"), back.String()}
}

// TestApple: Apple posts its answer to the service, which passes it on to the client that asked. The
// client does what it does with every provider.
func TestApple(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := newcomer()
		ada.claims["name"], ada.claims["email_verified"] = nil, "true" // as a text
		back := s.posts(ada, s.asksProvider("apple"), "user", `{"name":{"firstName":"Ada","lastName":"King"},"email":"somebody@else.example"}`)
		if !strings.HasPrefix(back.location, backTo+"?code=") || back.state == "" {
			t.Errorf("the browser goes on to %s", back.location)
		}
		made := s.enter(back.proof()...).is(200)
		if made.str("name") != "Ada King" || made.str("email") != ada.claims["email"] {
			t.Errorf("%s", made.body)
		}
		if rows := s.table("SELECT 1 FROM users WHERE id = ? AND email_verified_at IS NOT NULL", made.str("user_id")); len(rows) != 1 {
			t.Error("the address is not verified")
		}
		s.enter(back.proof()...).is(401, "invalid_challenge") // once
		again := s.enter(s.posts(ada, s.asksProvider("apple")).proof()...).is(200)
		if again.str("user_id") != made.str("user_id") {
			t.Errorf("%s", again.body)
		}

		grace := s.verifiedPerson("Grace")
		hers := memberAt("apple-of-grace", "hidden@privaterelay.example")
		linking := grace.ask("link_identity", "provider", "apple", "redirect_uri", backTo+"?tenant=1")
		linked := s.posts(hers, linking)
		if !strings.HasPrefix(linked.location, backTo+"?tenant=1&code=") {
			t.Errorf("the browser goes on to %s", linked.location)
		}
		grace.post("/auth/identities", body(linked.proof()...)).is(201)
		if by := s.enter(s.posts(hers, s.asksProvider("apple")).proof()...).is(200); by.str("user_id") != grace.id {
			t.Errorf("%s", by.body)
		}

		for name, form := range map[string][]string{"no user": nil, "no JSON": {"user", "x"}, "no name": {"user", "{}"}} {
			someone := newcomer()
			someone.claims["name"] = nil
			local, _, _ := strings.Cut(someone.claims["email"].(string), "@")
			if a := s.enter(s.posts(someone, s.asksProvider("apple"), form...).proof()...).is(200); a.str("name") != local {
				t.Errorf("%s: %s", name, a.body)
			}
		}
	}, withMailbox, withDomain, withApple(t))
}

// TestAppleAnswers: what is posted counts with its own state only, and leads nowhere but to a client
// that asked.
func TestAppleAnswers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		const path = "/auth/providers/apple/callback"
		asked := s.asksProvider("apple").is(201)
		mine := s.visits(newcomer(), asked)
		refused := s.passesOn(mine, "state", mine.state, "error", "user_cancelled_authorize")
		if refused.location != backTo+"?error=user_cancelled_authorize&state="+url.QueryEscape(mine.state) {
			t.Errorf("the browser goes on to %s", refused.location)
		}
		s.form(path, "state", mine.state).isInvalid()
		s.form(path, "code", "x").isInvalid()
		other := "A"
		if mine.state[0] == 'A' {
			other = "B"
		}
		for _, state := range []string{"x", mine.state + "A", other + mine.state[1:], mine.state[:40]} {
			s.form(path, "code", mine.code, "state", state).is(401, "invalid_challenge")
		}

		// The code as Apple gave it is not what the client brings back.
		s.enter(mine.proof()...).is(401, "invalid_challenge")

		// A code of another answer, with the state of this one.
		one, two := s.posts(newcomer(), s.asksProvider("apple")), s.posts(newcomer(), s.asksProvider("apple"))
		mixed := one
		mixed.code = two.code
		s.enter(mixed.proof()...).is(401, "invalid_challenge")
		s.enter(two.proof()...).is(200)

		// Too late.
		late := s.posts(newcomer(), s.asksProvider("apple"))
		s.later(11 * time.Minute)
		s.enter(late.proof()...).is(401, "invalid_challenge")
	}, withMailbox, withDomain, withApple(t))
}

// TestAppleIsNamed: what is to be registered there is another URL than elsewhere.
func TestAppleIsNamed(t *testing.T) {
	cfg := &config.Config{}
	withDomain(cfg)
	withApple(t)(cfg)
	named := slices.ContainsFunc(cfg.Check(), func(f config.Finding) bool {
		return f.Name == "PROVIDERS" && f.OK && strings.Contains(f.Message, "at Apple only "+appleCallback)
	})
	if !named {
		t.Errorf("%+v", cfg.Check())
	}
}
