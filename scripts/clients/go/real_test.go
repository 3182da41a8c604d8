package guildhall

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	notes     = "https://notes.example.com"
	feedPath  = "/api/v1/auth/revocations"
	introPath = "/oauth/introspect"
)

// refusedWithin reports how long it took until a token was refused.
func refusedWithin(t testing.TB, v *Verifier, token string) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		_, err := v.Verify(t.Context(), token)
		took := time.Since(began)
		if errors.Is(err, ErrInvalidToken) {
			return took
		}
		if took > 20*time.Second {
			t.Fatalf("it still holds: %v", err)
		}
		time.Sleep(20 * time.Microsecond)
	}
}

func TestTokensOfTheRealService(t *testing.T) {
	s := serve(t)
	api, other := s.api(notes), s.api("https://other.example.com")
	v := api.verifier(t, s.url, defaultStaleness)
	ada := s.person("Ada")
	grace := s.person("Grace").joins(ada)
	token := ada.token(api)

	i, err := v.Verify(t.Context(), token)
	if err != nil || i.Person != ada.id || i.Organization != ada.org || i.Session == "" || i.Role != "owner" || i.ClientID != "guildhall" || !slices.Equal(i.Scopes, []string{"notes:read", "notes:write"}) {
		t.Errorf("the owner: %+v %v", i, err)
	}
	if i, err = v.Verify(t.Context(), grace.token(api)); err != nil || i.Role != "member" || i.HasScope("notes:write") || !i.HasScope("notes:read") {
		t.Errorf("a member: %+v %v", i, err)
	}
	account := ada.call("POST", "/organizations/"+ada.org+"/service-accounts", object{"name": "Program"})
	key := ada.call("POST", "/organizations/"+ada.org+"/api-keys", object{"name": "Program", "user_id": account["id"], "scopes": []string{"notes:read"}})
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {key["id"].(string)}, "client_secret": {key["key"].(string)}, "resource": {notes}}
	program := s.call("POST", "/oauth/token", "", form)["access_token"].(string)
	if i, err = v.Verify(t.Context(), program); err != nil || i.Person != account["id"] || i.ClientID != key["id"] || i.Session != key["id"] || !slices.Equal(i.Scopes, []string{"notes:read"}) {
		t.Errorf("a program: %+v %v", i, err)
	}

	forged(t, s, v, map[string]string{
		"for another API": ada.token(other), "of the session": ada.access, "a refresh token": ada.refresh, "an API key": key["key"].(string), "the API's own key": api.key,
	}, token)
}

// The key of an organization sees only what its members lose.
func TestTheKeyMustBeAnAPIs(t *testing.T) {
	s := serve(t)
	ada := s.person("Ada")
	key := ada.call("POST", "/organizations/"+ada.org+"/api-keys", object{"name": "Mine", "scopes": []string{"read", "manage"}})["key"].(string)
	log := new(output)
	v, err := New(t.Context(), Options{URL: s.url, Audience: notes, Key: key, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return strings.Contains(log.String(), "none of this API's account") })
	if _, err := v.Verify(t.Context(), ada.token(s.api(notes))); !errors.Is(err, ErrUnavailable) || v.Fresh() {
		t.Errorf("%v", err)
	}
}

// After the theft of a key, old tokens are refused, and new ones hold.
func TestARotationOfTheRealService(t *testing.T) {
	s := serve(t)
	api := s.api(notes)
	v := api.verifier(t, s.url, defaultStaleness)
	ada := s.person("Ada")
	token := ada.token(api)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	s.run("", "keys", "rotate", "--now", "--algorithm", "RS256")
	s.restart()
	after := s.personOf(s.call("POST", "/api/v1/auth/refresh", "", object{"refresh_token": ada.refresh}))
	if header(after.access)["alg"] != "RS256" {
		t.Fatal("the key is the old one")
	}
	refusedWithin(t, v, token)
	eventually(t, func() bool { _, err := v.Verify(t.Context(), after.token(api)); return err == nil })
}

func header(token string) (h object) {
	text, _ := decode(strings.Split(token, ".")[0])
	_ = json.Unmarshal(text, &h)
	return h
}

// forged tries tokens made from a good one.
func forged(t *testing.T, s *service, v *Verifier, all map[string]string, good string) {
	t.Helper()
	var set struct{ Keys []jwk }
	text, _ := json.Marshal(s.call("GET", "/.well-known/jwks.json", "", nil))
	_ = json.Unmarshal(text, &set)
	der, err := x509.MarshalPKIXPublicKey(set.Keys[0].public())
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(good, claims); err != nil {
		t.Fatal(err)
	}
	kid := header(good)["kid"].(string)
	mine, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	raw, _ := json.Marshal(set.Keys[0])
	parts := strings.Split(good, ".")
	flipped := []byte(parts[2])
	flipped[10] ^= 1
	all["alg none"] = sign(t, claims, nil, jwt.SigningMethodNone, kid, jwt.UnsafeAllowNoneSignatureType)
	all["HS256 with the public key, as PEM"] = sign(t, claims, nil, jwt.SigningMethodHS256, kid, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	all["HS256 with the public key, as DER"] = sign(t, claims, nil, jwt.SigningMethodHS256, kid, der)
	all["HS256 with the public key, as JWK"] = sign(t, claims, nil, jwt.SigningMethodHS256, kid, raw)
	all["a key of one's own, by the service's kid"] = sign(t, claims, nil, jwt.SigningMethodES256, kid, mine)
	all["a key of one's own, in the header"] = sign(t, claims, map[string]any{"jwk": ecKey("mine", mine)}, jwt.SigningMethodES256, "mine", mine)
	all["another signature"] = parts[0] + "." + parts[1] + "." + string(flipped)
	all["no signature"] = parts[0] + "." + parts[1] + "."
	for what, token := range all {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Whatever makes Guildhall refuse a token makes the verifier refuse it.
func TestEveryRevocationShows(t *testing.T) {
	s := serve(t, "JWT_REFRESH_GRACE_SECONDS=0")
	api := s.api(notes)
	v := api.verifier(t, s.url, defaultStaleness)
	root := s.logIn("root@example.com")
	for i, c := range []struct {
		what   string
		admin  bool
		action func(owner, p *person, path string)
	}{
		{"removed", false, func(o, _ *person, path string) { o.call("DELETE", path, nil) }},
		{"left", false, func(_, p *person, path string) { p.call("DELETE", path, nil) }},
		{"demoted", true, func(o, p *person, _ string) { o.call("DELETE", "/organizations/"+o.org+"/admins/"+p.id, nil) }},
		{"suspended there", false, func(o, _ *person, path string) { o.call("POST", path+"/suspend", object{"reason": "A test."}) }},
		{"deactivated there", false, func(o, _ *person, path string) { o.call("POST", path+"/deactivate", nil) }},
		{"the organization suspended", false, func(o, _ *person, _ string) {
			o.call("POST", "/organizations/"+o.org+"/suspend", object{"reason": "A test."})
		}},
		{"the organization archived", false, func(o, _ *person, _ string) {
			o.call("POST", "/organizations/"+o.org+"/archive", object{"reason": "A test."})
		}},
		{"the account suspended", false, func(_, p *person, _ string) {
			root.call("POST", "/users/"+p.id+"/suspend", object{"reason": "A test.", "scope": "account"})
		}},
		{"the account deactivated", false, func(_, p *person, _ string) {
			root.call("POST", "/users/"+p.id+"/deactivate", object{"scope": "account"})
		}},
		{"the account archived", false, func(_, p *person, _ string) {
			root.call("POST", "/users/"+p.id+"/archive", object{"reason": "A test."})
		}},
		{"logged out", false, func(_, p *person, _ string) { p.call("POST", "/auth/logout", nil) }},
		{"logged out everywhere, elsewhere", false, func(_, p *person, _ string) {
			s.logIn(p.email).call("POST", "/auth/logout", object{"all": true})
		}},
		{"another password", false, func(_, p *person, _ string) {
			s.logIn(p.email).call("PATCH", "/users/"+p.id+"/password", object{"old_password": password, "new_password": "five boxing wizards"})
		}},
		{"the token revoked", false, func(_, p *person, _ string) {
			s.call("POST", "/oauth/revoke", "", url.Values{"token": {p.access}})
		}},
		{"the refresh token stolen", false, func(_, p *person, _ string) {
			first := p.refresh
			for range 2 {
				p.refresh = p.call("POST", "/auth/refresh", object{"refresh_token": p.refresh})["refresh_token"].(string)
			}
			if status, _ := s.try("POST", "/api/v1/auth/refresh", "", object{"refresh_token": first}); status != 401 {
				t.Errorf("reused: %d", status)
			}
		}},
	} {
		owner := s.person(fmt.Sprint("owner-", i))
		p := s.person(fmt.Sprint("person-", i)).joins(owner)
		if c.admin {
			owner.call("POST", "/organizations/"+owner.org+"/admins", object{"user_id": p.id})
		}
		token, bystander := p.token(api), s.person(fmt.Sprint("bystander-", i)).token(api)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatalf("%s: before: %v", c.what, err)
		}
		c.action(owner, p, "/organizations/"+owner.org+"/members/"+p.id)
		t.Logf("%s: refused after %s", c.what, refusedWithin(t, v, token))
		if _, err := v.Verify(t.Context(), bystander); err != nil {
			t.Errorf("%s: a bystander: %v", c.what, err)
		}
	}
}

// A revocation is noticed while the feed is cut, stalls or is replayed.
func TestTheRealFeedFails(t *testing.T) {
	s := serve(t)
	api := s.api(notes)
	through := proxy(t, s.url)
	v := api.verifier(t, through.URL, leastStaleness)
	owner := s.person("Ada")
	i := 0
	for what, fault := range map[string]func() http.HandlerFunc{
		"cut": func() http.HandlerFunc { return cut }, "stalled": func() http.HandlerFunc { return stall }, "replayed": func() http.HandlerFunc { return through.replay(feedPath) },
	} {
		i++
		p := s.person(fmt.Sprint("person-", i)).joins(owner)
		token, staying := p.token(api), owner.token(api)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		through.spoil(feedPath, fault())
		owner.call("DELETE", "/organizations/"+owner.org+"/members/"+p.id, nil)
		took := refusedWithin(t, v, token)
		if took > leastStaleness+time.Second {
			t.Errorf("%s: refused after %s", what, took)
		}
		eventually(t, func() bool { return !v.Fresh() })
		if _, err := v.Verify(t.Context(), staying); err != nil {
			t.Errorf("%s: whoever stays: %v", what, err)
		}
		through.spoil(introPath, cut)
		if _, err := v.Verify(t.Context(), staying); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: without introspection: %v", what, err)
		}
		t.Logf("the feed is %s: a removed member is refused after %s by introspection; without that, everybody gets 503", what, took.Round(time.Millisecond))
		through.spoil(introPath, nil)
		through.spoil(feedPath, nil)
		eventually(t, v.Fresh)
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s: afterwards: %v", what, err)
		}
	}
}

func TestARestartOfTheServiceCostsNoRequest(t *testing.T) {
	s := serve(t)
	api := s.api(notes)
	v := api.verifier(t, s.url, longestWait) // a busy machine takes long to start it
	token := s.person("Ada").token(api)
	done := make(chan struct{})
	go func() { defer close(done); s.restart() }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	eventually(t, v.Fresh)
}

// TestRefusalTimes measures from the 204 of a removal to the verifier's refusal.
func TestRefusalTimes(t *testing.T) {
	t.Run("one process, SQLite", func(t *testing.T) { s := serve(t); measure(t, s, s) })
	database := os.Getenv("GUILDHALL_POSTGRES")
	if database == "" {
		t.Skip("GUILDHALL_POSTGRES is not set")
	}
	for _, replicas := range []int{1, 2} {
		name := fmt.Sprint("guildhall_", replicas)
		t.Run(fmt.Sprintf("PostgreSQL, processes: %d", replicas), func(t *testing.T) {
			s := serve(t, "DATABASE_URL="+fmt.Sprintf(database, name))
			followed := s
			if replicas == 2 {
				followed = s.replica()
			}
			measure(t, s, followed)
		})
	}
}

const (
	rounds = 4
	people = 30
)

// measure removes people by one process, while a verifier follows another one.
func measure(t *testing.T, s, followed *service) {
	api := s.api(notes)
	v := api.verifier(t, followed.url, defaultStaleness)
	owner := s.person("Ada")
	var members []*person
	for i := range people {
		members = append(members, s.person(fmt.Sprint("person-", i)))
	}
	var took []time.Duration
	for range rounds {
		for i, p := range members {
			members[i] = p.joins(owner)
		}
		time.Sleep(2100 * time.Millisecond) // a mark is about tokens of the next second, too
		for _, p := range members {
			token := p.token(api)
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			if followed != s {
				time.Sleep(mathrand.N(500 * time.Millisecond)) // not in step with how it polls the database
			}
			owner.call("DELETE", "/organizations/"+owner.org+"/members/"+p.id, nil)
			took = append(took, refusedWithin(t, v, token))
		}
	}
	slices.Sort(took)
	at := func(p int) time.Duration { return took[(len(took)*p+99)/100-1].Round(10 * time.Microsecond) }
	fmt.Printf("Go verifier, %s: refused after a removal's 204: p50 %s, p99 %s, longest %s (%d removals)\n", strings.TrimPrefix(t.Name(), "TestRefusalTimes/"), at(50), at(99), took[len(took)-1].Round(10*time.Microsecond), len(took))
}
