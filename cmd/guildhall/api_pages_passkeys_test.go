package main

import (
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"guildhall/platform/config"
)

// withPasskeyPages serves pages on the domain of newKey.
func withPasskeyPages(c *config.Config) {
	withPages(c)
	withDomain(c)
}

var askedOptions = regexp.MustCompile(`data-passkey="(\w+)" data-options="([^"]*)"`)

// passkey answers what a page asks a browser for, as its script does.
func (p shown) passkey(kind string, k *securityKey) string {
	p.t.Helper()
	m := askedOptions.FindStringSubmatch(p.body)
	if m == nil || m[1] != kind {
		p.t.Fatalf("no question for a passkey (%s) in\n%s", kind, p.body)
	}
	options, _ := json.Marshal(map[string]any{"public_key": json.RawMessage(html.UnescapeString(m[2]))})
	asked, made := answer{body: options}, map[string]any(nil)
	if kind == "create" {
		made = k.creates(asked)
	} else {
		made = k.signs(asked)
	}
	text, _ := json.Marshal(made)
	return string(text)
}

// setsPasskey sets a passkey up by the pages, and returns the page after it.
func (b *browser) setsPasskey(k *securityKey, name, next string) shown {
	b.s.t.Helper()
	const path = "/account/factors/passkeys/new"
	page := b.post(path, "name", name, "next", next).says(200, "Make the passkey", " data-start")
	return b.answers(path, page, "credential", page.passkey("create", k))
}

// TestPagesOfPasskeys sets a passkey up, and logs in with it: alone, and as the second factor.
func TestPagesOfPasskeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		b := s.browserOf(ada)
		b.get("/account/factors").says(200, "You log in with your password alone.", "/account/factors/passkeys/new", "/account/factors/new").lacks("Passkeys can't be used")
		b.get("/account/factors/new?next=%2Fconsole").says(200, `href="/account/factors/passkeys/new?next=%2Fconsole"`)
		b.get("/account/factors/passkeys/new?next=%2Fconsole").says(200, `value="My passkey"`, "<noscript>", `href="/account/factors/new?next=%2Fconsole"`).lacks("data-options")
		k := s.newKey()
		page := b.post("/account/factors/passkeys/new", "name", "Laptop <b>", "next", "").says(200, "Make the passkey", "<noscript>")
		if token := page.hidden("challenge_token"); token == "" || page.header.Get("Cache-Control") != "no-store" || strings.Contains(s.log.String(), token) {
			t.Errorf("%v", page.header)
		}
		b.answers("/account/factors/passkeys/new", page, "credential", "").says(422, "needs JavaScript", `value="Laptop <b>"`)
		b.answers("/account/factors/passkeys/new", page, "credential", "{").says(422)
		b.answers("/account/factors/passkeys/new", page, "credential", `{"id":"x"}`).says(401, "that took too long")
		unnamed := b.answers("/account/factors/passkeys/new", page, "credential", page.passkey("create", k), "name", " ").says(422, `aria-describedby="name-error"`).lacks("data-options")
		page = b.answers("/account/factors/passkeys/new", unnamed, "name", "Laptop <b>").says(200, "The second factor is set up.", "They are not shown again.")
		codes := strings.Fields(shownCodes.FindStringSubmatch(page.body)[1])
		if len(codes) != 10 {
			t.Errorf("%v", codes)
		}
		b.get("/account/factors").says(200, "Laptop <b>", `<span class="fine">Passkey, on one device only</span>`, "10 of them are left.").escapes("<b>")
		b.setsPasskey(s.newKey(), "Phone", "").leads("/account/factors?done=factor_added")

		// Alone. The page asks at once, but not again after a refusal.
		next := "/console/o/" + ada.organization + "/members"
		b = s.browser()
		b.get("/account/log-in?next="+url.QueryEscape(next)).says(200, "Log in with a passkey", `action="/account/log-in/passkey"`, "<noscript>")
		b.get("/account/log-in/passkey").leads("/account/log-in")
		page = b.post("/account/log-in/passkey", "next", next).says(200, "Use a passkey", " data-start")
		if len(b.cookies) > 0 {
			t.Errorf("%v", b.cookies)
		}
		b.answers("/account/log-in/passkey", page, "credential", page.passkey("get", k)).leads(next)
		b.get("/account").says(200, "Ada")
		b = s.browser()
		again := b.answers("/account/log-in/passkey", page, "credential", page.passkey("get", k)).says(401, "The passkey was not accepted", next).lacks("data-start")
		b.answers("/account/log-in/passkey", again, "credential", "").says(422, "needs JavaScript").lacks("data-start")
		b.answers("/account/log-in/passkey", again, "credential", "nothing").says(422).lacks("data-start")
		b.answers("/account/log-in/passkey", again, "credential", again.passkey("get", s.newKey())).says(401, "The passkey was not accepted")
		fresh := b.post("/account/log-in/passkey", "next", "https://evil.example").says(200)
		b.headers["Sec-Fetch-Site"] = "cross-site"
		b.answers("/account/log-in/passkey", fresh, "credential", fresh.passkey("get", k)).says(403)
		b.headers["Sec-Fetch-Site"] = "same-origin"
		b.answers("/account/log-in/passkey", fresh, "credential", fresh.passkey("get", k)).leads("/account")

		// As the second factor.
		b, page = s.asked(ada, next)
		page.says(200, "Use a passkey", "Use a recovery code instead", "<noscript>", "/account/lost-factors").lacks("data-start", "Code from the app")
		page = b.answers("/account/log-in", page, "credential", "").says(422, "needs JavaScript")
		page = b.answers("/account/log-in", page, "credential", page.passkey("get", s.newKey())).says(401, "The passkey was not accepted").lacks("data-start")
		page = b.answers("/account/log-in", page, "use", "recovery_code").says(200, "6 groups of 4", "Use a passkey instead").lacks("data-options")
		page = b.answers("/account/log-in", page, "recovery_code", "ABCD").says(422, `aria-describedby="recovery_code-error"`)
		page = b.answers("/account/log-in", page, "use", "passkey").says(200, " data-start")
		b.answers("/account/log-in", page, "credential", page.passkey("get", k)).leads(next)
		phone, _ := ada.logsInWith(k).enrols()
		_, page = s.asked(ada, next)
		page.says(200, "Use a passkey", "Use the app instead", "Use a recovery code instead")
		b = s.browser()
		page = b.answers("/account/log-in", page, "use", "otp").says(200, "Code from the app", "Use a passkey instead", "Use a recovery code instead")
		b.answers("/account/log-in", page, "otp", phone.next()).leads(next)

		// After a code from a mail, and on the way to accept an invitation.
		grace := s.person("Grace")
		grace.post(grace.org("/invitations"), body("email", ada.email)).is(201)
		link := s.mail(ada.email, "invitation").link()
		b = s.browser()
		page = b.post("/account/invitation/accept", "link_token", link, "email", ada.email, "password", password).says(200, "Use a passkey")
		b.answers("/account/invitation/accept", page, "credential", page.passkey("get", k)).leads("/account?done=joined")
		b = s.browser()
		page = b.post("/account/log-in/mail", "email", ada.email).says(200)
		page = b.answers("/account/log-in/code", page, "code", s.mail(ada.email, "log_in_code").code()).says(200, "Use a passkey")
		b.answers("/account/log-in/code", page, "credential", page.passkey("get", k)).leads("/account")
	}, withPasskeyPages, longTokens, func(c *config.Config) { c.LogInByEmail = true })
}

// logsInWith returns the person, logged in with a passkey alone.
func (a *actor) logsInWith(k *securityKey) *actor {
	a.s.t.Helper()
	return a.s.actorOf(a.s.presents(k, a.s.asksForAnyPasskey()).is(200))
}

// TestPagesConfirmByAPasskey: a form that asks for a recent proof takes a passkey, and asks
// nobody for an app that they do not have.
func TestPagesConfirmByAPasskey(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browserOf(ada)
		s.later(time.Hour)
		k := s.newKey()
		b.post("/account/factors/passkeys/new", "name", "My & laptop").leads("/account/confirm?next=" + url.QueryEscape("/account/factors/passkeys/new?name=My+%26+laptop"))
		b.get("/account/factors/passkeys/new?name=My+%26+laptop").says(200, `value="My & laptop"`)
		b.post("/account/confirm", "next", "/account/factors/passkeys/new", "password", password).leads("/account/factors/passkeys/new")
		b.setsPasskey(k, "Laptop", "/console").says(200, `href="/console"`)
		at := regexp.MustCompile(`/account/factors/[^"]+/remove`).FindString(b.get("/account/factors").body)
		s.later(time.Hour)

		b.post(at).leads("/account/confirm?next=" + url.QueryEscape(at))
		page := b.get("/account/confirm?next="+url.QueryEscape(at)).says(200, "Use a passkey", "Use a recovery code instead", "<noscript>").lacks("Code from the app", "Use the app", "data-options", `name="password"`)
		page = b.answers("/account/confirm", page).says(200, " data-start", at)
		page = b.answers("/account/confirm", page, "credential", "").says(422, "needs JavaScript", at).lacks("data-start")
		spent := page.passkey("get", k)
		page = b.answers("/account/confirm", page, "credential", page.passkey("get", s.newKey())).says(401, "The passkey was not accepted", at).lacks("data-start")
		page = b.answers("/account/confirm", page, "credential", spent).says(401) // another challenge was asked meanwhile
		page = b.answers("/account/confirm", page, "use", "recovery_code").says(200, "6 groups of 4", "Use a passkey instead").lacks("Use the app")
		page = b.answers("/account/confirm", page, "use", "passkey").says(200, " data-start")
		other := s.browser()
		login := other.post("/account/log-in/passkey").says(200)
		other.answers("/account/log-in/passkey", login, "credential", login.passkey("get", k)).leads("/account")
		other.answers("/account/confirm", page, "credential", page.passkey("get", k)).says(401, "The passkey was not accepted") // of another session
		b.answers("/account/confirm", page, "credential", page.passkey("get", k)).leads(at)
		b.get(at).says(200, "Remove Laptop?", "your recovery codes stop working", "until you remove it there")
		b.post(strings.Replace(at, "remove", "rename", 1), "name", "Slate").leads("/account/factors?done=factor_renamed")
		b.get("/account/factors?done=factor_renamed").says(200, "The second factor is renamed.", "Slate")
		b.post(at).leads("/account/factors?done=factor_removed")
		b.get("/account/factors?done=factor_removed").says(200, "The second factor is removed.", "You log in with your password alone.").lacks("Slate")
		login = other.post("/account/log-in/passkey").says(200)
		other.answers("/account/log-in/passkey", login, "credential", login.passkey("get", k)).says(401, "The passkey was not accepted")

		// A passkey of a former domain can't be used: the other ways are offered.
		page = b.setsPasskey(s.newKey(), "Old", "").says(200)
		codes := strings.Fields(shownCodes.FindStringSubmatch(page.body)[1])
		s.exec("UPDATE user_passkeys SET rp_id = 'former.example.com'")
		s.later(time.Hour)
		page = b.post("/account/confirm", "next", at).says(409, "no passkey that can be used here", "6 groups of 4").lacks("Use a passkey")
		b.answers("/account/confirm", page, "recovery_code", codes[0]).leads(at)
		s.exec("DELETE FROM user_recovery_codes")
		b.post("/account/confirm", "next", at).says(409, "None of your second factors can be used here.")
		s.browser().post("/account/log-in", "email", ada.email, "password", password).says(200, "None of your second factors can be used here.", "/account/lost-factors").lacks(`<button class="primary"`)
	}, withPasskeyPages, longTokens)
}

// TestPagesWithoutPasskeys: where these pages may use none, they say so, and ask for the other
// factors.
func TestPagesWithoutPasskeys(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		k := s.newKey()
		k.site.Origin = "https://app.example.com"
		codes := listOf(ada.addsPasskey(k, ada.ask("enrol_passkey").is(201)).is(201).value("recovery_codes"))
		b := s.browser()
		b.get("/account/log-in").says(200).lacks("passkey")
		page := b.post("/account/log-in", "email", ada.email, "password", password).says(200, "6 groups of 4").lacks("Use a passkey")
		b.answers("/account/log-in", page, "recovery_code", codes[0].(string)).leads("/account")
		b.get("/account/factors").says(200, "My laptop", "Passkeys can't be used on these pages").lacks("/account/factors/passkeys/new")
		b.get("/account/factors/new").says(200).lacks("passkeys/new")
		b.get("/account/factors/passkeys/new").says(503, "Passkeys can't be used on these pages")
		b.get("/account/confirm").says(200, "Recovery code").lacks("Use a passkey")
	}, withPasskeyPages, longTokens, func(c *config.Config) {
		c.WebAuthnOrigins = []string{"https://app.example.com", "https://id.example.com:8443"}
	})
}
