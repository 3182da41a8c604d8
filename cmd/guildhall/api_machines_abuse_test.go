package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/config"
	"guildhall/platform/keyring"
	"guildhall/platform/platformtest"
	"guildhall/platform/token"
)

// TestATokenForAnAPINeedsAMemberInGoodStanding: the API trusts what its token says of the
// organization, so there is none for a suspended organization, and none for a platform
// administrator who is no member.
func TestATokenForAnAPINeedsAMemberInGoodStanding(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		grace := s.person("Grace").joins(ada, false).in(ada)
		orders := root.registersAPI("orders", "scopes", orderScopes, "claims", "role", "session_tokens", true)
		apiKey := root.keyOf(orders)
		const query = "resource=https://orders.example.com"

		ada.post(ada.org("/suspend"), because()).is(200)
		for _, who := range []*actor{ada, grace} {
			who.tokenFor(orders).is(403, "organization_suspended") // the organization of their token
			who.post("/auth/api-token", body("resource", orders.str("identifier")), "X-Organization-ID", ada.organization).is(403, "organization_suspended")
			s.forwarded(who.access, query).is(403, "organization_suspended")
			s.isInactive(apiKey, who.access)
		}
		ada.get("/auth/me").is(200)
		ada.post(ada.org("/activate"), nil).is(200)

		// A platform administrator may act in any organization here, and is nobody's member there.
		root.post("/auth/api-token", body("resource", orders.str("identifier")), "X-Organization-ID", ada.organization).is(404, "organization_not_found")
		s.forwarded(root.access, query, "X-Organization-ID", ada.organization).is(403, "organization_not_found")
		if claims := claimsIn(t, root.tokenFor(orders).is(200).str("access_token")); claims["organization_id"] != root.organization || claims["role"] != "owner" {
			t.Errorf("in their own organization: %v", claims)
		}
		// Without an organization, the token has none, nor a role.
		ada.post(ada.org("/members"), body("user_id", root.id)).is(201)
		left := root.in(ada)
		left.delete(ada.org("/members/" + root.id)).is(204)
		made := left.tokenFor(orders).is(200)
		if claims := claimsIn(t, made.str("access_token")); claims["organization_id"] != nil || claims["role"] != nil || claims["scope"] != nil {
			t.Errorf("after they left: %v", claims)
		}
		if claims := claimsIn(t, s.forwarded(made.str("access_token"), query).is(204).header.Get("Guildhall-Identity")); claims["organization_id"] != nil || claims["role"] != nil {
			t.Errorf("the identity says %v", claims)
		}
	})
}

// TestGuessesAtAnAPIStopNobodyElse: 106. An API asks about the keys that its clients send. Their
// guesses must not keep it from asking about others, nor a finder of keys from revoking one.
func TestGuessesAtAnAPIStopNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		orders := root.registersAPI("orders")
		apiKey, real, found := root.keyOf(orders), ada.makesKey().str("key"), ada.makesKey()
		guess := func() string { key, _ := token.NewKey("guildhall"); return key }
		for range 200 {
			s.isInactive(apiKey, guess())
		}
		if a := s.introspects(apiKey, real); a.value("active") != true {
			t.Errorf("after guesses, introspection says %s", a.body)
		}

		// Nobody is told that a key has ended that was not even looked up.
		var refused answer
		for i := 0; i < 100 && refused.status != 429; i++ {
			refused = s.asForm("/oauth/revoke", "", "token", guess())
		}
		refused.is(429, "too_many_requests")
		s.asForm("/oauth/revoke", "", "token", found.str("key")).is(429, "too_many_requests")
		if refused.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		s.later(time.Minute)
		s.asForm("/oauth/revoke", "", "token", found.str("key")).is(200)
		ada.byKey(found).get("/auth/me").is(401, "invalid_token")
	}, func(c *config.Config) { c.RateLimitEnabled = true })
}

// TestChangesOfAnAPIAtOnce: of two changes, neither takes back the other.
func TestChangesOfAnAPIAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		path := "/apis/" + root.registersAPI("orders", "scopes", orderScopes).str("id")
		for i := range 15 {
			seconds := 100 + i
			var changes sync.WaitGroup
			changes.Go(func() { root.patch(path, body("token_seconds", seconds)).is(200) })
			changes.Go(func() { root.patch(path, body("scopes", []any{body("name", fmt.Sprint("s", i))})).is(200) })
			changes.Wait()
			if now := root.get(path).is(200); now.str("token_seconds") != fmt.Sprint(seconds) || fmt.Sprint(now.value("scopes")) != fmt.Sprintf("[map[least_role:member name:s%d]]", i) {
				t.Fatalf("%d: %s", i, now.body)
			}
		}
	})
}

// TestAnAPIIsRemovedWhileKeysAreMade: no key outlives its API.
func TestAnAPIIsRemovedWhileKeysAreMade(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		for i := range 10 {
			api := root.registersAPI(fmt.Sprint("a", i))
			path := "/apis/" + api.str("id")
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					if a := root.post(path+"/keys", body("name", "x")); !slices.Contains([]int{201, 404}, a.status) {
						t.Errorf("%d %s", a.status, a.body)
					}
				})
			}
			all.Go(func() { root.delete(path).is(204) })
			all.Wait()
		}
		if n := s.count("SELECT COUNT(*) FROM sessions s WHERE kind = 'key' AND revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM apis a WHERE a.id = s.user_id)"); n != 0 {
			t.Errorf("%d keys of APIs that are gone", n)
		}
		oneWins(t, 6, 201, 409, func(int) answer {
			return root.post("/apis", body("identifier", "https://one.example.com", "name", "One"))
		})
		s.isSound()
	})
}

// TestARestoreListsTheKeysOfAPIs: these are in no organization.
func TestARestoreListsTheKeysOfAPIs(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, to string) {
		s := start(t, platformtest.SQLiteURL(t))
		root := s.operator("Root")
		apiKey := root.keyOf(root.registersAPI("orders"))
		dir := t.TempDir()
		file := filepath.Join(dir, "keys.db")
		if err := s.kernel.DB.CopyFile(everything, file); err != nil {
			t.Fatal(err)
		}
		out, status := run(t, dir, inProduction(to), "restore", file)
		if status != 0 || !strings.Contains(out, "production") || strings.Contains(out, apiKey) {
			t.Fatalf("%d\n%s", status, out)
		}
		start(t, to).asForm("/oauth/introspect", apiKey, "token", "x").is(200)
	})
}

// TestNobodySetsThePasswordOfAServiceAccount: it would let a person in as a program.
func TestNobodySetsThePasswordOfAServiceAccount(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		address := ada.machine("M") + "@service.invalid"
		if out, status := s.command("five boxing wizards\n", "admin", "set-password", address); status != 1 || !strings.Contains(out, "has no password") {
			t.Errorf("%d %s", status, out)
		}
		s.logIn(address, "five boxing wizards").is(401, "invalid_credentials")
		s.do("POST", "/api/v1/auth/register", "", body("email", address, "password", "five boxing wizards", "name", "M")).is(409, "email_taken")
	})
}

// TestNoKeyIsAnywhere: 107. Whoever has the database, a backup, an export, the log or the traces
// has no API key and no private key.
func TestNoKeyIsAnywhere(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		traces, dir := receive(t), t.TempDir()
		settings := traces.settings(databaseURL, "LOG_LEVEL=debug")
		p := serveProcess(t, dir, settings...)
		run := func(args ...string) string {
			t.Helper()
			out, errs, status := separately(t, "", dir, settings, args...)
			if status != 0 {
				t.Fatalf("%q: %d\n%s%s", args, status, out, errs)
			}
			return out + errs
		}
		send := func(method, path, credential, content, media string) answer {
			t.Helper()
			r, err := http.NewRequest(method, p.base+path, strings.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", media)
			r.Header.Set("Idempotency-Key", uuid.NewString())
			if credential != "" {
				r.Header.Set("Authorization", "Bearer "+credential)
			}
			return p.send(r)
		}
		post := func(path, credential string, b map[string]any) answer {
			t.Helper()
			encoded, _ := json.Marshal(b)
			return send("POST", path, credential, string(encoded), "application/json")
		}
		ask := func(path string, pairs ...string) answer {
			t.Helper()
			values := url.Values{}
			for i := 0; i < len(pairs); i += 2 {
				values.Set(pairs[i], pairs[i+1])
			}
			return send("POST", path, "", values.Encode(), form)
		}
		ada := post("/api/v1/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada")).is(201)
		token, organization := ada.str("access_token"), "/api/v1/organizations/"+ada.str("organization_id")
		run("admin", "grant", "ada@example.com")
		var keys []string
		made := post(organization+"/api-keys", token, body("name", "Of Ada", "scopes", both)).is(201)
		account := post(organization+"/service-accounts", token, body("name", "Export")).is(201).str("id")
		rotated := post(organization+"/api-keys/"+made.str("id")+"/rotate", token, body()).is(201)
		api := post("/api/v1/apis", token, body("identifier", "https://orders.example.com", "name", "Orders")).is(201)
		apiKey := post("/api/v1/apis/"+api.str("id")+"/keys", token, body("name", "production")).is(201).str("key")
		keys = append(keys, made.str("key"), rotated.str("key"), apiKey, post(organization+"/api-keys", token, body("name", "x", "user_id", account)).is(201).str("key"))

		// Each is used everywhere, also where it is refused.
		for _, key := range keys {
			p.do("GET", organization+"/members", key, nil)
			p.do("GET", "/api/v1/users?q="+key, key, nil)
			p.do("GET", "/forward-auth?resource=https://orders.example.com", key, nil)
			p.do("GET", "/forward-auth?token="+key, key, nil)
			p.do("GET", "/nothing/"+key, key, nil)
			post("/api/v1/auth/token", "", body("username", "ada@example.com", "password", key))
			post("/api/v1/auth/token", "", body("username", key, "password", "x"))
			ask("/oauth/token", "grant_type", "client_credentials", "client_id", rotated.str("id"), "client_secret", key)
			ask("/oauth/token", "grant_type", key, "scope", key, key, key)
			ask("/oauth/introspect", "client_id", api.str("id"), "client_secret", apiKey, "token", key)
		}
		run("keys", "rotate", "--now")
		p.do("GET", organization+"/members", keys[1], nil).is(200)
		ask("/oauth/revoke", "token", keys[3]).is(200)

		places := map[string]string{"what keys list prints": run("keys", "list"), "what api list prints": run("api", "list")}
		keep := func(name string, args ...string) {
			t.Helper()
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			places["what "+name+" prints"] = run(append(args, file)...)
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			places[name] = string(content)
		}
		keep("a backup", "backup")
		keep("an export", "export", ada.str("organization_id"), "--with-password-hashes", "--output")
		keep("an export of people", "export", "people", "--with-password-hashes", "-o")
		places["the log"] = p.out.String()
		p.stop()
		traces.mu.Lock()
		places["the traces"] = traces.raw.String()
		traces.mu.Unlock()

		s := asInProduction(t, databaseURL, slog.New(slog.DiscardHandler), false)
		secrets := keys
		for _, row := range s.table("SELECT id, private_key FROM signing_keys WHERE private_key IS NOT NULL") {
			sealer, err := keyring.New([]byte(oneSecret)).Sealer("signing keys")
			if err != nil {
				t.Fatal(err)
			}
			der, err := sealer.Open(row[1], row[0])
			if err != nil {
				t.Fatal(err)
			}
			private, err := x509.ParsePKCS8PrivateKey(der)
			if err != nil {
				t.Fatal(err)
			}
			scalar, err := private.(*ecdsa.PrivateKey).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range [][]byte{der, scalar} {
				secrets = append(secrets, string(b), hex.EncodeToString(b), base64.RawStdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b))
			}
		}
		if len(secrets) != len(keys)+2*8 {
			t.Errorf("%d secrets", len(secrets))
		}
		if file, isFile := strings.CutPrefix(databaseURL, "sqlite://"); isFile {
			for _, suffix := range []string{"", "-wal"} {
				if content, err := os.ReadFile(file + suffix); err == nil && len(content) > 0 {
					places["the database file"+suffix] = string(content)
				}
			}
		} else {
			for _, table := range s.table("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()") {
				for _, row := range s.table("SELECT CAST(t AS text) FROM " + table[0] + " t") {
					places["the database"] += row[0] + "\n"
				}
			}
		}
		for place, content := range places {
			if len(content) < 20 {
				t.Errorf("%s is %q", place, content)
			}
			for i, secret := range secrets {
				if i < len(keys) {
					secret = strings.TrimPrefix(secret, "guildhall_key_")[4:] // the rest of the hint
				}
				if strings.Contains(content, secret) {
					t.Errorf("%s has secret %d", place, i)
				}
			}
			if strings.Contains(content, "PRIVATE KEY") {
				t.Errorf("%s has a PEM", place)
			}
		}
		if len(places) < 11 || !strings.Contains(places["the log"], "/oauth/introspect") || !strings.Contains(places["the traces"], "/oauth/introspect") {
			t.Errorf("%d places", len(places))
		}
	})
}

// TestKeysAreTakenAlong: a copy of the database has its keys. An export of an organization has
// none, and its service accounts.
func TestKeysAreTakenAlong(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		s := start(t, from)
		root, ada := s.operator("Root"), s.person("Ada")
		account := ada.machine("Export")
		own, ofAccount := ada.makesKey(), ada.makesKey("user_id", account)
		orders := root.registersAPI("orders", "scopes", orderScopes)
		apiKey, token := root.keyOf(orders), ada.tokenFor(orders).str("access_token")

		archive := s.export(ada.organization, "--with-password-hashes")
		if out, status := run(t, t.TempDir(), nil, "copy", "--from", from, "--to", to); status != 0 {
			t.Fatalf("%d %s", status, out)
		}
		copied := start(t, to)
		for _, key := range []string{own.str("key"), ofAccount.str("key")} {
			copied.do("GET", "/api/v1"+ada.org("/members"), key, nil).is(200)
			if a := copied.introspects(apiKey, key); a.value("active") != true {
				t.Errorf("%s", a.body)
			}
		}
		if a := copied.introspects(apiKey, token); a.value("active") != true {
			t.Errorf("a token after the copy: %s", a.body)
		}

		elsewhere := start(t, platformtest.SQLiteURL(t))
		operator := elsewhere.operator("Ops")
		elsewhere.commandIs(0, "was imported", "import", archive, "--with-password-hashes")
		if n := elsewhere.count("SELECT COUNT(*) FROM sessions WHERE kind = 'key'"); n != 0 {
			t.Errorf("%d keys were imported", n)
		}
		for _, key := range []string{own.str("key"), ofAccount.str("key"), apiKey} {
			elsewhere.do("GET", "/api/v1/auth/me", key, nil).is(401, "invalid_token")
		}
		there := elsewhere.actorOf(elsewhere.logIn(ada.email, password).is(200))
		if m := there.get(there.org("/members/" + account)).is(200); m.str("kind") != "service" {
			t.Errorf("%s", m.body)
		}
		there.post(there.org("/transfer-ownership"), body("new_owner_user_id", account)).is(409, "service_account")
		elsewhere.logIn(account+"@service.invalid", password).is(401)
		there.byKey(there.makesKey("user_id", account)).get("/auth/me").is(200)
		if list := operator.get("/apis").is(200).list(); len(list) != 0 {
			t.Errorf("%v", list)
		}
		elsewhere.isSound()
	})
}
