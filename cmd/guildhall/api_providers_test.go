package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/oauth2-proxy/mockoidc"

	"guildhall/platform/config"
	"guildhall/platform/doctor"
)

const backTo = "https://app.example.com/callback"

// someone is a person at a provider: their subject, and everything else that it says.
type someone struct {
	subject string
	claims  map[string]any // of the ID token
	info    map[string]any // of the endpoint for more
}

// ID implements mockoidc.User.
func (p someone) ID() string { return p.subject }

// Userinfo implements mockoidc.User.
func (p someone) Userinfo([]string) ([]byte, error) {
	info := map[string]any{"sub": p.subject}
	for name, value := range p.info {
		info[name] = value
	}
	return json.Marshal(info)
}

// Claims implements mockoidc.User.
func (p someone) Claims(_ []string, base *mockoidc.IDTokenClaims) (jwt.Claims, error) {
	text, err := json.Marshal(base)
	if err != nil {
		return nil, err
	}
	all := jwt.MapClaims{}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for name, value := range p.claims {
		all[name] = value
	}
	return all, nil
}

// memberAt is a person whose address the provider has verified.
func memberAt(subject, email string) someone {
	return someone{subject: subject, claims: map[string]any{"email": email, "email_verified": true, "name": "Ada Lovelace"}}
}

// otherService is a provider that the test runs.
type otherService struct {
	*mockoidc.MockOIDC
	down      atomic.Bool
	slow      atomic.Int64           // nanoseconds before each answer
	meanwhile atomic.Pointer[func()] // what happens while it is asked for tokens
	asked     atomic.Int64           // how many tokens were asked for
	discovery atomic.Pointer[map[string]any]
}

// fault puts what the test wants before the provider's own answers.
func (o *otherService) fault(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.down.Load() {
			http.Error(w, "out of order", http.StatusBadGateway)
			return
		}
		time.Sleep(time.Duration(o.slow.Load()))
		if r.URL.Path == mockoidc.TokenEndpoint {
			o.asked.Add(1)
			if do := o.meanwhile.Load(); do != nil {
				(*do)()
			}
		}
		more := o.discovery.Load()
		if r.URL.Path != mockoidc.DiscoveryEndpoint || more == nil {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		said := map[string]any{}
		_ = json.Unmarshal(rec.Body.Bytes(), &said)
		for name, value := range *more {
			said[name] = value
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(said)
	})
}

// says changes what the provider says about itself.
func (o *otherService) says(more map[string]any) { o.discovery.Store(&more) }

var otherServices sync.Map // by their issuers

// runProvider starts a provider for a test, perhaps one that asks for more.
func runProvider(t testing.TB, more ...func(http.Handler) http.Handler) *otherService {
	t.Helper()
	m, err := mockoidc.NewServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &otherService{MockOIDC: m}
	for _, wrap := range append(more, o.fault) {
		if err := m.AddMiddleware(wrap); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(l, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Shutdown() })
	otherServices.Store(m.Issuer(), o)
	return o
}

// withProvider gives the service a provider of a kind, and another one.
func withProvider(t testing.TB, kind string) func(*config.Config) {
	return func(c *config.Config) {
		c.RedirectURIs = append(c.RedirectURIs, backTo)
		for id, kind := range map[string]string{"corp": kind, "other": "oidc"} {
			o := runProvider(t)
			c.Providers = append(c.Providers, config.Provider{ID: id, Kind: kind, Name: "Corp", Issuer: o.Issuer(), ClientID: o.ClientID, ClientSecret: config.Secret(o.ClientSecret)})
		}
		slices.SortFunc(c.Providers, func(a, b config.Provider) int { return strings.Compare(a.ID, b.ID) })
	}
}

func (s *service) other(i int) *otherService {
	o, _ := otherServices.Load(s.kernel.Config.Providers[i].Issuer)
	return o.(*otherService)
}

// returned is what a browser brings back from a provider.
type returned struct{ challenge, code, state, location string }

func (r returned) proof(more ...any) []any {
	return append([]any{"challenge_token", r.challenge, "authorization_code", r.code, "state", r.state}, more...)
}

// visits takes the browser to the provider, where somebody logs in, and back.
func (s *service) visits(who someone, asked answer) returned {
	s.t.Helper()
	to := asked.is(201).str("authorization_url")
	for i, p := range s.kernel.Config.Providers {
		if strings.HasPrefix(to, strings.TrimSuffix(p.Issuer, "/oidc")) && p.Kind != "github" {
			o := s.other(i)
			o.QueueUser(who)
			o.FastForward(time.Duration(s.skew.Load()) - o.FastForward(0)) // one clock
		}
	}
	return s.follows(asked.str("challenge_token"), to)
}

func (s *service) follows(challenge, to string) returned {
	s.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.Get(to)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	back, err := r.Location()
	if err != nil {
		text, _ := io.ReadAll(r.Body)
		s.t.Fatalf("%v: %d %s", err, r.StatusCode, text)
	}
	return returned{challenge, back.Query().Get("code"), back.Query().Get("state"), back.String()}
}

func (s *service) asksProvider(id string) answer {
	s.t.Helper()
	return s.public("/auth/challenges", "purpose", "log_in", "method", "provider", "provider", id, "redirect_uri", backTo)
}

// logsInAs logs in with the first provider.
func (s *service) logsInAs(who someone) answer {
	s.t.Helper()
	return s.enter(s.visits(who, s.asksProvider("corp")).proof()...)
}

// links links an account of the first provider.
func (a *actor) links(who someone) answer {
	a.s.t.Helper()
	back := a.s.visits(who, a.ask("link_identity", "provider", "corp", "redirect_uri", backTo))
	return a.post("/auth/identities", body(back.proof()...))
}

// newcomer is a person at the provider whom nobody knows here.
func newcomer() someone {
	n := people.Add(1)
	return memberAt(fmt.Sprintf("subject-%d", n), fmt.Sprintf("new.%d@example.com", n))
}

// TestProviders: a person logs in with another service, from then on as the same account, and
// links and unlinks such accounts.
func TestProviders(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		if a := s.do("GET", "/api/v1/auth/providers", "", nil).is(200); a.str("providers.0.id") != "corp" || a.str("providers.0.name") != "Corp" || a.str("providers.0.kind") != "oidc" || a.value("providers.2") != nil {
			t.Errorf("%s", a.body)
		}
		asked := s.asksProvider("corp").is(201)
		to, err := url.Parse(asked.str("authorization_url"))
		if q := to.Query(); err != nil || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("nonce") == "" || q.Get("state") == "" ||
			q.Get("redirect_uri") != backTo || q.Get("scope") != "openid profile email" || q.Get("response_type") != "code" || asked.str("expires_in") != "600" {
			t.Errorf("%s", asked.body)
		}
		who := newcomer()
		back := s.visits(who, asked)
		if !strings.HasPrefix(back.location, backTo+"?") {
			t.Errorf("%s", back.location)
		}
		ada := s.actorOf(s.enter(back.proof()...).is(200))
		me := ada.get("/auth/me").is(200)
		if me.str("email") != who.claims["email"] || me.str("name") != "Ada Lovelace" || me.str("email_verified") != "true" {
			t.Errorf("%s", me.body)
		}
		if o := ada.get("/auth/me/organizations").is(200); o.str("organizations.0.name") != "Ada Lovelace's Organization" || o.str("organizations.0.role") != "owner" {
			t.Errorf("%s", o.body)
		}
		if session := s.table("SELECT amr, aal FROM sessions WHERE user_id = ?", ada.id); strings.Join(session[0], " ") != "fed 1" {
			t.Errorf("%v", session)
		}
		if again := s.logsInAs(who).is(200); again.str("user_id") != ada.id {
			t.Errorf("%s", again.body)
		}
		// Its address may change at the provider. It stays the same account.
		who.claims["email"] = "renamed@example.com"
		if again := s.logsInAs(who).is(200); again.str("user_id") != ada.id {
			t.Errorf("%s", again.body)
		}

		// It is a way in like others: it renews no proof by itself, and a password is set by mail.
		s.logIn(ada.email, password).is(401, "invalid_credentials")
		list := ada.get("/auth/identities").is(200)
		if list.str("identities.0.provider") != "corp" || list.str("identities.0.name") != "Corp" || list.str("identities.0.email") != ada.email || list.value("identities.0.last_used_at") == nil || list.value("identities.1") != nil {
			t.Errorf("%s", list.body)
		}
		second := ada.links(newcomer()).is(201)
		if m := s.mail(ada.email, "identity_linked"); !strings.Contains(m.Text, "Corp") {
			t.Errorf("%s", m.Text)
		}
		ada.links(who).is(409, "identity_exists")
		other := s.actorOf(s.logsInAs(who).is(200))
		ada.delete("/auth/identities/" + second.str("id")).is(204)
		other.get("/auth/me").is(401, "invalid_token")
		s.mail(ada.email, "identity_unlinked")
		ada.delete("/auth/identities/"+second.str("id")).is(404, "identity_not_found")
		ada.delete("/auth/identities/"+list.str("identities.0.id")).is(409, "last_log_in_method")
		token := s.ask("reset_password", ada.email)
		s.reset("challenge_token", token, "code", s.mail(ada.email, "reset_password").code()).is(204)
		ada = s.actorOf(s.logIn(ada.email, newPassword).is(200))
		ada.delete("/auth/identities/" + list.str("identities.0.id")).is(204)
		// Now it is nobody's, with another address: somebody new.
		if a := s.logsInAs(who).is(200); a.str("user_id") == ada.id {
			t.Errorf("%s", a.body)
		}
	}, withMailbox, withProvider(t, "oidc"))
}

// TestTrustProviders: 86, 87. Whatever is wrong with what comes back, nobody logs in, and it counts
// once.
func TestTrustProviders(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		who, eve := newcomer(), newcomer()
		s.logsInAs(who).is(200)
		refused := func(why string, a answer) {
			t.Helper()
			if a.status != 401 || a.code() != "invalid_challenge" {
				t.Errorf("%s: %d %s", why, a.status, a.body)
			}
		}
		back := func() returned { return s.visits(who, s.asksProvider("corp")) }
		hers := func() returned { return s.visits(eve, s.asksProvider("corp")) }

		// Eve plants what she got into the log-in of another person, or steals what they got.
		planted := hers()
		mine := back()
		refused("foreign code and state", s.enter("challenge_token", mine.challenge, "authorization_code", planted.code, "state", planted.state))
		refused("foreign code", s.enter("challenge_token", mine.challenge, "authorization_code", planted.code, "state", mine.state))
		stolen := back()
		refused("stolen code and state", s.enter("challenge_token", hers().challenge, "authorization_code", stolen.code, "state", stolen.state))
		if n := s.other(0).asked.Load(); n != 3 { // the first time twice: it learns how the secret is sent
			t.Errorf("a wrong state reached the provider: it was asked %d times", n)
		}
		refused("stolen code, another challenge", s.enter("challenge_token", planted.challenge, "authorization_code", stolen.code, "state", planted.state))
		elsewhere := s.visits(who, s.asksProvider("other"))
		refused("the code of another provider", s.enter("challenge_token", back().challenge, "authorization_code", elsewhere.code, "state", elsewhere.state))
		refused("no challenge", s.enter("challenge_token", "x", "authorization_code", stolen.code, "state", stolen.state))
		guessed := back()
		for range 5 {
			refused("guessed state", s.enter("challenge_token", guessed.challenge, "authorization_code", guessed.code, "state", "x"))
		}
		refused("the right state, sixth", s.enter(guessed.proof()...))
		refused("as a code", s.enter("challenge_token", back().challenge, "code", "12345678"))
		refused("as a second factor", s.enter("challenge_token", back().challenge, "otp", "123456"))
		refused("the state as a link", s.enter("link_token", back().state))

		asked := s.asksProvider("corp").is(201)
		to, _ := url.Parse(asked.str("authorization_url"))
		q := to.Query()
		q.Set("nonce", "of-another-question")
		s.other(0).QueueUser(who)
		refused("nonce", s.enter(s.follows(asked.str("challenge_token"), to.Scheme+"://"+to.Host+to.Path+"?"+q.Encode()).proof()...))

		refused("iss of another", s.enter(back().proof("iss", s.other(1).Issuer())...))
		s.enter(back().proof("iss", s.other(0).Issuer())...).is(200)

		// Once, also at once.
		replayed := back()
		s.enter(replayed.proof()...).is(200)
		refused("again", s.enter(replayed.proof()...))
		before := s.other(0).asked.Load()
		parallel := back()
		oneWins(t, 16, 200, 401, func(int) answer { return s.enter(parallel.proof()...) })
		if n := s.other(0).asked.Load() - before; n != 1 {
			t.Errorf("the provider was asked %d times", n)
		}

		// For another purpose, of another session.
		ada, mallory := s.person("Ada"), s.person("Mallory")
		link := s.visits(newcomer(), ada.ask("link_identity", "provider", "corp", "redirect_uri", backTo))
		refused("a link as a log-in", s.enter(link.proof()...))
		refused("a log-in as a link", ada.post("/auth/identities", body(back().proof()...)))
		refused("the link of another person", mallory.post("/auth/identities", body(link.proof()...)))
		other := s.actorOf(s.logIn(ada.email, password).is(200))
		refused("the link of another session", other.post("/auth/identities", body(link.proof()...)))
		made := ada.post("/auth/identities", body(link.proof()...)).is(201)
		refused("the same link", ada.post("/auth/identities", body(link.proof()...)))
		mallory.delete("/auth/identities/"+made.str("id")).is(404, "identity_not_found")
		mallory.links(who).is(409, "identity_exists")
		s.do("POST", "/api/v1/auth/challenges", "", body("purpose", "link_identity", "provider", "corp", "redirect_uri", backTo)).is(401, "authentication_required")
		ada.ask("step_up", "method", "provider", "provider", "corp", "redirect_uri", backTo).is(422, "validation_failed")
		ada.ask("link_identity").is(422, "validation_failed")
		s.public("/auth/challenges", "purpose", "log_in", "method", "provider", "provider", "nobody", "redirect_uri", backTo).is(404, "provider_not_found")

		late := back()
		s.later(10*time.Minute + time.Second)
		refused("late", s.enter(late.proof()...))
		ada.ask("link_identity", "provider", "corp", "redirect_uri", backTo).is(401, "step_up_required")
		ada.delete("/auth/identities/"+made.str("id")).is(401, "step_up_required")
	}, withProvider(t, "oidc"), longTokens)
}

// TestProviderSaysWhoAnswers: where a provider names itself in its answers, it has to (RFC 9207).
func TestProviderSaysWhoAnswers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.other(0).says(map[string]any{"authorization_response_iss_parameter_supported": true})
		who := newcomer()
		back := func() returned { return s.visits(who, s.asksProvider("corp")) }
		s.enter(back().proof()...).is(401, "invalid_challenge")
		s.enter(back().proof("iss", s.other(1).Issuer())...).is(401, "invalid_challenge")
		s.enter(back().proof("iss", s.other(0).Issuer())...).is(200)
	}, withProvider(t, "oidc"))
}

// TestWrongIDTokens: what a provider signs for another client, in another name or for another
// time lets nobody in. That is no fault of the client.
func TestWrongIDTokens(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		accounts := s.count("SELECT COUNT(*) FROM users")
		for name, change := range map[string]map[string]any{
			"audience": {"aud": "another-client"},
			"issuer":   {"iss": "https://accounts.example.com"},
			"expiry":   {"exp": 1},
			"subject":  {"sub": ""},
		} {
			who := newcomer()
			for claim, value := range change {
				who.claims[claim] = value
			}
			if a := s.logsInAs(who); a.status != 503 || a.code() != "provider_unavailable" {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		// What is in no ID token comes from the endpoint for more, which has to be about the same
		// person.
		who := newcomer()
		who.info, who.claims = who.claims, nil
		s.logsInAs(who).is(200)
		liar := newcomer()
		liar.info, liar.claims = map[string]any{"sub": who.subject, "email": "boss@example.com", "email_verified": true}, nil
		s.logsInAs(liar).is(503, "provider_unavailable")
		if n := s.count("SELECT COUNT(*) FROM users"); n != accounts+1 {
			t.Errorf("%d accounts", n)
		}
		// Nobody is called so, and no account could be.
		for _, email := range []any{nil, "", "no address", "x@service.invalid", 17} {
			odd := newcomer()
			odd.claims["email"] = email
			a := s.logsInAs(odd)
			if email == 17 { // not even a text
				a.is(503, "provider_unavailable")
				continue
			}
			a.is(409, "provider_email_missing")
		}
		shy := newcomer()
		delete(shy.claims, "name")
		if a := s.logsInAs(shy).is(200); a.str("name") == "" {
			t.Errorf("%s", a.body)
		}
	}, withProvider(t, "oidc"))
}

// TestProvidersAddresses: 85. Nobody gets into an account by an address that the provider has not
// verified, or, unless its owner proves it now, this service.
func TestProvidersAddresses(t *testing.T) {
	type says = map[string]any
	absent := map[bool][]says{
		true:  {{"email_verified": true}, {"email_verified": "true"}},
		false: {{}, {"email_verified": false}, {"email_verified": "false"}, {"email_verified": nil}, {"email_verified": "yes"}, {"email_verified": []any{true}}},
	}
	microsoft := map[bool][]says{
		true:  {{"xms_edov": true}, {"xms_edov": "1"}, {"xms_edov": 1}},
		false: {{}, {"email_verified": true}, {"xms_edov": false}, {"xms_edov": "0"}, {"xms_edov": 0}, {"xms_edov": "false", "email_verified": true}},
	}
	for kind, cases := range map[string]map[bool][]says{"oidc": absent, "google": absent, "microsoft": microsoft} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(t *testing.T, s *service) {
				for verified, all := range cases {
					for _, said := range all {
						as := func(email string) someone {
							who := memberAt(fmt.Sprintf("subject-%d", people.Add(1)), email)
							delete(who.claims, "email_verified")
							who.claims["tid"], who.claims["oid"] = "tenant", who.subject
							for name, value := range said {
								who.claims[name] = value
							}
							return who
						}
						check := func(what string, a answer, status int) {
							t.Helper()
							if a.status != status || status == 409 && a.code() != "account_exists" {
								t.Errorf("%s, %v: %d %s", what, said, a.status, a.body)
							}
						}
						known, squatter := s.verifiedPerson("Known"), s.person("Squatter")
						made := s.logsInAs(as(fmt.Sprintf("new.%d@example.com", people.Add(1)))).is(200)
						if me := s.actorOf(made).get("/auth/me").is(200); me.str("email_verified") != fmt.Sprint(verified) {
							t.Errorf("%v: %s", said, me.body)
						}
						if !verified {
							check("a verified account", s.logsInAs(as(known.email)), 409)
							check("an unverified account", s.logsInAs(as(squatter.email)), 409)
							s.logIn(squatter.email, password).is(200)
							continue
						}
						a := s.logsInAs(as(strings.ToUpper(known.email)))
						check("a verified account", a, 200)
						if a.str("user_id") != known.id {
							t.Errorf("%v: %s", said, a.body)
						}
						known.get("/auth/me").is(200) // nothing of it ends
						s.mail(known.email, "identity_linked")
						a = s.logsInAs(as(squatter.email))
						check("an unverified account", a, 200)
						if a.str("user_id") != squatter.id {
							t.Errorf("%v: %s", said, a.body)
						}
						squatter.get("/auth/me").is(401, "invalid_token")
						s.logIn(squatter.email, password).is(401, "invalid_credentials")
						s.mail(squatter.email, "password_removed")
					}
				}
			}, withMailbox, withProvider(t, kind))
		})
	}
}

// TestDoctorKnowsProviders: whoever logged in with a provider that is gone is counted.
func TestDoctorKnowsProviders(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.logsInAs(newcomer()).is(200)
		options := doctor.Options{Config: s.kernel.Config, DB: s.kernel.DB, Now: s.kernel.Now}
		if f := doctor.Providers(everything, options); f.Level != doctor.OK {
			t.Errorf("%+v", f)
		}
		changed := *s.kernel.Config
		changed.Providers = changed.Providers[1:]
		options.Config = &changed
		if f := doctor.Providers(everything, options); f.Level != doctor.Warn || !strings.Contains(f.Message, "1 of 1 linked accounts, of 1 people, belong to corp") {
			t.Errorf("%+v", f)
		}
	}, withProvider(t, "oidc"))
}

// TestMicrosoft: a person is who they are in their tenant.
func TestMicrosoft(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		person := func(tenant, object any) someone {
			who := newcomer()
			who.claims["xms_edov"], who.claims["tid"], who.claims["oid"] = true, tenant, object
			return who
		}
		ada := s.logsInAs(person("a", "1")).is(200).str("user_id")
		if again := s.logsInAs(person("a", "1")).is(200).str("user_id"); again != ada { // also with another subject
			t.Error("the same person is another one")
		}
		if other := s.logsInAs(person("b", "1")).is(200).str("user_id"); other == ada {
			t.Error("a person of another tenant is the same")
		}
		s.logsInAs(person(nil, "1")).is(503, "provider_unavailable")
		s.logsInAs(person("a", nil)).is(503, "provider_unavailable")
	}, withMailbox, withProvider(t, "microsoft"))
}

// TestMicrosoftTenants: where people of any tenant log in, each tenant is an issuer of its own.
func TestMicrosoftTenants(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		configured := s.kernel.Config.Providers[0].Issuer
		o, _ := otherServices.Load(configured)
		of := func(tenant, issuer string) answer {
			who := newcomer()
			who.claims["xms_edov"], who.claims["tid"], who.claims["oid"] = true, tenant, "1"
			who.claims["iss"] = strings.Replace(configured, "common", issuer, 1)
			asked := s.asksProvider("entra").is(201)
			o.(*otherService).QueueUser(who)
			return s.enter(s.follows(asked.str("challenge_token"), asked.str("authorization_url")).proof()...)
		}
		ada := of("contoso", "contoso").is(200).str("user_id")
		if again := of("contoso", "contoso").is(200); again.str("user_id") != ada {
			t.Errorf("%s", again.body)
		}
		if other := of("fabrikam", "fabrikam").is(200); other.str("user_id") == ada {
			t.Error("a person of another tenant is the same")
		}
		of("contoso", "fabrikam").is(503, "provider_unavailable")
		of("contoso", "{tenantid}").is(503, "provider_unavailable")
		of("contoso", "common").is(503, "provider_unavailable")
	}, func(c *config.Config) {
		o := runProvider(t)
		var directory *httptest.Server
		directory = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/common/v2.0/.well-known/openid-configuration" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{
				"issuer": directory.URL + "/{tenantid}/v2.0", "authorization_endpoint": o.AuthorizationEndpoint(), "token_endpoint": o.TokenEndpoint(),
				"jwks_uri": o.JWKSEndpoint(), "token_endpoint_auth_methods_supported": []string{"client_secret_post"},
			})
		}))
		t.Cleanup(directory.Close)
		otherServices.Store(directory.URL+"/common/v2.0", o)
		c.RedirectURIs = []string{backTo}
		c.Providers = []config.Provider{{ID: "entra", Kind: "microsoft", Name: "Entra", Issuer: directory.URL + "/common/v2.0", ClientID: o.ClientID, ClientSecret: config.Secret(o.ClientSecret)}}
	})
}

// TestProviderIsDown: nothing else stops, the client is told, the log says why, and nothing is
// lost.
func TestProviderIsDown(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		o, who := s.other(0), newcomer()
		o.down.Store(true)
		s.asksProvider("corp").is(503, "provider_unavailable")
		if !strings.Contains(s.log.String(), "502 Bad Gateway") {
			t.Errorf("the log does not say why: %s", s.log)
		}
		s.enter(s.visits(newcomer(), s.asksProvider("other")).proof()...).is(200)
		s.person("Ada")
		o.down.Store(false)
		s.later(6 * time.Second)
		back := s.visits(who, s.asksProvider("corp"))
		o.down.Store(true)
		s.enter(back.proof()...).is(503, "provider_unavailable")
		s.asksProvider("corp").is(201) // what it said about itself is known
		o.down.Store(false)
		s.enter(back.proof()...).is(401, "invalid_challenge")
		ada := s.logsInAs(who).is(200).str("user_id")
		o.down.Store(true)
		s.later(2 * time.Hour)
		asked := s.asksProvider("corp").is(201) // and so it is when it is time to ask again
		o.down.Store(false)
		if again := s.enter(s.visits(who, asked).proof()...).is(200).str("user_id"); again != ada {
			t.Error("another account")
		}
		if n := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'log_in.failed'"); n != 1 {
			t.Errorf("%d failures to log in", n)
		}
	}, withProvider(t, "oidc"))
}

// TestProvidersEndpoints: a provider that calls itself otherwise is refused, and one that is not
// where it says leads nowhere else.
func TestProvidersEndpoints(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.other(0).says(map[string]any{"issuer": s.other(1).Issuer()})
		s.asksProvider("corp").is(503, "provider_unavailable")
		s.later(6 * time.Second)
		var reached atomic.Bool
		elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reached.Store(true) }))
		defer elsewhere.Close()
		moved := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
		defer moved.Close()
		s.other(0).says(map[string]any{"token_endpoint": moved.URL})
		s.enter(s.visits(newcomer(), s.asksProvider("corp")).proof()...).is(503, "provider_unavailable")
		if reached.Load() {
			t.Error("the client's secret went elsewhere")
		}
		s.later(2 * time.Hour)
		endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for range 64 {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<20)); err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, "{}")
		}))
		defer endless.Close()
		s.other(0).says(map[string]any{"token_endpoint": endless.URL})
		s.enter(s.visits(newcomer(), s.asksProvider("corp")).proof()...).is(503, "provider_unavailable")
	}, withProvider(t, "oidc"))
}

// TestRedirectURIsAreExact: 151.
func TestRedirectURIsAreExact(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for _, uri := range []string{"https://evil.example.com/callback", backTo + "/", backTo + "?x=1", backTo + "#x", "https://app.example.com/", "https://app.example.com.evil.example/callback",
			"https://app.example.com@evil.example.com/callback", "HTTPS://APP.EXAMPLE.COM/callback", "http://app.example.com/callback", "//app.example.com/callback", "javascript:alert(1)"} {
			s.public("/auth/challenges", "purpose", "log_in", "method", "provider", "provider", "corp", "redirect_uri", uri).is(422, "redirect_not_allowed")
		}
		s.asksProvider("corp").is(201)
		s.public("/auth/challenges", "purpose", "log_in", "method", "provider", "provider", "corp", "redirect_uri", "https://id.example.com/account/callback").is(201)
	}, withDomain, withProvider(t, "oidc"))
}

// TestProvidersNeedAnOpenDoor: an account is created where anybody may register, and only with an
// address that is proved where it has to be.
func TestProvidersNeedAnOpenDoor(t *testing.T) {
	t.Run("closed", func(t *testing.T) {
		each(t, func(t *testing.T, s *service) {
			s.logsInAs(newcomer()).is(403, "registration_disabled")
			if n := s.count("SELECT COUNT(*) FROM users"); n != 0 {
				t.Errorf("%d accounts", n)
			}
		}, withProvider(t, "oidc"), func(c *config.Config) { c.EnableRegistration = false })
	})
	t.Run("confirmed", func(t *testing.T) {
		each(t, func(t *testing.T, s *service) {
			unsure := newcomer()
			unsure.claims["email_verified"] = false
			s.logsInAs(unsure).is(403, "email_not_verified")
			s.logsInAs(newcomer()).is(200)
		}, withMailbox, withProvider(t, "oidc"), func(c *config.Config) { c.ConfirmEmail = true })
	})
}

// TestProviderAndSecondFactor: a provider is one factor. The other one is asked for, and nothing
// is linked before it is proved.
func TestProviderAndSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		app, _ := ada.enrols()
		who := memberAt("ada", ada.email)
		asked := s.logsInAs(who).is(403, "mfa_required")
		if n := s.count("SELECT COUNT(*) FROM user_identities WHERE user_id = ?", ada.id); n != 0 {
			t.Error("an account is linked before the second factor was proved")
		}
		s.completes(asked.str("challenge_token"), "otp", app.next()).is(200)
		if list := ada.get("/auth/identities").is(200); list.str("identities.0.provider") != "corp" {
			t.Errorf("%s", list.body)
		}
		again := s.logsInAs(who).is(403, "mfa_required")
		in := s.actorOf(s.completes(again.str("challenge_token"), "otp", app.next()).is(200))
		if session := s.table("SELECT amr, aal FROM sessions WHERE user_id = ? ORDER BY id DESC LIMIT 1", ada.id); strings.Join(session[0], " ") != "fed otp 2" {
			t.Errorf("%v", session)
		}
		in.get("/auth/me").is(200)

		// Who came in by a provider sets a factor up, and their session has proved both.
		bob := s.actorOf(s.logsInAs(newcomer()).is(200))
		bob.enrols()
		if session := s.table("SELECT amr, aal FROM sessions WHERE user_id = ? ORDER BY id DESC LIMIT 1", bob.id); strings.Join(session[0], " ") != "fed otp 2" {
			t.Errorf("%v", session)
		}
	}, withMailbox, withProvider(t, "oidc"))
}

// TestLinkIsDisavowed: "this wasn't me" takes a linked account away again.
func TestLinkIsDisavowed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		kept, thief := newcomer(), newcomer()
		ada.links(kept).is(201)
		s.later(time.Minute)
		ada.links(thief).is(201)
		s.public("/auth/disavow", "link_token", s.mail(ada.email, "identity_linked").link()).is(204)
		ada.get("/auth/me").is(401, "invalid_token")
		s.logIn(ada.email, password).is(401, "invalid_credentials")
		if a := s.logsInAs(thief).is(200); a.str("user_id") == ada.id {
			t.Error("the thief is still in")
		}
		if a := s.logsInAs(kept).is(200); a.str("user_id") != ada.id {
			t.Errorf("%s", a.body)
		}
	}, withMailbox, withProvider(t, "oidc"))
}

// TestProviderAndStanding: a provider opens no account that is closed, and links nothing with it.
func TestProviderAndStanding(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Operator")
		for path, code := range map[string]string{"suspend": "account_suspended", "archive": "account_archived", "deactivate": "account_inactive"} {
			ada := s.verifiedPerson("Ada")
			because := body("reason", "Under investigation.", "scope", "account")
			if path != "suspend" {
				delete(because, "scope")
			}
			if path == "deactivate" {
				because = body("scope", "account")
			}
			linked := newcomer()
			ada.links(linked).is(201)
			if a := root.post("/users/"+ada.id+"/"+path, because); a.status >= 400 {
				t.Fatalf("%s", a.body)
			}
			s.logsInAs(linked).is(403, code)
			s.logsInAs(memberAt(fmt.Sprintf("subject-%d", people.Add(1)), ada.email)).is(403, code)
			if n := s.count("SELECT COUNT(*) FROM user_identities WHERE user_id = ?", ada.id); n != 1 {
				t.Errorf("%s: %d identities", path, n)
			}
		}
	}, withMailbox, withProvider(t, "oidc"))
}

// TestTrustLastWayIn: 93. Whatever is removed at once, one way to log in stays.
func TestTrustLastWayIn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ids := func(a *actor) (list []string) {
			for _, row := range s.table("SELECT id FROM user_identities WHERE user_id = ? ORDER BY id", a.id) {
				list = append(list, row[0])
			}
			return list
		}
		for range size(3, 20) {
			ada := s.actorOf(s.logsInAs(newcomer()).is(200))
			ada.links(newcomer()).is(201)
			both := ids(ada)
			oneWins(t, 2, 204, 409, func(i int) answer { return ada.delete("/auth/identities/" + both[i]) })
			if n := len(ids(ada)); n != 1 {
				t.Fatalf("%d are left", n)
			}
			// A passkey is a way in, too.
			k, _ := ada.hasPasskey()
			paths := []string{"/auth/identities/" + ids(ada)[0], "/auth/factors/" + k.id}
			oneWins(t, 2, 204, 409, func(i int) answer { return ada.delete(paths[i]) })
		}
		// An app is none. With a password, everything may go.
		bob := s.actorOf(s.logsInAs(newcomer()).is(200))
		bob.enrols()
		bob.delete("/auth/identities/"+ids(bob)[0]).is(409, "last_log_in_method")
		joan := s.person("Joan")
		joan.delete("/auth/identities/" + joan.links(newcomer()).is(201).str("id")).is(204)
	}, withMailbox, withProvider(t, "oidc"))
}

// gitHub is a stub of the documented endpoints of GitHub.
type gitHub struct {
	*httptest.Server
	emails    atomic.Pointer[string]
	code      atomic.Pointer[string]
	challenge atomic.Pointer[string]
}

func (g *gitHub) says(emails string) { g.emails.Store(&emails) }

var gitHubs sync.Map // by their addresses

func runGitHub(t testing.TB) *gitHub {
	g, mux := &gitHub{}, http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("client_id") != "hub" || q.Get("scope") != "read:user user:email" || q.Get("code_challenge_method") != "S256" {
			http.Error(w, "wrong", http.StatusBadRequest)
			return
		}
		code, challenge := "code-"+q.Get("state"), q.Get("code_challenge")
		g.code.Store(&code)
		g.challenge.Store(&challenge)
		http.Redirect(w, r, q.Get("redirect_uri")+"?code="+code+"&state="+q.Get("state"), http.StatusFound)
	})
	mux.HandleFunc("POST /login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		// GitHub answers 200 with an error, and as a form unless it is asked for JSON.
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		verified, _ := mockoidc.GenerateCodeChallenge("S256", r.FormValue("code_verifier"))
		if r.FormValue("code") != *g.code.Load() || r.FormValue("client_secret") != "hub-secret" || verified != *g.challenge.Load() {
			_, _ = io.WriteString(w, "error=bad_verification_code&error_description=The+code+passed+is+incorrect+or+expired.")
			return
		}
		_, _ = io.WriteString(w, "access_token=gho_x&scope=read%3Auser%2Cuser%3Aemail&token_type=bearer")
	})
	api := func(text func() string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer gho_x" || r.Header.Get("Accept") != "application/vnd.github+json" {
				http.Error(w, "wrong", http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, text())
		}
	}
	mux.HandleFunc("GET /api/v3/user", api(func() string { return `{"id":583231,"login":"octocat","name":null}` }))
	mux.HandleFunc("GET /api/v3/user/emails", api(func() string { return *g.emails.Load() }))
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	gitHubs.Store(g.URL, g)
	return g
}

// TestGitHub: a person is the number of their account, with their primary address if that is
// verified.
func TestGitHub(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		found, _ := gitHubs.Load(s.kernel.Config.Providers[0].Issuer)
		hub := found.(*gitHub)
		back := func() returned {
			asked := s.asksProvider("github").is(201)
			return s.follows(asked.str("challenge_token"), asked.str("authorization_url"))
		}
		ada := s.verifiedPerson("Ada")
		hub.says(`[{"email":"` + ada.email + `","primary":true,"verified":false},{"email":"octocat@example.com","primary":false,"verified":true}]`)
		s.enter(back().proof()...).is(409, "account_exists")
		hub.says(`[{"email":"octocat@example.com","primary":true,"verified":true},{"email":"` + ada.email + `","primary":false,"verified":true}]`)
		octocat := s.enter(back().proof()...).is(200)
		if octocat.str("email") != "octocat@example.com" || octocat.str("name") != "octocat" {
			t.Errorf("%s", octocat.body)
		}
		if rows := s.table("SELECT issuer, subject FROM user_identities"); len(rows) != 1 || rows[0][0] != hub.URL || rows[0][1] != "583231" {
			t.Errorf("%v", rows)
		}
		hub.says(`[]`)
		if again := s.enter(back().proof()...).is(200); again.str("user_id") != octocat.str("user_id") {
			t.Errorf("%s", again.body)
		}
		wrong := back()
		wrong.code = "x"
		s.enter(wrong.proof()...).is(401, "invalid_challenge")
	}, withMailbox, func(c *config.Config) {
		c.RedirectURIs = []string{backTo}
		c.Providers = []config.Provider{{ID: "github", Kind: "github", Name: "GitHub", Issuer: runGitHub(t).URL, ClientID: "hub", ClientSecret: "hub-secret"}}
	})
}

// TestNoLinkAfterTheSessionEnded: what ends a session while its provider is asked also ends the
// link. Otherwise whoever registered somebody else's address comes back by it.
func TestNoLinkAfterTheSessionEnded(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		eve, who := s.person("Eve"), newcomer()
		back := s.visits(who, eve.ask("link_identity", "provider", "corp", "redirect_uri", backTo))
		reset := func() {
			s.other(0).meanwhile.Store(nil)
			token := s.ask("reset_password", eve.email)
			s.reset("challenge_token", token, "code", s.mail(eve.email, "reset_password").code()).is(204)
		}
		s.other(0).meanwhile.Store(&reset)
		if a := eve.post("/auth/identities", body(back.proof()...)); a.status != 401 {
			t.Errorf("a link of an ended session: %d %s", a.status, a.body)
		}
		if n := s.count("SELECT COUNT(*) FROM user_identities WHERE user_id = ?", eve.id); n != 0 {
			t.Errorf("%d identities", n)
		}
		if a := s.logsInAs(who).is(200); a.str("user_id") == eve.id {
			t.Error("the squatter is in again")
		}
	}, withMailbox, withProvider(t, "oidc"))
}

// TestASlowProviderIsAskedOnce: people who wait for a provider that does not answer wait once,
// and not one after the other.
func TestASlowProviderIsAskedOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		o := s.other(0)
		o.slow.Store(int64(6 * time.Second))
		began := time.Now()
		var work sync.WaitGroup
		for range 4 {
			work.Go(func() { s.asksProvider("corp").is(503, "provider_unavailable") })
		}
		work.Wait()
		o.slow.Store(0)
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("four people waited %s", took)
		}
	}, withProvider(t, "oidc"))
}

// TestInvitedByProvider: whoever is invited and has no account registers with another service, also
// while registration is closed, and joins that organization only. A mail with the invitation proves
// the address as well as the provider does; a link that the API showed does not.
func TestInvitedByProvider(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		unsure := func() (someone, string) {
			who := newcomer()
			who.claims["email_verified"] = false
			return who, who.claims["email"].(string)
		}
		ada := s.verifiedPerson("Ada")
		s = start(t, s.kernel.Config.DatabaseURL.Reveal(), withMailbox, func(c *config.Config) {
			c.EnableRegistration, c.Providers, c.RedirectURIs = false, s.kernel.Config.Providers, s.kernel.Config.RedirectURIs
		})
		ada = s.logInAgain(ada)
		accepts := func(who someone, token string) answer {
			return s.enter(s.visits(who, s.asksProvider("corp")).proof("invitation_token", token)...)
		}
		who, address := unsure()
		ada.invites(address, "role", "admin").is(201)
		mailed := s.mail(address, "invitation").link()
		other := newcomer()
		accepts(other, mailed).is(403, "invitation_for_another_address")
		accepts(other, "x").is(404, "invitation_not_found")
		s.logsInAs(other).is(403, "registration_disabled")
		made := accepts(who, mailed).is(200)
		if made.str("organization_id") != ada.organization {
			t.Errorf("%s", made.body)
		}
		eve := s.actorOf(made)
		if got := eve.get("/auth/me").is(200); got.value("email_verified") != true || got.str("role") != "admin" {
			t.Errorf("%s", got.body)
		}
		if n := s.count("SELECT COUNT(*) FROM organization_members WHERE user_id = ?", eve.id); n != 1 {
			t.Errorf("a member of %d organizations", n)
		}
		accepts(other, mailed).is(410, "invitation_used")

		// A link that was shown proves nothing.
		who, address = unsure()
		shown := ada.shown(address)
		accepts(who, shown).is(403, "email_not_verified")
		who.claims["email_verified"] = true
		if joined := accepts(who, shown).is(200); joined.str("organization_id") != ada.organization {
			t.Errorf("%s", joined.body)
		}

		// Who has an account logs in, and the invitation stays.
		grace := s.actorOf(s.logsInAs(who).is(200))
		again := tokenOf(ada.post(ada.org("/invitation-links"), body()).is(201))
		s.enter(s.visits(who, s.asksProvider("corp")).proof("invitation_token", again)...).is(200)
		if n := s.count("SELECT uses FROM invitation_links"); n != 0 {
			t.Errorf("%d uses", n)
		}
		grace.accepts(again).is(200)
	}, withMailbox, withProvider(t, "oidc"))
}
