package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/httpapi"
)

// goodBodies are valid bodies of every route that reads one. Tests invalidate parts of
// them.
func goodBodies(ada, grace *actor) map[string]map[string]any {
	return map[string]map[string]any{
		"POST /auth/register":                                                    body("email", "new@example.com", "password", password, "name", "New", "organization_name", "New", "locale", "de", "invitation_token", "x", "setup_token", "x"),
		"POST /auth/token":                                                       body("username", ada.email, "password", password, "grant_type", "password", "organization_id", ada.organization, "refresh_token", "x", "challenge_token", "x", "code", "12345678", "link_token", "x", "otp", "123456", "recovery_code", recoveryCode, "credential", body("id", "x"), "authorization_code", "x", "state", "x", "iss", "x", "invitation_token", "x"),
		"POST /auth/challenges":                                                  body("purpose", "reset_password", "method", "email", "email", "new@example.com", "new_email", "new@example.com", "provider", "corp", "redirect_uri", backTo),
		"POST /auth/password-reset":                                              body("challenge_token", "x", "code", "12345678", "link_token", "x", "new_password", "five boxing wizards"),
		"POST /auth/email-confirmation":                                          body("challenge_token", "x", "code", "12345678", "link_token", "x"),
		"POST /auth/step-up":                                                     body("password", password, "challenge_token", "x", "code", "12345678", "link_token", "x", "otp", "123456", "recovery_code", recoveryCode, "credential", body("id", "x")),
		"POST /auth/identities":                                                  body("challenge_token", "x", "authorization_code", "x", "state", "x", "iss", "x"),
		"POST /auth/providers/apple/callback":                                    body("state", "x", "code", "x", "error", "x", "user", "x"),
		"POST /auth/factors/passkeys":                                            body("challenge_token", "x", "credential", body("id", "x"), "name", "My laptop"),
		"POST /auth/factors/totp":                                                body("name", "My phone"),
		"POST /auth/factors/totp/:factor_id/confirm":                             body("otp", "123456"),
		"POST /auth/factor-recovery":                                             body("challenge_token", "x", "code", "12345678", "password", password),
		"PATCH /auth/factors/:factor_id":                                         body("name", "My phone"),
		"PUT /organizations/:organization_id/security":                           body("mfa", "admins", "from", time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)),
		"POST /auth/disavow":                                                     body("link_token", "x"),
		"POST /auth/refresh":                                                     body("refresh_token", ada.refresh, "grant_type", "refresh_token", "organization_id", ada.organization),
		"POST /auth/switch-organization":                                         body("organization_id", ada.organization),
		"POST /auth/logout":                                                      body("all", true),
		"PATCH /users/:user_id/password":                                         body("old_password", password, "new_password", "five boxing wizards"),
		"PATCH /users/:user_id/profile":                                          body("name", "Ada", "bio", "x", "avatar_url", "https://example.com/a.png", "locale", "de"),
		"POST /users/:user_id/activate":                                          body("scope", "organization"),
		"POST /users/:user_id/deactivate":                                        body("scope", "organization"),
		"POST /users/:user_id/suspend":                                           body("reason", "x", "suspended_until", "2099-01-01T00:00:00Z", "scope", "organization"),
		"POST /users/:user_id/archive":                                           because(),
		"POST /users/:user_id/unarchive":                                         because(),
		"POST /organizations":                                                    body("name", "x"),
		"PATCH /organizations/:organization_id":                                  body("name", "x"),
		"POST /organizations/:organization_id/suspend":                           body("reason", "x", "suspended_until", "2099-01-01T00:00:00Z"),
		"POST /organizations/:organization_id/archive":                           because(),
		"POST /organizations/:organization_id/unarchive":                         because(),
		"POST /organizations/:organization_id/members":                           body("user_id", grace.id),
		"POST /organizations/:organization_id/admins":                            body("user_id", grace.id),
		"POST /organizations/:organization_id/members/batch":                     body("user_ids", []string{grace.id}, "emails", []string{"nobody@example.com"}, "skip_existing", false),
		"POST /organizations/:organization_id/members/:user_id/suspend":          body("reason", "x", "suspended_until", "2099-01-01T00:00:00Z"),
		"PATCH /organizations/:organization_id/members/:user_id/suspension":      body("reason", "x", "suspended_until", "2099-01-01T00:00:00Z"),
		"PATCH /organizations/:organization_id/suspension":                       body("reason", "x", "suspended_until", "2099-01-01T00:00:00Z"),
		"PATCH /users/:user_id/suspension":                                       body("reason", "x", "suspended_until", "2099-01-01T00:00:00Z"),
		"POST /users":                                                            body("email", "new@example.com", "name", "x", "password", password, "organization_id", ada.organization, "role", "admin"),
		"POST /organizations/:organization_id/invitations":                       body("email", "new@example.com", "role", "admin", "expires_in_hours", 5, "deliver", false),
		"POST /organizations/:organization_id/invitations/:invitation_id/resend": body("expires_in_hours", 5, "deliver", false),
		"POST /organizations/:organization_id/invitations/batch":                 body("invitations", []any{body("email", "new@example.com", "role", "admin")}, "expires_in_hours", 5, "dry_run", true, "skip_existing", true),
		"POST /organizations/:organization_id/invitation-links":                  body("max_uses", 5, "domains", []string{"example.com"}, "expires_in_hours", 5),
		"POST /organizations/:organization_id/service-accounts":                  body("name", "x", "description", "y"),
		"POST /organizations/:organization_id/api-keys":                          body("name", "x", "scopes", []string{"read"}, "expires_at", time.Now().Add(24*time.Hour).Format(time.RFC3339), "user_id", ada.id),
		"POST /organizations/:organization_id/api-keys/:key_id/rotate":           body("overlap_seconds", 5),
		"POST /apis":                body("identifier", "https://new.example.com", "name", "New", "token_seconds", 300, "claims", "role", "session_tokens", false, "scopes", []any{body("name", "new:read", "least_role", "member")}),
		"PATCH /apis/:api_id":       body("token_seconds", 300, "claims", "role", "session_tokens", false, "scopes", []any{body("name", "new:read", "least_role", "member")}),
		"POST /apis/:api_id/keys":   body("name", "New", "expires_at", "2099-01-01T00:00:00Z"),
		"POST /auth/api-token":      body("resource", "https://new.example.com", "scope", "new:read"),
		"POST /oauth/token":         body("grant_type", "client_credentials", "resource", "https://new.example.com", "scope", "new:read", "client_id", "x", "client_secret", "x"),
		"POST /oauth/introspect":    body("token", "x", "client_id", "x", "client_secret", "x"),
		"POST /oauth/revoke":        body("token", "x", "client_id", "x", "client_secret", "x"),
		"POST /invitations/preview": body("token", "x"),
		"POST /invitations/accept":  body("token", "x"),
		"POST /invitations/decline": body("token", "x"),
		"POST /organizations/:organization_id/transfer-ownership": body("new_owner_user_id", grace.id),
	}
}

// nullable are the members that null clears.
var nullable = map[string]bool{
	"PATCH bio": true, "PATCH avatar_url": true, "PATCH suspended_until": true, "PATCH locale": true,
	"POST organization_name": true, // founds none
	"POST expires_at":        true, // never, if the service allows it
}

// withoutMembers are the routes with a body that has no known member.
var withoutMembers = []string{
	"/organizations/:organization_id/activate",
	"/organizations/:organization_id/members/:user_id/activate",
	"/organizations/:organization_id/members/:user_id/deactivate",
	"/auth/me/invitations/:invitation_id/accept",
	"/auth/me/invitations/:invitation_id/decline",
	"/auth/recovery-codes",
	"/users/:user_id/cancel-erasure",
}

// recoveryCode has the form of one, and is nobody's.
const recoveryCode = "ABCD-EFGH-IJKL-MNOP-QRST-UVWX"

// tables returns the number of rows of each table.
func (s *service) rows() string {
	s.t.Helper()
	var all []string
	for _, table := range []string{
		"organizations", "organization_active_status", "organization_suspensions", "organization_archives", "organization_members",
		"organization_admins", "organization_owners", "users", "user_profile", "user_login_password", "user_active_status",
		"user_suspensions", "user_archives", "sessions", "platform_administrators",
	} {
		all = append(all, fmt.Sprint(table, " ", s.count("SELECT COUNT(*) FROM "+table)))
	}
	return strings.Join(all, ", ")
}

// TestBadBodiesEverywhere invalidates the body of every route in every way, and checks
// the contract's status and code, the location in the problem, and that nothing was
// written.
func TestBadBodiesEverywhere(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.operator("Ada") // may call every route
		ada.enrols()
		grace := s.person("Grace").joins(ada, false)
		good := goodBodies(ada, grace)
		before := s.rows()
		for _, r := range s.app.API().Routes() {
			path := strings.TrimPrefix(r.Path, httpapi.BasePath)
			fields, reads := good[r.Method+" "+path]
			if !reads {
				if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
					continue
				}
				if !slices.Contains(withoutMembers, path) {
					t.Errorf("%s %s is not tried", r.Method, path)
				}
			}
			user := grace.id
			if strings.HasSuffix(path, "/password") || strings.HasSuffix(path, "/profile") {
				user = ada.id
			}
			target := strings.NewReplacer(":organization_id", ada.organization, ":user_id", user, ":invitation_id", user, ":key_id", user, ":factor_id", user, ":identity_id", user, ":api_id", user).Replace(path)
			send := func(text string, headers ...string) answer {
				return s.do(r.Method, endpoint(target), ada.access, text, headers...)
			}
			refused := func(location, text string) {
				t.Helper()
				a := send(text).isInvalid()
				if !strings.Contains(string(a.body), `"location":"`+location+`"`) {
					t.Errorf("%s %s %s: %s is not named: %s", r.Method, path, text, location, a.body)
				}
			}
			for _, malformed := range []string{"{", `{"a":}`, `{"a":1,}`, "nothing", `{"a":1}{}`, `{'a':1}`, "\ufeff{}", "// {}\n{}", `{"a":NaN}`} {
				send(malformed).is(400, "malformed_body")
			}
			for _, other := range []string{"null", "[]", `"text"`, "1", "true", "[{}]"} {
				refused("body", other)
			}
			whole := func(name, value string) string {
				var members []string
				for n, v := range fields {
					encoded, _ := json.Marshal(v)
					text := string(encoded)
					if n == name {
						text = value
					}
					members = append(members, fmt.Sprintf("%q:%s", n, text))
				}
				return "{" + strings.Join(members, ",") + "}"
			}
			plus := func(member string) string {
				return strings.Replace(strings.TrimSuffix(whole("", ""), "}")+","+member+"}", "{,", "{", 1)
			}
			refused("body.unknown", plus(`"unknown":1`))
			for name, value := range fields {
				location := "body." + name
				_, number := value.(int)
				_, object := value.(map[string]any)
				for _, wrong := range []string{"1", "{}", "1.5e300"} {
					if !(number && wrong == "1" || object && wrong == "{}") {
						refused(location, whole(name, wrong))
					}
				}
				if !nullable[r.Method+" "+name] {
					refused(location, whole(name, "null"))
				}
				if reflect.ValueOf(value).Kind() == reflect.Slice { // TestABatchIsValidated tries the items
					refused(location, whole(name, `"x"`))
					refused(location, plus(fmt.Sprintf(`%q:[]`, name)))
					continue
				}
				refused(location, whole(name, "[]"))
				if _, is := value.(bool); is {
					refused(location, whole(name, `"true"`))
					continue
				}
				refused(location, whole(name, "true"))
				refused(location, whole(name, `"x\u0000y"`))
				refused(location, whole(name, `"\ud800"`))
				refused(location, whole(name, `"`+strings.Repeat("x", 8000)+`"`))
				refused(location, plus(fmt.Sprintf(`%q:"x"`, name))) // twice
				refused("body."+strings.ToUpper(name), plus(fmt.Sprintf(`%q:"x"`, strings.ToUpper(name))))
				send(whole(name, "\"\xff\xfe\"")).isInvalid()
			}
			var crowd []string
			for i := range 5000 {
				crowd = append(crowd, fmt.Sprintf(`"u%d":1`, i))
			}
			if a := send(plus(strings.Join(crowd, ","))).isInvalid(); len(a.body) > 2000 {
				t.Errorf("%s %s: the answer has %d bytes", r.Method, path, len(a.body))
			}
			send(whole("", ""), "Content-Type", "text/plain").is(415, "unsupported_media_type")
			send(strings.Repeat(" ", tooLarge(path))).is(413, "body_too_large")
		}
		if after := s.rows(); after != before {
			t.Errorf("something was written:\n%s\n%s", before, after)
		}
	})
}

// tooLarge returns the size of a body that a route refuses.
func tooLarge(path string) int {
	if strings.HasSuffix(path, "/invitations/batch") {
		return 600_000
	}
	return 70_000
}

func TestLimitsOfValues(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		long := func(n int) string { return strings.Repeat("é", n) }
		profile := func(name, value string, want int) {
			t.Helper()
			ada.patch("/users/"+ada.id+"/profile", body(name, value)).is(want)
		}
		profile("name", long(255), 200)
		profile("name", "  "+long(255)+"\t\n", 200)
		profile("name", long(256), 422)
		profile("name", " \u00a0\t", 422)
		profile("name", "", 422)
		profile("bio", long(2000), 200)
		profile("bio", long(2001), 422)
		profile("bio", "", 200)
		profile("avatar_url", "https://example.com/"+strings.Repeat("x", 2028), 200)
		profile("avatar_url", "https://example.com/"+strings.Repeat("x", 2029), 422)
		for _, n := range []int{1, 1000} {
			ada.post("/users/"+grace.id+"/suspend", body("reason", long(n))).is(200)
			ada.post("/users/"+grace.id+"/activate", nil).is(200)
		}
		ada.post("/users/"+grace.id+"/suspend", body("reason", long(1001))).is(422)
		ada.post("/users/"+grace.id+"/suspend", body("reason", "  ")).is(422)
		for _, until := range []string{
			"2020-01-01T00:00:00Z", "tomorrow", "2099-01-01", "2099-13-01T00:00:00Z", "2099-02-30T00:00:00Z", "2099-01-01T25:00:00Z",
			"99999-01-01T00:00:00Z", "2099-01-01T00:00:00", "0000-00-00T00:00:00Z", s.kernel.Now().Add(-time.Second).Format(time.RFC3339), "-1", "1e9",
		} {
			a := ada.post("/users/"+grace.id+"/suspend", body("reason", "x", "suspended_until", until)).is(422, "validation_failed")
			if !strings.Contains(string(a.body), "body.suspended_until") {
				t.Errorf("%s: %s", until, a.body)
			}
		}
		for _, until := range []string{"9999-12-31T23:59:59.999999999Z", "2099-01-01t00:00:00.5+14:00"} {
			ada.post("/users/"+grace.id+"/suspend", body("reason", "x", "suspended_until", until)).is(200)
			grace.get(ada.org("/members")).is(403)
			ada.post("/users/"+grace.id+"/activate", nil).is(200)
		}
		register := func(email string, want int) {
			t.Helper()
			s.do("POST", "/api/v1/auth/register", "", body("email", email, "password", password, "name", "x")).is(want)
		}
		local, domain := strings.Repeat("l", 64), strings.Repeat("d", 63)+"."+strings.Repeat("d", 63)
		register(local+"@"+domain+"."+strings.Repeat("d", 59)+".de", 422) // 255 in all
		register(local+"@"+domain+"."+strings.Repeat("d", 58)+".de", 201) // 254
		register("l"+local+"@example.com", 422)
		for _, bad := range []string{"", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b..c", ".a@b", "a.@b", "ä@example.com", "a@exäm_ple.com", "a@-b", "a@b-", "a\x00@b", "<a@b>", "a@b\r\nc"} {
			register(bad, 422)
		}
	})
}

func TestIdsThatAreNone(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.operator("Ada")
		id := ada.organization
		for _, bad := range []string{
			"x", "1", "0", "-1", "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), id + "0", id[:35], "null", "undefined",
			"%00", "..%2f..", "' OR 1=1", strings.Repeat("a", 36), strings.Replace(id, "-", "+", 1), strings.Repeat("9", 2000),
		} {
			escaped := strings.NewReplacer(" ", "%20").Replace(bad)
			for _, path := range []string{"/organizations/" + escaped, "/organizations/" + escaped + "/members", "/users/" + escaped, ada.org("/permissions/") + escaped} {
				a := ada.get(path)
				if a.status != 422 && a.status != 404 || a.status == 404 && a.code() != "route_not_found" {
					t.Errorf("%s: %d %s", path, a.status, a.body)
				}
			}
			if !strings.ContainsAny(bad, "%") {
				ada.get("/auth/me", "X-Organization-ID", bad).is(422, "validation_failed")
			}
			ada.post("/auth/switch-organization", body("organization_id", bad)).is(422, "validation_failed")
		}
		a := ada.delete("/organizations/x/members/y").is(422, "validation_failed")
		if !strings.Contains(string(a.body), "path.organization_id") || !strings.Contains(string(a.body), "path.user_id") {
			t.Errorf("not both are named: %s", a.body)
		}
		ada.get("/organizations/" + strings.ToUpper(id)).is(200) // RFC 9562 §4: read in either case
		s.do("GET", "/api/v1/organizations/x", "", nil).is(401, "authentication_required")
	})
}

// TestInvalidValuesHaveCodesAndSentences checks what an invalid value is answered with: a
// code and its limits for programs, and a sentence for people, which is the detail if it is
// the only one.
func TestInvalidValuesHaveCodesAndSentences(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		register := func(email, password, name string) answer {
			return s.do("POST", "/api/v1/auth/register", "", body("email", email, "password", password, "name", name))
		}
		for _, c := range []struct {
			a            answer
			code, params string
			message      string
		}{
			{register("grace@example.com", "short", "Grace"), "too_short", `{"min":8}`, "The password must have at least 8 characters."},
			{register("grace@example.com", strings.Repeat("x", 1025), "Grace"), "too_many_bytes", `{"max":1024}`, "The password must have at most 1,024 bytes."},
			{register("grace@example.com", "password1", "Grace"), "common_password", "", "The password must not be a password that is common or known from a data breach: others would guess it."},
			{register("grace", password, "Grace"), "not_an_email_address", "", "The email address must be an email address such as ada@example.com, in ASCII up to the @."},
			{register("grace@example.com", password, " "), "too_short", `{"min":1,"max":255}`, "The name must have 1 to 255 characters."},
			{ada.post("/organizations", body("name", strings.Repeat("x", 256))), "too_long", `{"min":1,"max":255}`, "The name must have 1 to 255 characters."},
			{ada.post("/organizations", body()), "required", "", "The name is required."},
			{ada.post("/organizations", body("name", "x", "colour", "red")), "unknown_field", "", "“colour” is not a known field."},
			{ada.get("/organizations?colour=red"), "unknown_parameter", "", "“colour” is not a known parameter."},
			{ada.get("/organizations?limit=0"), "not_in_range", `{"min":1,"max":1000}`, "The limit must be a whole number from 1 to 1,000."},
			{ada.get("/organizations?limit=1&limit=1"), "repeated", "", "The limit must be given once."},
			{ada.get("/organizations?scope=mine"), "not_in_enum", `{"values":["all"]}`, "The scope must be all."},
			{ada.get("/users/x"), "not_a_uuid", "", "The ID of the user must be a UUID."},
			{ada.get("/users", "X-Organization-ID", "x"), "not_a_uuid", "", "The X-Organization-ID header must be a UUID."},
			{ada.post(ada.org("/suspend"), body("reason", "x", "suspended_until", "2020-01-01T00:00:00Z")), "not_in_the_future", "", "The end of the suspension must be in the future."},
		} {
			var p struct {
				Detail string
				Errors []struct {
					Code, Message string
					Params        json.RawMessage
				}
			}
			if err := json.Unmarshal(c.a.is(422, "validation_failed").body, &p); err != nil || len(p.Errors) != 1 {
				t.Errorf("%s: %s", c.a.request, c.a.body)
				continue
			}
			if e := p.Errors[0]; e.Code != c.code || e.Message != c.message || string(e.Params) != c.params || p.Detail != c.message {
				t.Errorf("%s: %s", c.a.request, c.a.body)
			}
		}
		two := s.do("POST", "/api/v1/auth/register", "", body("email", "grace@example.com"))
		if detail := two.is(422).str("detail"); detail != "The password is required. The name is required." {
			t.Error(detail)
		}
	})
}

// TestRefusalsInGerman checks what depends on the language that a client prefers: the texts,
// and neither codes nor what OAuth clients read.
func TestRefusalsInGerman(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		const de = "de-CH, fr;q=0.5"
		says := func(a answer, language, title, detail string) {
			t.Helper()
			if a.header.Get("Content-Language") != language || !slices.Contains(a.header.Values("Vary"), "Accept-Language") || a.str("title") != title || a.str("detail") != detail {
				t.Errorf("%s: %v %s", a.request, a.header, a.body)
			}
		}
		says(ada.post("/organizations", body("name", ""), "Accept-Language", de), "de", "Ungültige Angaben", "Der Name muss 1 bis 255 Zeichen haben.")
		says(ada.get("/users/"+ada.organization, "Accept-Language", de).is(404, "user_not_found"), "de", "Nicht gefunden", "Diesen Benutzer gibt es nicht.")
		says(ada.get("/users/"+ada.organization).is(404, "user_not_found"), "en", "Not Found", "There is no such user.")
		says(ada.get("/users/"+ada.organization, "Accept-Language", "fr").is(404), "en", "Not Found", "There is no such user.")

		// The challenge and OAuth's members stay in English: they must be ASCII.
		a := s.do("GET", "/api/v1/auth/me", "x", nil, "Accept-Language", de).is(401, "invalid_token")
		if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error_description="The access token is invalid, has expired or has been revoked"`) {
			t.Error(challenge)
		}
		a = s.do("POST", "/api/v1/auth/token", "", "username=x&password=%00", "Content-Type", "application/x-www-form-urlencoded", "Accept-Language", de)
		says(a.is(422), "de", "Ungültige Angaben", "Das Passwort darf kein NUL-Zeichen enthalten.")
		if got := a.str("error_description"); got != "password must not hold a NUL character." {
			t.Error(got)
		}

		// A refusal is not stored for a repeated request: each is in its own language.
		key := []string{"Idempotency-Key", "k"}
		says(ada.post("/organizations", body("name", " "), append(key, "Accept-Language", de)...), "de", "Ungültige Angaben", "Der Name muss 1 bis 255 Zeichen haben.")
		says(ada.post("/organizations", body("name", " "), key...), "en", "Unprocessable Entity", "The name must have 1 to 255 characters.")
	})
}
