package main

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"guildhall/platform/config"
)

// asked returns a browser in which the person has given the password, and the page that asks
// for the second factor.
func (s *service) asked(p *actor, next string) (*browser, shown) {
	s.t.Helper()
	b := s.browser()
	return b, b.post("/account/log-in", "email", p.email, "password", password, "next", next).says(200, "One more proof is needed")
}

// answers sends the form of the page that asks for a second factor, with these values.
func (b *browser) answers(path string, page shown, values ...string) shown {
	b.s.t.Helper()
	_, main, _ := strings.Cut(page.body, "<main")
	fields := []string{}
	for _, m := range hiddenField.FindAllStringSubmatch(main, -1) {
		fields = append(fields, m[1], html.UnescapeString(m[2]))
	}
	return b.post(path, append(fields, values...)...)
}

// proves confirms in the browser that it is the person.
func (b *browser) proves(p authenticatorApp) {
	b.s.t.Helper()
	b.post("/account/confirm", "next", "/account", "otp", p.next()).leads("/account")
}

// TestPagesOfALogInWithASecondFactor: nobody is logged in before the second factor, whatever
// came before, and what was asked for is kept.
func TestPagesOfALogInWithASecondFactor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		phone, codes := ada.enrols()
		next := "/console/o/" + ada.organization + "/members?role=admin"
		b, page := s.asked(ada, next)
		if len(b.cookies) > 0 || page.header.Get("Location") != "" || page.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v %v", b.cookies, page.header)
		}
		token := page.says(200, "Code from the app", "Use a recovery code instead").lacks(password).hidden("factor_token")
		if strings.Contains(regexp.MustCompile(`(?:href|action)="[^"]*"`).FindString(page.body), token) {
			t.Error("the challenge is in an address")
		}
		b.get("/account").leads("/account/log-in?next=%2Faccount")
		b.get("/account/log-in").says(200) // a reload begins again

		page = b.answers("/account/log-in", page, "otp", "12345").says(422, "the 6 digits from the authenticator app", `aria-describedby="otp-error"`)
		page = b.answers("/account/log-in", page, "otp", "000000").says(401, "The code is wrong, or was used before.", `aria-describedby="otp-error"`).lacks("000000")
		page = b.answers("/account/log-in", page, "use", "recovery_code", "otp", "").says(200, "6 groups of 4", "Use the app instead")
		page = b.answers("/account/log-in", page, "recovery_code", "ABCD").says(422, `aria-describedby="recovery_code-error"`)
		page = b.answers("/account/log-in", page, "use", "otp", "recovery_code", "").says(200, "Code from the app")
		code := phone.next()
		b.answers("/account/log-in", page, "otp", code[:3]+" "+code[3:]).leads(next)
		b.get("/account").says(200, "Ada")

		b, page = s.asked(ada, next)
		page = b.answers("/account/log-in", page, "use", "recovery_code").says(200)
		b.answers("/account/log-in", page, "recovery_code", strings.ToLower(codes[0])).leads(next)
		b, page = s.asked(ada, next)
		page = b.answers("/account/log-in", page, "recovery_code", codes[0]).says(401, "The recovery code is wrong, or was used before.", `aria-describedby="recovery_code-error"`)
		b.answers("/account/log-in", page, "use", "otp").says(200)

		// After five wrong codes, or five minutes, one begins again.
		b, page = s.asked(ada, next)
		for range 4 {
			page = b.answers("/account/log-in", page, "otp", "000000").says(401)
		}
		b.answers("/account/log-in", page, "otp", "000000").says(401, "Log in again.", `name="password"`, `value="`+next+`"`, ada.email)
		b, page = s.asked(ada, next)
		s.later(5*time.Minute + time.Second)
		b.answers("/account/log-in", page, "otp", phone.next()).says(401, "This took too long", `name="password"`)
		if len(b.cookies) > 0 {
			t.Errorf("%v", b.cookies)
		}

		// The same after a code and a link from a mail.
		b = s.browser()
		mailed := b.post("/account/log-in/mail", "email", ada.email, "next", next).says(200).hidden("challenge_token")
		page = b.post("/account/log-in/code", "challenge_token", mailed, "code", s.mail(ada.email, "log_in_code").code(), "email", ada.email, "next", next).says(200, "One more proof is needed")
		page = b.answers("/account/log-in/code", page, "otp", "000000").says(401, "The code is wrong")
		b.answers("/account/log-in/code", page, "otp", phone.next()).leads(next)
		s.browser().post("/account/log-in/mail", "email", ada.email).says(200)
		b = s.browser()
		page = b.post("/account/log-in", "link_token", s.mail(ada.email, "log_in_code").link()).says(200, "One more proof is needed")
		b.answers("/account/log-in", page, "otp", phone.next()).leads("/account")

		// German.
		b = s.browser()
		b.headers["Accept-Language"] = "de"
		page = b.post("/account/log-in", "email", ada.email, "password", password).says(200, "Ein weiterer Nachweis ist nötig")
		b.answers("/account/log-in", page, "otp", "000000").says(401, "Der Code ist falsch")
		b.post("/account/log-in", "factor_token", "forged", "otp", phone.next()).says(401)
	}, withPages, logInByEmail)
}

// TestPagesThatLogInOnTheWay: an invitation and a proof of an address ask for the second factor,
// and then do what they are for.
func TestPagesThatLogInOnTheWay(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.verifiedPerson("Grace")
		phone, _ := grace.enrols()
		ada.post(ada.org("/invitations"), body("email", grace.email)).is(201)
		link := s.mail(grace.email, "invitation").link()
		b := s.browser()
		page := b.post("/account/invitation/accept", "link_token", link, "email", grace.email, "password", password).says(200, "One more proof is needed")
		page = b.answers("/account/invitation/accept", page, "otp", "000000").says(401, "The code is wrong")
		b.answers("/account/invitation/accept", page, "otp", phone.next()).leads("/account?done=joined")
		b.get("/account?done=joined").says(200, "Ada's Organization")

		mary := s.person("Mary")
		tablet, _ := mary.enrols()
		s.browserWith(mary, tablet, "/account").post("/account/verify/mail").says(200)
		b = s.browser()
		page = b.post("/account/verify", "link_token", s.mail(mary.email, "verify_email").link(), "email", mary.email, "password", password).says(200, "One more proof is needed")
		b.answers("/account/verify", page, "otp", tablet.next()).leads("/account?done=verified")

		// Whoever joins an organization that asks for one learns so there.
		ada.enrols()
		ada.put(ada.org("/security"), body("mfa", "everyone")).is(200)
		eve := s.verifiedPerson("Eve")
		ada.post(ada.org("/invitations"), body("email", eve.email)).is(201)
		b = s.browser()
		b.post("/account/invitation/accept", "link_token", s.mail(eve.email, "invitation").link(), "email", eve.email, "password", password).
			says(403, "This needs a second factor.", `href="/account/factors/new?next=%2Faccount"`)
		list := b.get("/account").says(200, "Ada's Organization", "Join")
		accept := list.link("Join")
		b.get(accept).says(200)
		refused := b.post(accept).says(403, "This needs a second factor.")
		next := b.get(refused.link("Set up a second factor")).says(200).hidden("next")
		_, page = b.sets(b.post("/account/factors/new", "name", "Phone", "next", next).says(200))
		b.get(page.link("I have kept them")).says(200, "Ada invites you")
		b.post(accept).leads("/account?done=joined")
		b.get("/console/o/"+ada.organization+"/members").says(200, "Grace")
		ada.post(ada.org("/invitations"), body("email", "new@example.com")).is(201)
		b = s.browser()
		b.post("/account/invitation/accept", "link_token", s.mail("new@example.com", "invitation").link(), "as", "new", "name", "New", "email", "new@example.com", "password", password).leads("/account?done=joined")
		b.get("/account?done=joined").says(200, "Ada's Organization", "Needs a second factor")
	}, withPages)
}

// browserWith returns a browser in which a person with a second factor is logged in.
func (s *service) browserWith(p *actor, app authenticatorApp, next string) *browser {
	s.t.Helper()
	b, page := s.asked(p, next)
	b.answers("/account/log-in", page, "otp", app.next()).leads(next)
	return b
}

var (
	offeredSecret = regexp.MustCompile(`<code class="groups">(.*?)</code>`)
	shownCodes    = regexp.MustCompile(`(?s)<textarea id="codes"[^>]*>\n(.*?)</textarea>`)
)

// sets sets up an app by the page that offers it, and returns the page after the first code.
func (b *browser) sets(page shown) (authenticatorApp, shown) {
	b.s.t.Helper()
	m := offeredSecret.FindStringSubmatch(page.body)
	if m == nil {
		b.s.t.Fatalf("no secret in\n%s", page.body)
	}
	app := authenticatorApp{s: b.s, secret: strings.NewReplacer("<span>", "", "</span>", "").Replace(m[1])}
	to := regexp.MustCompile(`action="(/account/factors/[^"]+/confirm)"`).FindStringSubmatch(page.body)[1]
	app.id = strings.Split(to, "/")[3]
	return app, b.post(to, "otp", app.next(), "next", page.hidden("next"))
}

// TestPagesOfSecondFactors sets up an app, shows its secret and the recovery codes once, renames
// and removes it.
func TestPagesOfSecondFactors(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browserOf(ada)
		b.get("/account").says(200, `href="/account/factors"`)
		b.get("/account/factors").says(200, "You log in with your password alone.", "/account/factors/new")
		b.get("/account/factors/codes").says(200)
		b.post("/account/factors/codes").says(409, "Set one up first.")
		b.get("/account/factors/new").says(200, `value="My phone"`)
		b.post("/account/factors/new", "name", "").says(422, `aria-describedby="name-error"`)
		page := b.post("/account/factors/new", "name", "Phone <b>").says(200, `<svg xmlns="http://www.w3.org/2000/svg"`, "otpauth://totp/", `role="img"`, "data-once").escapes("<b>")
		if strings.Contains(page.body, "style=") || strings.Contains(page.body, "ZgotmplZ") {
			t.Errorf("%s", page.body)
		}
		secret := offeredSecret.FindStringSubmatch(page.body)[1]
		if n := strings.Count(secret, "<span>"); n != 8 {
			t.Errorf("%d groups: %s", n, secret)
		}
		to := regexp.MustCompile(`action="(/account/factors/[^"]+/confirm)"`).FindStringSubmatch(page.body)[1]
		b.get(to).leads("/account/factors")
		b.post(to, "otp", "12345").says(422, "the 6 digits", "The QR code is not shown again").lacks(secret, "<svg")
		b.post(to, "otp", "000000").says(403, "is wrong, or was used before", `aria-describedby="otp-error"`).lacks(secret, "<svg")
		b.get("/account/factors").says(200).lacks("Phone")

		other := s.browserOf(ada)
		phone, page := b.sets(page)
		list := strings.Fields(shownCodes.FindStringSubmatch(page.says(200, "The second factor is set up.", "They are not shown again.", "data-once").body)[1])
		if len(list) != 10 || page.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v %v", list, page.header)
		}
		other.get("/account").leads("/account/log-in?next=%2Faccount")
		b.post(to, "otp", phone.next()).says(404, "There is no such factor.").lacks(list[0]) // sent again
		page = b.get("/account/factors").says(200, "Phone <b>", "10 of them are left.", "Recovery codes").lacks(secret, list[0]).escapes("<b>")

		// A second app gives no codes. New codes end the former ones.
		tablet, page := b.sets(b.post("/account/factors/new", "name", "Tablet").says(200))
		page.leads("/account/factors?done=factor_added")
		b.get("/account/factors?done=factor_added").says(200, "The second factor is set up.", "Tablet")
		fresh := strings.Fields(shownCodes.FindStringSubmatch(b.post("/account/factors/codes").says(200, "do not work any more").body)[1])
		s.completes(s.challenged(ada), "recovery_code", list[1]).is(401, "invalid_challenge")
		s.completes(s.challenged(ada), "recovery_code", fresh[1]).is(200)
		b.get("/account/factors").says(200, "9 of them are left.").lacks(fresh[0])

		at := "/account/factors/" + tablet.id
		b.get(at+"/rename").says(200, "Rename Tablet", `value="Tablet"`)
		b.post(at+"/rename", "name", " ").says(422, `aria-describedby="name-error"`)
		b.post(at+"/rename", "name", "Slate").leads("/account/factors?done=factor_renamed")
		b.get(at+"/remove").says(200, "Remove Slate?").lacks("your recovery codes stop")
		b.post(at + "/remove").leads("/account/factors?done=factor_removed")
		b.get("/account/factors?done=factor_removed").says(200, "The second factor is removed.").lacks("Slate")
		b.get(at+"/rename").says(404, "There is no such second factor.")
		b.post(at + "/remove").says(404)
		b.get("/account/factors/"+phone.id+"/remove").says(200, "your recovery codes stop working")
		eve := s.browserOf(s.person("Eve"))
		eve.post("/account/factors/" + phone.id + "/remove").says(404)
		b.headers["Sec-Fetch-Site"] = "cross-site"
		b.post("/account/factors/" + phone.id + "/remove").says(403)
		b.headers["Sec-Fetch-Site"] = "same-origin"
		b.post("/account/factors/" + phone.id + "/remove").leads("/account/factors?done=factor_removed")
		s.browserOf(ada).get("/account/factors").says(200, "You log in with your password alone.")
		for _, secret := range append(list, phone.secret, tablet.secret) {
			if strings.Contains(s.log.String(), secret) {
				t.Errorf("%s is in the log", secret)
			}
		}
	}, withPages)
}

// TestPagesConfirmByTheSecondFactor: every form whose operation asks for a recent proof leads to
// the page that takes it, and back to what was typed.
func TestPagesConfirmByTheSecondFactor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.verifiedPerson("Ada"), s.person("Grace")
		grace.joins(ada, false)
		b := s.browserOf(ada)
		s.later(time.Hour)
		b.post("/account/factors/new", "name", "My & phone").leads("/account/confirm?next=" + url.QueryEscape("/account/factors/new?name=My+%26+phone"))
		b.get("/account/confirm?next=/account/factors/new").says(200, "Enter your password").lacks("Code from the app")
		b.post("/account/confirm", "next", "/account/factors/new?name=My+%26+phone", "password", password).leads("/account/factors/new?name=My+%26+phone")
		b.get("/account/factors/new?name=My+%26+phone").says(200, `value="My & phone"`)
		b.headers["Sec-Fetch-Site"] = "cross-site"
		b.get("/account/factors/new?name=My+%26+phone").says(200).lacks("My & phone") // nobody else fills in a form
		b.headers["Sec-Fetch-Site"] = "same-origin"
		phone, page := b.sets(b.post("/account/factors/new", "name", "Phone").says(200))
		codes := strings.Fields(shownCodes.FindStringSubmatch(page.says(200).body)[1])
		key := b.post("/account/keys/new", "name", "CI", "organization", ada.organization, "scopes", "read", "lifetime", "7").key()
		at := regexp.MustCompile(`/account/keys/[^"]+/rotate`).FindString(b.get("/account/keys").body)
		home := "/console/o/" + ada.organization
		s.later(time.Hour)
		for path, typed := range map[string][]string{
			"/account/password":                        {"old_password", password, "new_password", "five boxing wizards"},
			"/account/close":                           {"reason", "Done.", "typed", ada.email},
			"/account/factors/" + phone.id + "/rename": {},
			"/account/factors/" + phone.id + "/remove": {},
			"/account/factors/codes":                   {},
			home + "/member/" + grace.id + "/transfer": {"typed", grace.email},
			home + "/settings/archive":                 {"reason", "Done.", "typed", "Ada's Organization"},
			at:                                         {},
			strings.Replace(at, "/account/keys/"+ada.organization, home+"/key", 1): {},
			home + "/security/change": {},
		} {
			b.get(path).says(200)
			b.post(path, typed...).leads("/account/confirm?next=" + url.QueryEscape(path))
		}
		b.post(home+"/keys/new", "name", "x", "scopes", "read", "lifetime", "30", "key", "once").leads("/account/confirm?next=" + url.QueryEscape(home+"/keys/new?lifetime=30&name=x&scopes=read"))
		b.get(home+"/keys/new?lifetime=30&name=x&scopes=read").says(200, `value="x"`, `value="30" selected`, `value="read" checked`)
		b.post("/account/email", "new_email", "ada@new.example.com").leads("/account/confirm?next=" + url.QueryEscape("/account/email?new_email=ada%40new.example.com"))

		to := home + "/member/" + grace.id + "/transfer"
		confirm := "/account/confirm?next=" + url.QueryEscape(to)
		page = b.get(confirm).says(200, "Code from the app", "Use a recovery code instead").lacks(`name="password"`)
		if page.hidden("next") != to {
			t.Errorf("%s", page.body)
		}
		b.post("/account/confirm", "next", to, "otp", "000000").says(403, "is wrong, or was used before", `aria-describedby="otp-error"`, to).lacks(`value="000000"`)
		b.post("/account/confirm", "next", to, "password", password).says(422, `aria-describedby="otp-error"`)
		b.post("/account/confirm", "next", to, "use", "recovery_code").says(200, "Use the app instead", to)
		b.post("/account/confirm", "next", to, "recovery_code", "ABCD-"+codes[0][5:]).says(403, `aria-describedby="recovery_code-error"`)
		b.post("/account/confirm", "next", "https://evil.example", "recovery_code", codes[0]).leads("/account")
		b.post(to, "typed", grace.email).leads(home + "/member/" + grace.id + "?done=transfer")
		b.post("/account/password", "old_password", password, "new_password", "five boxing wizards").leads("/account/password?done=password")
		s.later(time.Hour)
		b.proves(phone)
		b.post("/account/close", "reason", "Done.", "typed", ada.email).leads("/account/log-in?done=closed")
		s.bearer(key).get(ada.org("/members")).is(401)
	}, withPages)
}

// TestConfirmWithoutTheAccountPages: the console's forms can be confirmed where only it is on.
func TestConfirmWithoutTheAccountPages(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, member := s.person("Ada"), s.person("Member")
		member.joins(ada, false)
		phone, _ := ada.enrols()
		b := s.browserWith(ada, phone, "/console")
		s.later(time.Hour)
		path := "/console/o/" + ada.organization + "/settings/archive"
		b.post(path, "reason", "Done.", "typed", "Ada's Organization").leads("/account/confirm?next=" + url.QueryEscape(path))
		b.get("/account/confirm?next="+url.QueryEscape(path)).says(200, "Code from the app").lacks(`href="/account`)
		b.post("/account/confirm", "next", path, "otp", phone.next()).leads(path)
		b.get("/account/factors").says(404)
		ada.post("/auth/step-up", body("otp", phone.next())).is(200)
		ada.put(ada.org("/security"), body("mfa", "everyone")).is(200)
		s.browserOf(member).get("/console/o/"+ada.organization+"/members").says(403, "asks you for a second factor").lacks(`href="/account`)
	}, func(c *config.Config) { c.Console = true }, longTokens)
}

// TestPagesOfLostFactors: a person asks for the removal of what they lost, and keeps it from
// another browser.
func TestPagesOfLostFactors(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		phone, _ := ada.enrols()
		other, page := s.asked(ada, "")
		page.says(200, "/account/lost-factors")
		other.answers("/account/log-in", page, "otp", phone.next()).leads("/account")
		other.get("/account/factors").says(200).lacks("Keep my second factors")

		b := s.browser()
		b.get("/account/lost-factors").says(200, "Lost second factors", "a waiting time")
		b.post("/account/lost-factors", "email", "ada").says(422)
		lost := func() shown {
			page := b.post("/account/lost-factors", "email", ada.email).says(200, "we have sent it a mail", `name="code"`, `name="password"`)
			wrong := b.answers("/account/lost-factors/code", page, "code", "0000 0000", "password", password).says(401)
			return b.answers("/account/lost-factors/code", wrong, "code", s.mail(ada.email, "recover_factors").code(), "password", password)
		}
		for _, page := range []shown{
			lost().says(200, "You can log in without a second factor from").lacks(password),
			other.get("/account/factors").says(200, "Your second factors will be removed", "Keep my second factors"),
		} {
			if !strings.Contains(page.body, "time on: <time ") {
				t.Errorf("no time in\n%s", page.body)
			}
		}
		other.post("/account/factors/keep").leads("/account/factors?done=factors_kept")
		other.get("/account/factors?done=factors_kept").says(200, "Your second factors stay.").lacks("Keep my second factors")
		lost().says(200)
		s.later(24*time.Hour + time.Second)
		b.post("/account/log-in", "email", ada.email, "password", password, "next", "/account/factors").leads("/account/factors")
		b.get("/account/factors").says(200, "You log in with your password alone.").lacks("Keep my second factors")
	}, withPages)
}
