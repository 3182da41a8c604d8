package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"guildhall/platform/config"
)

const form = "application/x-www-form-urlencoded"

// logIn logs in with a JSON body.
func (s *service) logIn(email, password string, more ...string) answer {
	s.t.Helper()
	body := map[string]any{"username": email, "password": password}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i]] = more[i+1]
	}
	return s.do("POST", "/api/v1/auth/token", "", body)
}

// claims decodes a token without verifying it.
func claims(t testing.TB, token string) (header, payload map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %s", token)
	}
	for i, into := range []*map[string]any{&header, &payload} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, payload
}

// count runs a query that returns one number.
func (s *service) count(query string, args ...any) (n int) {
	s.t.Helper()
	if err := s.kernel.DB.Row(everything, query, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// exec changes the database directly, without the service.
func (s *service) exec(statement string, args ...any) {
	s.t.Helper()
	err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
		return s.kernel.DB.Conn(ctx).Exec(statement, args...).Error
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestRegistrationGivesAnAccountAnOrganizationAndASession(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		a := s.do("POST", "/api/v1/auth/register", "", map[string]any{
			"email": "  Ada@Example.com ", "password": password, "name": "  Ada ",
		}).is(201)
		if got := a.header.Get("Location"); got != "/api/v1/users/"+a.str("user_id") {
			t.Errorf("Location: %s", got)
		}
		if a.str("token_type") != "bearer" || a.str("expires_in") != "1800" || a.str("email") != "Ada@Example.com" || a.str("name") != "Ada" {
			t.Errorf("token response: %s", a.body)
		}
		ada := s.actorOf(a)
		me := ada.get("/auth/me").is(200)
		if me.str("organization.name") != "Ada's Organization" || me.str("organization.role") != "owner" || me.str("is_active") != "true" {
			t.Errorf("me: %s", me.body)
		}
		ada.get(ada.org("/owner")).is(200)
		for table, want := range map[string]int{
			"users": 1, "user_profile": 1, "user_login_password": 1, "sessions": 1, "organizations": 1,
			"organization_active_status": 1, "organization_members": 1, "organization_owners": 1,
			"user_active_status": 2, // of the account and in the organization
		} {
			if got := s.count("SELECT COUNT(*) FROM " + table); got != want {
				t.Errorf("%d rows in %s, want %d", got, table, want)
			}
		}
		for _, spelling := range []string{"Ada@Example.com", "ada@example.com", " ADA@EXAMPLE.COM "} {
			s.do("POST", "/api/v1/auth/register", "", map[string]any{"email": spelling, "password": password, "name": "Other"}).is(409, "email_taken")
		}
		if s.count("SELECT COUNT(*) FROM organizations") != 1 || s.count("SELECT COUNT(*) FROM user_profile") != 1 {
			t.Error("a refused registration left rows")
		}
	})
}

func TestTheFirstOrganizationsName(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		register := func(email string, more map[string]any) answer {
			body := map[string]any{"email": email, "password": password, "name": "Ada"}
			for k, v := range more {
				body[k] = v
			}
			return s.do("POST", "/api/v1/auth/register", "", body)
		}
		chosen := s.actorOf(register("a@example.com", map[string]any{"organization_name": " Analytical Engines "}).is(201))
		if got := chosen.get("/auth/me").str("organization.name"); got != "Analytical Engines" {
			t.Errorf("chosen: %q", got)
		}
		long := s.actorOf(register("b@example.com", map[string]any{"name": strings.Repeat("é", 255)}).is(201))
		got := long.get("/auth/me").str("organization.name")
		if n := len([]rune(got)); n != 255 || !strings.HasSuffix(got, "'s Organization") {
			t.Errorf("of a long name: %d characters, %q", n, got)
		}
	})
}

func TestRegistrationRefusesPasswordsThatAreGuessedFirst(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for password, wrong := range map[string]bool{
			"password123": true, "PASSWORD123": true, "1234567": true, "ada@example.com": true, "ADA@example.com": true,
			strings.Repeat("x", 1025): true, "пароль пароль": false, "日本語!": true, "日本語日本語日": true, strings.Repeat("e\u0301", 7): true,
		} {
			a := s.do("POST", "/api/v1/auth/register", "", map[string]any{"email": "ada@example.com", "password": password, "name": "Ada"})
			if wrong {
				a.is(422, "validation_failed")
				if !strings.Contains(string(a.body), `"location":"body.password"`) || strings.Contains(string(a.body), password) {
					t.Errorf("%q: %s", password, a.body)
				}
			} else {
				a.is(201)
			}
		}
	})
}

func TestRegistrationCanBeClosed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.do("POST", "/api/v1/auth/register", "", map[string]any{"email": "ada@example.com", "password": password, "name": "Ada"}).
			is(403, "registration_disabled")
		if s.count("SELECT COUNT(*) FROM users") != 0 {
			t.Error("a user was created")
		}
	}, func(c *config.Config) { c.EnableRegistration = false })
}

// TestAnEmailsDomainMayBeInUnicode checks that a domain is stored as A-labels, and that
// both spellings mean the same account.
func TestAnEmailsDomainMayBeInUnicode(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		register := func(email string) answer {
			return s.do("POST", "/api/v1/auth/register", "", body("email", email, "password", password, "name", "Ada"))
		}
		const kept = "Ada@xn--bcher-kva.example"
		ada := s.actorOf(register(" Ada@Bücher.example ").is(201))
		if ada.email != kept || ada.get("/auth/me").str("email") != kept ||
			s.count("SELECT COUNT(*) FROM users WHERE email = ? AND email_canonical = ?", kept, strings.ToLower(kept)) != 1 {
			t.Errorf("stored as %q", ada.email)
		}
		spellings := []string{"ada@bücher.example", "ADA@BÜCHER.EXAMPLE", "ada@bu\u0308cher。ｅｘａｍｐｌｅ", kept, strings.ToUpper(kept)}
		for _, spelling := range spellings {
			register(spelling).is(409, "email_taken")
			if got := s.logIn(spelling, password).is(200).str("user_id"); got != ada.id {
				t.Errorf("%s is %s", spelling, got)
			}
		}
		for _, other := range []string{"ada@bucher.example", "ada@buecher.example", "ada@xn--bücher.example", "ádá@bücher.example", "ada@bücher.example.", "ada@b\u200dücher.example"} {
			s.logIn(other, password).is(401, "invalid_credentials")
		}
		for _, bad := range []string{"ädä@example.com", "ada@xn--a.bücher.example", "ada@bücher.example.", "ada@b\u200dücher.example", "ada@אa.example", "ada@" + strings.Repeat("ü", 60) + ".example"} {
			if a := register(bad).is(422, "validation_failed"); !strings.Contains(string(a.body), `"location":"body.email"`) {
				t.Errorf("%+q: %s", bad, a.body)
			}
		}
		a := s.do("POST", "/api/v1/auth/register", "", body("email", "grace@bücher.example", "password", "Grace@bücher.example", "name", "Grace")).is(422)
		if !strings.Contains(string(a.body), "must not be the email address") {
			t.Errorf("accepted the address as a password: %s", a.body)
		}

		// A label that IDNA rejects stays as it is, because earlier versions accepted it.
		odd := s.actorOf(register("odd@XN--a.r3---x.example").is(201))
		s.logIn("ODD@xn--a.R3---X.example", password).is(200)

		grace := s.person("Grace")
		added := grace.post(grace.org("/members"), body("email", "ada@BÜCHER.example")).is(201)
		grace.post(grace.org("/members"), body("email", "odd@xn--a.r3---x.example")).is(201)
		if added.str("user_id") != ada.id {
			t.Errorf("added %s", added.body)
		}
		archive := s.export(grace.organization, "--with-password-hashes")
		targets(t, func(t *testing.T, there *service) {
			there.commandIs(0, "people 3, members 3", "import", archive, "--with-password-hashes")
			if got := there.logIn("ada@bücher.example", password).is(200).str("user_id"); got != ada.id {
				t.Errorf("Ada is %s", got)
			}
			if got := there.logIn(odd.email, password).is(200).str("user_id"); got != odd.id {
				t.Errorf("Odd is %s", got)
			}
			if broken := invariants(t, there.kernel.DB); len(broken) > 0 {
				t.Error(broken)
			}
		})

		for _, c := range [][]string{{password + "\n", "create", "oz@bücher.example"}, {"", "revoke", "OZ@xn--bcher-kva.example", "--force"}, {"", "grant", "oz@BÜCHER.example"}} {
			if out, status := s.command(c[0], append([]string{"admin"}, c[1:]...)...); status != 0 {
				t.Errorf("admin %v: %s", c[1:], out)
			}
		}
		s.logIn("oz@bücher.example", password).is(200)
	})
}

func TestOneOfManyRegistersAnEmail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		spellings := []string{"ada@example.com", "ADA@example.com", "Ada@Ｅｘａｍｐｌｅ.Com"}
		oneWins(t, 6, 201, 409, func(i int) answer {
			return s.do("POST", "/api/v1/auth/register", "", body("email", spellings[i%3], "password", password, "name", "Ada"))
		})
		if s.count("SELECT COUNT(*) FROM users") != 1 || s.count("SELECT COUNT(*) FROM organizations") != 1 {
			t.Error("refused registrations left rows")
		}
	})
}

func TestLogInByFormAndByJSON(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		asForm := func(values url.Values) answer {
			return s.do("POST", "/api/v1/auth/token", "", values.Encode(), "Content-Type", form)
		}
		good := url.Values{"username": {ada.email}, "password": {password}}
		asForm(good).is(200)
		good.Set("grant_type", "password")
		good.Set("scope", "") // Swagger UI and OAuth libraries send unknown parameters
		good.Set("client_id", "")
		a := asForm(good).is(200)
		if a.str("organization_id") != ada.organization || a.str("user_id") != ada.id || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("token response: %s", a.body)
		}
		good.Set("grant_type", "client_credentials")
		asForm(good).is(422, "unsupported_grant_type")
		s.logIn(ada.email, password, "grant_type", "client_credentials").is(422, "unsupported_grant_type")
		asForm(url.Values{"username": {ada.email, ada.email}, "password": {password}}).is(422, "validation_failed")
		s.do("POST", "/api/v1/auth/token", "", "username=%zz", "Content-Type", form).is(400, "malformed_body")
		s.logIn(strings.ToUpper(ada.email), password).is(200)
		s.logIn(ada.email, password, "grant_type", "password").is(200)
		s.logIn(ada.email, password, "unknown", "x").is(422, "validation_failed")
	})
}

func TestUnknownEmailAndWrongPasswordAnswerAlike(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		var bodies []string
		for _, a := range []answer{
			s.logIn(ada.email, "not the password").is(401, "invalid_credentials"),
			s.logIn("nobody@example.com", "not the password").is(401, "invalid_credentials"),
			s.logIn("no email at all", "not the password").is(401, "invalid_credentials"),
			s.logIn("nobody@example.com", password).is(401, "invalid_credentials"),
		} {
			bodies = append(bodies, strings.ReplaceAll(string(a.body), a.str("request_id"), "ID"))
		}
		for _, body := range bodies {
			if body != bodies[0] {
				t.Errorf("%s\n%s", bodies[0], body)
			}
		}
	})
}

func TestAnAccountsStandingIsToldAfterTheRightPasswordOnly(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, ada := s.operator("Operator"), s.person("Ada")
		for _, c := range []struct{ in, code, out string }{
			{"suspend", "account_suspended", "activate"},
			{"deactivate", "account_inactive", "activate"},
			{"archive", "account_archived", "unarchive"},
		} {
			body := map[string]any{}
			if c.in != "archive" {
				body["scope"] = "account"
			}
			if c.in != "deactivate" {
				body["reason"] = "a secret reason"
			}
			fresh := s.actorOf(s.logIn(ada.email, password).is(200))
			operator.post("/users/"+ada.id+"/"+c.in, body).is(200)
			fresh.get("/auth/me").is(401, "invalid_token")
			s.do("POST", "/api/v1/auth/refresh", "", map[string]any{"refresh_token": fresh.refresh}).is(401)
			s.logIn(ada.email, "not the password").is(401, "invalid_credentials")
			if a := s.logIn(ada.email, password).is(403, c.code); strings.Contains(string(a.body), "secret reason") {
				t.Errorf("the answer reveals the reason: %s", a.body)
			}
			restore := map[string]any{}
			if c.out == "activate" {
				restore["scope"] = "account"
			}
			operator.post("/users/"+ada.id+"/"+c.out, restore).is(200)
			fresh.get("/auth/me").is(401, "invalid_token") // ended sessions stay ended
			s.logIn(ada.email, password).is(200)
		}
	})
}

func TestASuspendedAccountComesBackByItself(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, ada := s.operator("Operator"), s.person("Ada")
		operator.post("/users/"+ada.id+"/suspend", map[string]any{
			"reason": "r", "scope": "account", "suspended_until": s.kernel.Now().Add(time.Hour),
		}).is(200)
		s.logIn(ada.email, password).is(403, "account_suspended")
		s.later(time.Hour + time.Second)
		s.logIn(ada.email, password).is(200)
	})
}

// TestRegistrationWithoutAnOrganization checks that null founds none. The first
// organization that the person joins becomes the active one.
func TestRegistrationWithoutAnOrganization(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		owner := s.person("Owner")
		register := func(name string, b map[string]any, key string) answer {
			b["email"], b["password"], b["name"] = name+"@example.org", password, name
			return s.do("POST", "/api/v1/auth/register", "", b, "Idempotency-Key", key)
		}
		before := s.count("SELECT COUNT(*) FROM organizations")
		a := register("ada", body("organization_name", nil), "one").is(201)
		if organization, present := a.object()["organization_id"]; !present || organization != nil || a.header.Get("Location") != "/api/v1/users/"+a.str("user_id") {
			t.Errorf("registered: %s", a.body)
		}
		if n := s.count("SELECT COUNT(*) FROM organizations"); n != before {
			t.Errorf("%d organizations more", n-before)
		}
		if again := register("ada", body("organization_name", nil), "one").is(201); again.str("user_id") != a.str("user_id") {
			t.Error("a repeated request creates a second account")
		}
		register("ada", body(), "one").is(422, "idempotency_key_reused") // another request
		ada := s.actorOf(a)
		if me := ada.get("/auth/me").is(200); me.object()["organization"] != nil {
			t.Errorf("%s", me.body)
		}
		if list := ada.get("/auth/me/organizations").is(200); list.str("organizations") != "[]" {
			t.Errorf("%s", list.body)
		}
		ada.get("/users").is(403, "organization_required")
		if a := s.refresh(ada.refresh).is(200); a.object()["organization_id"] != nil {
			t.Errorf("%s", a.body)
		}
		if got := s.logIn(ada.email, password).is(200).str("organization_id"); got != "" {
			t.Errorf("logged in to %s", got)
		}
		owner.post(owner.org("/members"), body("user_id", ada.id)).is(201)
		if got := s.logIn(ada.email, password).is(200).str("organization_id"); got != owner.organization {
			t.Errorf("logged in to %s", got)
		}
		// Absent, the organization has the default name; a name is checked as before.
		named := s.actorOf(register("grace", body(), "two").is(201)).get("/auth/me").is(200).str("organization.name")
		if named != "grace's Organization" {
			t.Errorf("named %q", named)
		}
		register("eve", body("organization_name", ""), "three").is(422, "validation_failed")
		register("eve", body("organization_name", 7), "four").is(422, "validation_failed")
	})
}

func TestWhichOrganizationIsActiveAfterLogIn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, charles := s.person("Ada"), s.person("Grace"), s.person("Charles")
		active := func(want string, more ...string) {
			t.Helper()
			if got := s.logIn(grace.email, password, more...).is(200).str("organization_id"); got != want {
				t.Errorf("active is %q, want %q", got, want)
			}
		}
		active(grace.organization)
		grace.joins(ada, false)  // which switches
		active(ada.organization) // the last one used
		active(grace.organization, "organization_id", grace.organization)
		active(grace.organization)

		s.logIn(grace.email, password, "organization_id", charles.organization).is(404, "organization_not_found")
		s.logIn(grace.email, password, "organization_id", "01900000-0000-7000-8000-000000000000").is(404, "organization_not_found")
		s.logIn(grace.email, password, "organization_id", "x").is(422, "validation_failed")

		grace.post(grace.org("/suspend"), map[string]any{"reason": "r"}).is(200)
		active(ada.organization) // the membership in the other one is not in good standing
		s.logIn(grace.email, password, "organization_id", grace.organization).is(403, "organization_suspended")
		ada.post("/users/"+grace.id+"/deactivate", nil).is(200)
		s.logIn(grace.email, password, "organization_id", ada.organization).is(403, "membership_inactive")
		active("") // none is left
		ada.post("/users/"+grace.id+"/suspend", map[string]any{"reason": "r"}).is(200)
		s.logIn(grace.email, password, "organization_id", ada.organization).is(403, "membership_suspended")
		ada.post("/users/"+grace.id+"/activate", nil).is(200)
		active(ada.organization)
	})
}

func TestOldHashesAreVerifiedAndRenewed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		old, err := bcrypt.GenerateFromPassword([]byte("an old password"), 4)
		if err != nil {
			t.Fatal(err)
		}
		hash := func() (h string) {
			t.Helper()
			row := s.kernel.DB.Row(everything, "SELECT password_hash FROM user_login_password WHERE user_id = ?", ada.id)
			if err := row.Scan(&h); err != nil {
				t.Fatal(err)
			}
			return h
		}
		weak := base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte("an old password"), []byte("somesalt"), 1, 64, 1, 32))
		for _, c := range []struct{ hash, password string }{
			{string(old), "an old password"},
			{"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$" + weak, "an old password"},
		} {
			s.exec("UPDATE user_login_password SET password_hash = ? WHERE user_id = ?", c.hash, ada.id)
			s.logIn(ada.email, "another password").is(401, "invalid_credentials")
			if hash() != c.hash {
				t.Error("a wrong password changed the hash")
			}
			s.logIn(ada.email, c.password).is(200)
			renewed := hash()
			if !strings.HasPrefix(renewed, "$argon2id$v=19$m=7168,t=5,p=1$") {
				t.Errorf("rehashed to %s", renewed)
			}
			s.logIn(ada.email, c.password).is(200)
			if hash() != renewed {
				t.Error("a current hash was rehashed")
			}
		}
	}, costly)
}

func TestAccessTokenClaims(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		header, c := claims(t, ada.access)
		if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] == nil {
			t.Errorf("header: %v", header)
		}
		if c["iss"] != "guildhall" || c["aud"] != "guildhall" || c["sub"] != ada.id || c["organization_id"] != ada.organization {
			t.Errorf("claims: %v", c)
		}
		for _, name := range []string{"sid", "jti", "iat", "nbf", "exp"} {
			if c[name] == nil {
				t.Errorf("no %s", name)
			}
		}
		if c["client_id"] != "guildhall" || len(c) != 10 { // and no role, name or email
			t.Errorf("claims: %v", c)
		}
		if c["exp"].(float64)-c["iat"].(float64) != 1800 {
			t.Errorf("valid from %v to %v", c["iat"], c["exp"])
		}
	})
}

func TestAnAccessTokenExpires(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		s.later(29 * time.Minute)
		ada.get("/auth/me").is(200)
		s.later(2 * time.Minute)
		a := ada.get("/auth/me").is(401, "invalid_token")
		if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, `error="invalid_token"`) {
			t.Errorf("WWW-Authenticate: %s", got)
		}
	})
}

func TestHowATokenIsSent(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		ask := func(headers ...string) answer { return s.do("GET", "/api/v1/auth/me", "", nil, headers...) }
		ask("Authorization", "bearer "+ada.access).is(200) // RFC 9110: the scheme has no case
		a := ask().is(401, "authentication_required")
		if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="guildhall"` { // RFC 6750 §3.1: no error code
			t.Errorf("WWW-Authenticate: %s", got)
		}
		ask("Authorization", "Basic "+ada.access).is(401, "authentication_required")
		ask("Authorization", ada.access).is(401, "authentication_required")
		ask("Authorization", "Bearer").is(401, "authentication_required")
		ask("Authorization", "Bearer x.y.z").is(401, "invalid_token")
		ask("Authorization", "Bearer "+ada.refresh).is(401, "invalid_token")
		ask("Authorization", "Bearer "+ada.access+" "+ada.access).is(401, "invalid_token")
		s.do("GET", "/api/v1/auth/me?access_token="+ada.access, "", nil).is(401, "authentication_required")
	})
}

func TestTheOrganizationOfARequest(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, charles := s.person("Ada"), s.person("Charles")
		grace := s.person("Grace")
		inAda := grace.joins(ada, false)
		me := func(headers ...string) answer { return inAda.get("/auth/me", headers...) }
		if got := me().is(200).str("organization.role"); got != "member" {
			t.Errorf("role %s", got)
		}
		if got := me("X-Organization-ID", grace.organization).is(200); got.str("organization.id") != grace.organization || got.str("organization.role") != "owner" {
			t.Errorf("me: %s", got.body)
		}
		me("X-Organization-ID", charles.organization).is(404, "organization_not_found")
		me("X-Organization-ID", "01900000-0000-7000-8000-000000000000").is(404, "organization_not_found")
		me("X-Organization-ID", "x").is(422, "validation_failed")
		me("X-Organization-ID", "").is(422, "validation_failed")
		inAda.get("/users", "X-Organization-ID", grace.organization).is(200)

		ada.delete(ada.org("/members/" + grace.id)).is(204)
		if a := me().is(200); a.object()["organization"] != nil {
			t.Errorf("an organization lost since is still shown: %s", a.body)
		}
		inAda.get("/users").is(404, "organization_not_found")
	})
}
