package main

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/token"
)

var shownKey = regexp.MustCompile(`value="([a-z0-9]+_key_[0-9A-Za-z]{49})"`)

// key returns the API key that the page shows, once, and to nobody else.
func (p shown) key() string {
	p.t.Helper()
	m := shownKey.FindAllStringSubmatch(p.says(200, "Copy the key now").body, -1)
	if len(m) != 1 {
		p.t.Fatalf("%d keys in\n%s", len(m), p.body)
	}
	if p.header.Get("Cache-Control") != "no-store" || len(p.header.Values("Set-Cookie")) > 0 || p.header.Get("Location") != "" {
		p.t.Errorf("%v", p.header)
	}
	return m[0][1]
}

// escapes checks that the page has this only as text.
func (p shown) escapes(markup ...string) shown {
	p.t.Helper()
	for _, m := range markup {
		if strings.Contains(p.body, m) {
			p.t.Errorf("%q is in\n%s", m, p.body)
		}
	}
	return p
}

// bearer is somebody who presents a key.
func (s *service) bearer(key string) *actor { return &actor{s: s, access: key} }

// TestConsoleKeys makes, uses, rotates and revokes keys through the pages.
func TestConsoleKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b, home := s.browserOf(ada), "/console/o/"+ada.organization
		keys := home + "/keys"
		b.get(keys).says(200, "There are no API keys.", keys+"/new", home+"/service-accounts")
		b.get(keys+"/new").says(200, "What it can do", "Read", "Change", `value="90" selected`, "365 days", "curl -X POST").lacks(`value="never"`, "data-dialog")

		// What is wrong stands at its field, and what was typed stays.
		b.post(keys+"/new", "name", "", "scopes", "manage", "lifetime", "30").says(422, `aria-describedby="name-error"`, `value="manage" checked`, `value="30" selected`)
		b.post(keys+"/new", "name", "CI", "lifetime", "30").says(422, "Choose at least one.", `aria-describedby="scopes-error"`, `value="CI"`)
		b.post(keys+"/new", "name", "CI", "scopes", "everything", "lifetime", "30").says(422, "There is no such scope.", `aria-describedby="further-error"`)

		form := []string{"name", "CI <b>", "scopes", "read", "lifetime", "30", "key", "k1", "from", b.get(keys + "/new").hidden("from")}
		made := b.post(keys+"/new", form...)
		b.get(keys).says(200, "CI <b>", "Never")
		key := made.says(200, "CI <b>", "Ada", "Owner", "What it can do", "Authorization: Bearer guildhall_key_").lacks("everything else").escapes("<b>").key()
		id := regexp.MustCompile(`<code>([0-9a-f-]{36})</code>`).FindStringSubmatch(made.body)[1]
		s.asForm("/oauth/token", id+":"+key, "grant_type", "client_credentials").is(200)
		s.bearer(key).get(ada.org("/members")).is(200)
		s.bearer(key).patch(ada.org(""), body("name", "x")).is(403, "insufficient_scope")
		k := ada.get(ada.org("/api-keys")).is(200).list()[0]
		if end := timeOf(t, k["expires_at"].(string)).Sub(timeOf(t, k["created_at"].(string))); end > 30*24*time.Hour || end < 30*24*time.Hour-time.Minute {
			t.Errorf("it lives for %v", end)
		}

		// A reload sends the form again: the answer has no key, and no second one is made.
		s.later(2 * time.Second)
		b.post(keys+"/new", form...).says(200, "This key was shown once").lacks(key)
		page := b.get(keys).says(200, "CI <b>", key[:len("guildhall_key_")+4]+"…", "Read", "Ada,").lacks(key).escapes("<b>")
		if n := strings.Count(page.body, "/rotate"); n != 1 {
			t.Errorf("%d keys are listed", n)
		}

		// The former key goes on for as long as was chosen.
		at := regexp.MustCompile(home + `/key/[^"/]+`).FindString(page.body)
		b.get(at+"/rotate").says(200, "Rotate CI <b>?", "One more day", "curl -X POST")
		rotated := b.post(at+"/rotate", "overlap", "3600", "key", "k2")
		next := rotated.says(200).key()
		if next == key {
			t.Error("the same key")
		}
		b.post(at+"/rotate", "overlap", "3600", "key", "k2").says(200, "This key was shown once").lacks(next)
		b.post(at+"/rotate", "overlap", "3600").says(409, "already rotated")
		b.get(keys).says(200, "Rotated").lacks(key, next)
		s.bearer(next).get(ada.org("/members")).is(200)
		s.bearer(key).get(ada.org("/members")).is(200)
		s.later(2 * time.Hour)
		s.bearer(key).get(ada.org("/members")).is(401)

		// To revoke it, its name is typed, and a GET changes nothing.
		at = regexp.MustCompile(home + `/key/[^"/]+`).FindString(b.get(keys).body)
		b.get(at+"/revoke").says(200, "Revoke CI <b>?", "Type CI <b> to confirm", "curl -X DELETE").escapes("<b>")
		b.post(at+"/revoke", "typed", "CI").says(422, "Type it exactly: CI <b>")
		s.bearer(next).get(ada.org("/members")).is(200)
		b.post(at+"/revoke", "typed", "ci <b>").leads(keys + "?done=key_revoked")
		b.get(keys+"?done=key_revoked").says(200, "The key was revoked.", "There are no API keys.")
		s.bearer(next).get(ada.org("/members")).is(401)
		for _, path := range []string{"/revoke", "/rotate"} {
			b.get(at+path).says(404, "There is no such API key.")
			b.post(at+path, "typed", "CI <b>", "overlap", "0").says(404, "There is no such API key.")
		}

		// Nothing that is kept has a key.
		for _, secret := range []string{key, next} {
			for _, table := range []string{"sessions", "idempotency_keys", "audit_events"} {
				for _, row := range s.table("SELECT * FROM " + table) {
					if strings.Contains(strings.Join(row, " "), secret) {
						t.Errorf("%s has a key: %s", table, row)
					}
				}
			}
			if strings.Contains(s.log.String(), secret) {
				t.Error("the log has a key")
			}
		}
	}, withoutMail)
}

// TestConsoleServiceAccounts creates one, and makes a key for it.
func TestConsoleServiceAccounts(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b, home := s.browserOf(ada), "/console/o/"+ada.organization
		accounts := home + "/service-accounts"
		b.get(accounts).says(200, "There are no service accounts.", accounts+"/new")
		b.post(accounts+"/new", "name", "", "description", "Copies <i>").says(422, `aria-describedby="name-error"`, "Copies <i>").escapes("<i>")
		b.post(accounts+"/new", "name", "Export <b>", "description", "Copies <i>", "key", "a").leads(accounts + "?done=account_created")
		b.post(accounts+"/new", "name", "Export <b>", "description", "Copies <i>", "key", "a").leads(accounts + "?done=account_created")
		page := b.get(accounts+"?done=account_created").says(200, "The account was created.", "Export <b>", "Copies <i>", "Member").escapes("<b>", "<i>")
		if list := ada.get(ada.org("/service-accounts")).list(); len(list) != 1 {
			t.Errorf("%v", list)
		}
		member := regexp.MustCompile(home + `/member/[^"/]+`).FindString(page.body)
		b.get(home+"/members").says(200, "Export <b>", "Service account").lacks("service.invalid")
		make := b.get(member).says(200, "Service account", "Make admin", "Suspend", "Remove").lacks("service.invalid", "Make owner").link("Make an API key")

		// A plain member can't change anything, whatever the form says.
		b.get(make).says(200, "Make an API key for Export <b>").lacks(`value="manage"`)
		b.post(make, "name", "k", "scopes", "manage", "lifetime", "7").says(403, "does not allow this scope", `aria-describedby="scopes-error"`)
		key := b.post(make, "name", "k", "scopes", "read", "lifetime", "7").key()
		if me := s.bearer(key).get("/auth/me").is(200); me.str("name") != "Export <b>" {
			t.Errorf("%s", me.body)
		}
		b.get(home+"/keys").says(200, "Export <b>", "Service account", member, "Ada,")

		b.post(member + "/grant").leads(member + "?done=grant")
		b.get(make).says(200, `value="manage"`)
		b.post(member + "/revoke").leads(member + "?done=revoke")

		// Its name is typed to remove it, and its keys end.
		b.post(member+"/remove", "typed", "export <B>").leads(home + "/members?done=remove")
		s.bearer(key).get("/auth/me").is(401)
		b.get(accounts).says(200, "There are no service accounts.")
		b.get(make).says(404)
		b.post(make, "name", "k", "scopes", "read", "lifetime", "7").says(404)
	}, withoutMail)
}

// TestConsoleKeysAreDefended tries what members, other admins, strangers and other sites would.
func TestConsoleKeysAreDefended(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve, root := s.person("Ada"), s.person("Eve"), s.operator("Root")
		admin, member := s.person("Admin").joins(ada, true), s.person("Member").joins(ada, false)
		plain, strong := ada.machine("plain"), ada.machine("strong")
		ada.post(ada.org("/admins"), body("user_id", strong)).is(201)
		home := "/console/o/" + ada.organization
		ids := map[string]string{}
		for name, who := range map[string]*actor{"ada": ada, "admin": admin.of(ada), "member": member.of(ada)} {
			ids[name] = who.makesKey("name", name).str("id")
		}
		ids["plain"], ids["strong"] = ada.makesKey("name", "plain-key", "user_id", plain).str("id"), ada.makesKey("name", "strong-key", "user_id", strong).str("id")
		live := s.count("SELECT COUNT(*) FROM sessions WHERE kind = 'key' AND revoked_at IS NULL")
		at := func(key string) string { return home + "/key/" + ids[key] }

		// A member sees and changes their own only, and no service accounts.
		b := s.browserOf(member)
		b.get(home+"/keys").says(200, "member", at("member")+"/rotate", at("member")+"/revoke").lacks(ids["ada"], ids["admin"], ids["plain"], "Service accounts")
		b.get(home + "/keys/new").says(200).lacks(`value="manage"`)
		b.post(home+"/keys/new", "name", "x", "scopes", "manage", "lifetime", "7").says(403, "does not allow this scope")
		for _, other := range []string{"ada", "admin", "plain", "strong"} {
			for _, path := range []string{"/rotate", "/revoke"} {
				b.get(at(other)+path).says(404, "There is no such API key.").lacks(other + "-key")
				b.post(at(other)+path, "typed", other, "overlap", "0").says(404, "There is no such API key.")
			}
		}
		b.get(home + "/service-accounts").says(403)
		b.get(home + "/service-accounts/new").says(200) // a form has no secret; what it sends is refused
		b.post(home+"/service-accounts/new", "name", "Mine").says(403)
		b.post(home+"/service-account/"+plain+"/key", "name", "x", "scopes", "read", "lifetime", "7").says(403)
		b.post(home+"/service-account/"+ada.id+"/key", "name", "x", "scopes", "read", "lifetime", "7").says(403)

		// An admin is offered what those below have.
		b = s.browserOf(admin)
		b.get(home+"/keys").says(200, at("admin")+"/rotate", at("plain")+"/rotate", at("member")+"/revoke", "strong-key").
			lacks(at("ada")+"/", at("strong")+"/", at("member")+"/rotate")
		b.get(home+"/service-accounts").says(200, plain+"/key").lacks(strong + "/key")
		b.post(at("ada")+"/revoke", "typed", "ada").says(403)
		b.post(at("ada")+"/rotate", "overlap", "0").says(403)
		b.post(at("member")+"/rotate", "overlap", "0").says(403)
		b.post(at("strong")+"/revoke", "typed", "strong-key").says(403)
		b.post(at("strong")+"/rotate", "overlap", "0").says(403)
		b.post(home+"/service-account/"+strong+"/key", "name", "x", "scopes", "read", "lifetime", "7").says(403)
		b.post(home+"/service-account/"+member.id+"/key", "name", "x", "scopes", "read", "lifetime", "7").says(403)
		b.post(home+"/service-account/"+eve.id+"/key", "name", "x", "scopes", "read", "lifetime", "7").says(404)

		// Another organization's owner learns nothing, by its path or by their own.
		b = s.browserOf(eve)
		for _, path := range []string{"/keys", "/keys/new", "/service-accounts", "/service-accounts/new", "/key/" + ids["member"] + "/rotate", "/key/" + ids["member"] + "/revoke", "/service-account/" + plain + "/key"} {
			b.get(home + path).says(404)
			if !strings.HasSuffix(path, "s") {
				b.post(home+path, "name", "x", "scopes", "read", "lifetime", "7", "typed", "member", "overlap", "0").says(404)
			}
		}
		mine := "/console/o/" + eve.organization
		known := b.get(mine + "/key/" + ids["member"] + "/revoke").says(404)
		unknown := b.get(mine + "/key/" + nowhere + "/revoke").says(404)
		if strings.ReplaceAll(known.body, ids["member"], "") != strings.ReplaceAll(unknown.body, nowhere, "") {
			t.Errorf("%s\n%s", known.body, unknown.body)
		}
		b.post(mine+"/key/"+ids["plain"]+"/rotate", "overlap", "0").says(404)

		// A platform administrator who is no member has no key of their own there.
		b = s.browserOf(root)
		b.get(home+"/keys").says(200, at("ada")+"/revoke", at("strong")+"/rotate").lacks("/keys/new", at("ada")+"/rotate")
		b.post(home+"/keys/new", "name", "x", "scopes", "read", "lifetime", "7").says(404)

		// No other site makes a key.
		b = s.browserOf(ada)
		for _, site := range []string{"cross-site", "same-site"} {
			b.headers["Sec-Fetch-Site"] = site
			b.post(home+"/keys/new", "name", "x", "scopes", "read", "lifetime", "7").says(403)
			b.post(at("ada")+"/rotate", "overlap", "0").says(403)
		}
		b.headers["Sec-Fetch-Site"] = "same-origin"
		if n := s.count("SELECT COUNT(*) FROM sessions WHERE kind = 'key' AND revoked_at IS NULL"); n != live {
			t.Errorf("%d live keys, want %d", n, live)
		}
		s.browser().get(home + "/keys").leads("/account/log-in?next=" + url.QueryEscape(home+"/keys"))
		s.browser().post(home+"/keys/new", "name", "x").leads("/account/log-in")

		// Nobody makes a key in an organization that is suspended.
		ada.post(ada.org("/suspend"), because()).is(200)
		s.browserOf(member).post(home+"/keys/new", "name", "x", "scopes", "read", "lifetime", "7").says(403)
	}, withoutMail)
}

// TestPagesOfOnesKeys: the account has a person's keys in all of their organizations.
func TestPagesOfOnesKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		grace.joins(ada, false)
		b := s.browserOf(grace)
		b.get("/account/keys").says(200, "You have no API keys.")
		b.get("/account/keys/new").says(200, "Ada's Organization", "Grace's Organization", `value="manage"`)
		make := func(organization, scope string) shown {
			return b.post("/account/keys/new", "name", "CI", "organization", organization, "scopes", scope, "lifetime", "30")
		}
		own, there := make(grace.organization, "manage").key(), make(ada.organization, "read").key()
		s.bearer(own).patch(grace.org(""), body("name", "Compilers")).is(200)
		s.bearer(there).get(ada.org("/members")).is(200)
		make(ada.organization, "manage").says(403, "does not allow this scope", `aria-describedby="scopes-error"`, ada.organization+`" selected`)
		make(s.person("Eve").organization, "read").says(404)
		make("../../users", "read").says(422)
		ada.makesKey("name", "Ada's secret key")

		at := regexp.MustCompile(`/account/keys/` + ada.organization + `/[^"/]+`).FindString(b.get("/account/keys").says(200, "Compilers", "Ada's Organization").lacks("Ada's secret key", own, there).body)
		next := b.post(at+"/rotate", "overlap", "0").key()
		s.bearer(there).get(ada.org("/members")).is(401)
		at = regexp.MustCompile(`/account/keys/` + ada.organization + `/[^"/]+`).FindString(b.get("/account/keys").body)
		b.post(at+"/revoke", "typed", "no").says(422)
		b.post(at+"/revoke", "typed", "CI").leads("/account/keys?done=key_revoked")
		b.get("/account/keys?done=key_revoked").says(200, "The key was revoked.").lacks("Ada's Organization</a></td>")
		s.bearer(next).get(ada.org("/members")).is(401)

		// Where one may not act, nothing is offered, and the keys still show.
		make(ada.organization, "read").key()
		foreign := ada.get(ada.org("/api-keys")).list()[0]["id"].(string)
		b.get("/account/keys/" + ada.organization + "/" + foreign + "/revoke").says(404)
		b.post("/account/keys/"+ada.organization+"/"+foreign+"/rotate", "overlap", "0").says(404)
		ada.post(ada.org("/members/"+grace.id+"/suspend"), because()).is(200)
		b.get("/account/keys").says(200, "Ada's Organization").lacks("/account/keys/" + ada.organization)
		b.get("/account/keys/new").says(200).lacks("Ada's Organization</option>")
		make(ada.organization, "read").says(403)
	}, withPages)
}

// TestPagesOfKeysWithoutTheConsole: people make keys also where the console is off, and those
// in no organization learn why not.
func TestPagesOfKeysWithoutTheConsole(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browser()
		b.post("/account/log-in", "email", ada.email, "password", password).leads("/account")
		b.post("/account/keys/new", "name", "CI", "organization", ada.organization, "scopes", "read", "lifetime", "never").key()
		b.get("/account/keys").says(200, "CI", "Ada's Organization", "Never").lacks("/console")
		if end := ada.get("/auth/me/api-keys").list()[0]["expires_at"]; end != nil {
			t.Errorf("%v", end)
		}
		ada.post(ada.org("/archive"), because()).is(200)
		b.get("/account/keys/new").says(403, "you are in none")
		b.get("/account/keys").says(200, "Archived organization").lacks("/rotate", "/revoke")
	}, withPages, func(c *config.Config) { c.Console, c.APIKeyLongest = false, 0 })
}

// TestKeysLiveNoLongerThanTheSetting: the form offers nothing that the API refuses.
func TestKeysLiveNoLongerThanTheSetting(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b, keys := s.browserOf(ada), "/console/o/"+ada.organization+"/keys"
		b.get(keys+"/new").says(200, `value="7"`, `value="10" selected`).lacks(`value="30"`, "Never")
		b.post(keys+"/new", "name", "x", "scopes", "read", "lifetime", "10").key()
		b.post(keys+"/new", "name", "x", "scopes", "read", "lifetime", "30").key() // not offered: the API's own
		b.post(keys+"/new", "name", "x", "scopes", "read", "lifetime", "never").says(422, `aria-describedby="lifetime-error"`)
		for _, k := range ada.get(ada.org("/api-keys")).list() {
			if timeOf(t, k["expires_at"].(string)).Sub(timeOf(t, k["created_at"].(string))) > 10*24*time.Hour {
				t.Errorf("%v", k)
			}
		}
	}, withoutMail, func(c *config.Config) { c.APIKeyLongest = 10 * 24 * time.Hour })
}

// TestConsoleSigningKeys: platform administrators see which key signs, and when that changes.
func TestConsoleSigningKeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		b := s.browserOf(root)
		first := s.keys()[0]
		b.get("/console/signing-keys").says(200, first.ID, "ES256", "Signs", "not known yet", "Next rotation", "guildhall keys rotate --now").
			lacks("Only by command")
		if _, err := s.kernel.Keyset.Rotate(everything, token.RS256, true); err != nil {
			t.Fatal(err)
		}
		page := html.UnescapeString(b.get("/console/signing-keys").says(200, "RS256", "Revoked").body)
		if strings.Index(page, "RS256") > strings.Index(page, first.ID) {
			t.Error("the newest is not the first")
		}
	}, withoutMail, algorithm(token.ES256), func(c *config.Config) { c.SigningKeyRotation = 90 * 24 * time.Hour })
}

// TestConsoleAPIs registers an API, changes it, makes and revokes its key, and removes it.
func TestConsoleAPIs(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		b := s.browserOf(root)
		b.get("/console/apis").says(200, "No API is registered.", "/console/apis/new")
		b.get("/console/apis/new").says(200, "curl -X POST", `value="300"`)
		form := []string{"name", "Orders <b>", "identifier", "https://orders.example.com", "scopes", " orders:read \r\n\r\norders:write admin\r\n", "token_seconds", "600", "claims", "true"}
		with := func(changed ...string) []string { return append(append([]string{}, form...), changed...) }
		b.post("/console/apis/new", with("name", "", "identifier", "orders", "token_seconds", "1")...).
			says(422, `aria-describedby="name-error"`, `aria-describedby="identifier-error"`, `aria-describedby="token_seconds-error"`, "orders:write admin", `value="true" checked`)
		b.post("/console/apis/new", with("scopes", "read\norders:write king")...).says(422, `aria-describedby="scopes-error"`, "orders:write king")
		made := b.post("/console/apis/new", with("key", "one")...)
		home, _, _ := strings.Cut(made.header.Get("Location"), "?")
		made.leads(home + "?done=api_registered")
		b.post("/console/apis/new", with("key", "one")...).leads(home + "?done=api_registered")
		b.post("/console/apis/new", form...).says(409, "Another API has this identifier.", `aria-describedby="identifier-error"`)
		b.get(home+"?done=api_registered").says(200, "The API is registered.", "Orders <b>", "https://orders.example.com", "600 s", "and their role", "its own tokens only", "orders:read", "orders:write", "Admin", "There are no API keys.").escapes("<b>")
		b.get("/console/apis").says(200, "Orders <b>", "orders:write", home).escapes("<b>")

		// Its key is shown once, and can ask about its tokens alone.
		api := root.get("/apis/" + home[len("/console/apis/"):]).is(200)
		keyForm := []string{"name", "production <i>", "lifetime", "30", "key", "two", "from", b.get(home+"/keys/new").says(200, "Make an API key for Orders <b>").lacks("What it can do").hidden("from")}
		key := b.post(home+"/keys/new", keyForm...).says(200, "With it, the API asks").lacks("orders:read").escapes("<b>", "<i>").key()
		b.post(home+"/keys/new", keyForm...).says(200, "This key was shown once").lacks(key)
		token := ada.tokenFor(api).is(200).str("access_token")
		if a := s.introspects(key, token); a.value("active") != true {
			t.Errorf("%s", a.body)
		}
		s.bearer(key).get(ada.org("/members")).is(403, "key_not_allowed")
		b.get(home).says(200, "production <i>", "/revoke").lacks(key, "/rotate").escapes("<i>")

		// Members give their keys its scopes, as far as their role allows.
		keys := "/console/o/" + ada.organization + "/keys"
		a := s.browserOf(ada)
		a.post(keys+"/new", "name", "shop", "further", "orders:none", "lifetime", "7").says(422, `aria-describedby="further-error"`, `value="orders:none"`)
		a.post(keys+"/new", "name", "shop", "further", " orders:write  orders:read", "lifetime", "7").says(200, "orders:write").key()
		a.get(keys).says(200, "orders:read")

		// It is changed, in what it does not name elsewhere.
		b.get(home+"/change").says(200, "orders:read\norders:write admin", `value="600"`).lacks(`name="identifier"`)
		b.post(home+"/change", "scopes", "orders:read", "token_seconds", "x").says(422, `aria-describedby="token_seconds-error"`)
		b.post(home+"/change", "scopes", "orders:read owner", "token_seconds", "300", "session_tokens", "true").leads(home + "?done=api_changed")
		b.get(home+"?done=api_changed").says(200, "The API was changed.", "300 s", "also the tokens of log-ins", "Owner").lacks("orders:write", "and their role")

		at := regexp.MustCompile(home + `/key/[^"/]+/revoke`).FindString(b.get(home).body)
		b.post(at, "typed", "no").says(422)
		b.post(at, "typed", "production <i>").leads(home + "?done=key_revoked")
		b.get(at).says(404, "There is no such API key.")
		s.asForm("/oauth/introspect", key, "token", token).is(401)

		b.get(home+"/remove").says(200, "Remove Orders <b>?")
		b.post(home+"/remove").says(422, "Type it exactly: Orders <b>")
		b.post(home+"/remove", "typed", "orders <b>").leads("/console/apis?done=api_removed")
		b.get("/console/apis?done=api_removed").says(200, "The API was removed.", "No API is registered.")
		for _, path := range []string{"", "/change", "/remove", "/keys/new"} {
			b.get(home+path).says(404, "There is no such API.")
		}
		b.get("/console/trail").says(200, "Root registered the API Orders <b>", "Root changed the registered API", "Root removed the registered API").escapes("<b>")

		// Nobody else.
		for _, path := range []string{"/console/apis", "/console/apis/new", home, home + "/keys/new", "/console/signing-keys"} {
			a.get(path).says(403, "Only a platform administrator may do this.")
		}
		a.post("/console/apis/new", form...).says(403)
	}, withoutMail)
}
