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

// link returns the address of a link of the page whose text, hidden names included, begins so.
func (p shown) link(text string) string {
	p.t.Helper()
	m := regexp.MustCompile(`<a [^>]*href="([^"]+)"[^>]*>` + regexp.QuoteMeta(text)).FindStringSubmatch(html.UnescapeString(p.body))
	if m == nil {
		p.t.Fatalf("no link %q in\n%s", text, p.body)
	}
	return m[1]
}

func TestPagesOfOneself(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browserOf(ada)
		sections := []string{"", "/profile", "/password", "/email", "/sessions", "/activity", "/organizations", "/close", "/confirm"}
		page := b.get("/account").says(200, "not confirmed", "Ada's Organization", "/console/o/"+ada.organization)
		for _, section := range sections[:8] {
			page.says(200, `href="/account`+section+`"`)
			if p := b.get("/account"+section).says(200, `aria-current="page"`); p.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %v", section, p.header) // the back button shows nothing after a log-out
			}
		}

		// The profile.
		b.post("/account/profile", "name", "", "bio", "I count.", "avatar_url", "http://example.com/a.png", "locale", "").
			says(422, `aria-invalid="true" aria-describedby="name-error"`, `aria-describedby="avatar_url-error"`, "I count.", `value="http://example.com/a.png"`)
		b.post("/account/profile", "name", "Ada <King>", "bio", "I count.", "avatar_url", "https://example.com/a.png", "locale", "de").leads("/account/profile?done=saved")
		b.get("/account/profile?done=saved").says(200, `lang="de"`, "Ihr Profil ist gespeichert.", `value="Ada <King>"`, "I count.", `value="https://example.com/a.png"`, `<option value="de" selected>`).lacks(`<img src="https:`)
		b.post("/account/profile", "name", "Ada", "bio", "", "avatar_url", "", "locale", "").leads("/account/profile?done=saved")
		if me := ada.get("/auth/me").is(200).object(); me["name"] != "Ada" || me["bio"] != nil || me["avatar_url"] != nil || me["locale"] != nil {
			t.Errorf("%v", me)
		}

		// What happened to the account.
		b.get("/account/activity").says(200, "Ada registered", "Ada logged in", "Ada changed the profile of Ada")
		b.get("/account/activity?action=profile.changed").says(200, "changed the profile").lacks("Ada registered")
		b.get("/account/activity?action=user.suspended").says(200, "No event fits.", `href="/account/activity"`)
		b.get("/account/activity?action=none").says(422)

		// Nobody else sees the pages.
		for _, section := range sections {
			s.browser().get("/account" + section).leads("/account/log-in?next=" + url.QueryEscape("/account"+section))
			s.browser().post("/account" + section).says(map[bool]int{true: 404, false: 303}[section == "" || section == "/sessions" || section == "/activity" || section == "/organizations"])
		}
	}, withPages)
}

func TestPagesOfOneselfWithoutMail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, b := s.person("Ada"), s.browser()
		b.post("/account/log-in", "email", ada.email, "password", password).leads("/account")
		b.get("/account").says(200, "not confirmed").lacks(`href="/account/email"`, "/account/verify/mail", "/console/")
		b.get("/account/password").says(200).lacks("Forgot")
		b.get("/account/log-in").says(200).lacks("Log in with a code")
		b.post("/account/email", "new_email", "x@example.com").says(503)
	}, func(c *config.Config) { c.AccountPages = true })
}

func TestPagesOfThePassword(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b, other := s.browserOf(ada), s.browserOf(ada)
		const chosen = "five boxing wizards"
		b.get("/account/password").says(200, "All your other sessions end")
		b.post("/account/password", "old_password", "a wrong one", "new_password", chosen).
			says(403, "The password is wrong.", `aria-describedby="old_password-error"`).lacks("a wrong one", chosen)
		b.post("/account/password", "old_password", password, "new_password", "short").
			says(422, "at least 8 characters", `aria-describedby="new_password-error"`).lacks(password, "short")
		other.get("/account").says(200)
		b.post("/account/password", "old_password", password, "new_password", chosen).leads("/account/password?done=password")
		b.get("/account/password?done=password").says(200, "Your password is changed")
		other.get("/account").leads("/account/log-in?next=%2Faccount")
		other.post("/account/log-in", "email", ada.email, "password", password).says(401)
		other.post("/account/log-in", "email", ada.email, "password", chosen).leads("/account")
	}, withPages)
}

// TestPagesOfTheEmailAddress changes an address, when the log-in is recent and when not.
func TestPagesOfTheEmailAddress(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		b := s.browserOf(ada)
		b.get("/account/email").says(200, ada.email)
		b.post("/account/email", "new_email", "ada@").says(422, `value="ada@"`, `aria-describedby="new_email-error"`)
		page := b.post("/account/email", "new_email", "ada@new.example.com").says(200, "ada@new.example.com", `action="/account/email/code"`)
		token, code := page.hidden("challenge_token"), s.mail("ada@new.example.com", "change_email").code()
		again := b.post("/account/email/code", "challenge_token", token, "code", wrong(code), "new_email", "ada@new.example.com").
			says(401, "is wrong, was used before or has expired", `aria-describedby="code-error"`, "ada@new.example.com")
		b.post("/account/email/code", "challenge_token", again.hidden("challenge_token"), "code", code).leads("/account/email?done=email")
		b.get("/account/email?done=email").says(200, "Your email address is changed.", "Your address is ada@new.example.com")
		b.get("/account").says(200, "confirmed")

		// Somebody else's address: only its mailbox learns that it has an account.
		page = b.post("/account/email", "new_email", grace.email).says(200, "We have sent a mail to "+grace.email)
		b.post("/account/email/code", "challenge_token", page.hidden("challenge_token"), "code", s.mail(grace.email, "change_email").code()).says(409, "already has an account")

		// After a while, the password is asked for, and the typed address comes back.
		s.later(11 * time.Minute)
		step := b.post("/account/email", "new_email", "a+b@new.example.com")
		step.leads("/account/confirm?next=" + url.QueryEscape("/account/email?new_email=a%2Bb%40new.example.com"))
		next := b.get(step.header.Get("Location")).says(200, "Enter your password").hidden("next")
		b.post("/account/confirm", "next", next, "password", "a wrong one").
			says(403, "The password is wrong.", `aria-describedby="password-error"`, next).lacks("a wrong one")
		b.post("/account/confirm", "next", next, "password", password).leads("/account/email?new_email=a%2Bb%40new.example.com")
		b.get(next).says(200, `value="a+b@new.example.com"`)
		b.post("/account/email", "new_email", "a+b@new.example.com").says(200, "We have sent a mail")
		for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/account/../../evil", "javascript:alert(1)", "", "/api/v1/auth/me"} {
			if hidden := b.get("/account/confirm?next=" + url.QueryEscape(next)).says(200).hidden("next"); hidden != "/account" {
				t.Errorf("%s: %s", next, hidden)
			}
			b.post("/account/confirm", "next", next, "password", password).leads("/account")
		}
	}, withPages)
}

func TestPagesOfSessions(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		ada.post("/auth/logout", body()).is(204)
		b := s.browser()
		b.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
		b.post("/account/log-in", "email", ada.email, "password", password).leads("/account")
		other := s.browser()
		other.headers["User-Agent"] = "curl/8.5.0"
		other.post("/account/log-in", "email", ada.email, "password", password).leads("/account")
		page := b.get("/account/sessions").says(200, "Firefox on Linux", "rv:140.0", "This browser", "curl", "192.0.2.")
		end := page.link("End")
		if strings.Count(page.body, "/end\"") != 1 {
			t.Errorf("%s", page.body)
		}
		s.browserOf(grace).post(end).says(404)
		b.get(end).says(200, "End this session?")
		other.get("/account").says(200)
		b.post(end).leads("/account/sessions?done=ended")
		b.get("/account/sessions?done=ended").says(200, "The session has ended.").lacks("curl")
		other.get("/account").leads("/account/log-in?next=%2Faccount")
		b.post(end).says(404)

		// Everywhere, when the address is typed.
		other = s.browserOf(ada)
		b.get("/account/sessions/everywhere").says(200, ada.email)
		b.post("/account/sessions/everywhere", "typed", "yes").says(422, "Type it exactly", `value="yes"`)
		other.get("/account").says(200)
		kept := b.cookies["guildhall"]
		b.post("/account/sessions/everywhere", "typed", ada.email).leads("/account/log-in?done=everywhere")
		b.get("/account/log-in?done=everywhere").says(200, "You are logged out everywhere.")
		if len(b.cookies) > 0 {
			t.Errorf("%v", b.cookies)
		}
		b.cookies["guildhall"] = kept
		for _, out := range []*browser{b, other} {
			out.get("/account").leads("/account/log-in?next=%2Faccount")
		}
	}, withPages)
}

func TestPagesOfOnesOrganizations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.verifiedPerson("Grace")
		b := s.browserOf(grace)
		invite := func() {
			t.Helper()
			ada.post(ada.org("/invitations"), body("email", grace.email)).is(201)
		}
		invite()
		page := b.get("/account").says(200, "Invitations for you", "Ada's Organization")
		b.get("/account/organizations").says(200, "Invitations for you", "Ada's Organization")
		decline, accept := page.link("Decline"), page.link("Join")
		s.browserOf(s.person("Mary")).get(accept).says(404, "There is no such invitation.")
		b.get(decline).says(200, "Ada invites you to Ada's Organization, as: Member.")
		b.post(decline).leads("/account?done=declined")
		b.get("/account?done=declined").says(200, "You have declined the invitation.").lacks("Invitations for you")
		b.post(accept).says(404)
		invite()
		accept = b.get("/account").link("Join")
		b.get(accept).says(200, "Ada invites you")
		b.post(accept).leads("/account?done=joined")
		b.get("/account?done=joined").says(200, "Welcome", "Ada's Organization").lacks("Invitations for you")

		// Leave: not what one owns, nor where one is suspended.
		leave := func(a *actor) string { return "/account/organizations/" + a.organization + "/leave" }
		b.get("/account/organizations").says(200, "Ada's Organization", "In good standing", "/console/o/"+ada.organization, leave(ada)).lacks(leave(grace))
		ada.post(ada.org("/members/"+grace.id+"/suspend"), body("reason", "Because.")).is(200)
		b.get("/account/organizations").says(200, "You are suspended").lacks(leave(ada))
		b.post(leave(ada), "typed", "Ada's Organization").says(403)
		ada.post(ada.org("/members/"+grace.id+"/activate"), nil).is(200)
		b.post(leave(ada), "typed", "no").says(422, "Type it exactly")
		b.post(leave(grace), "typed", "Grace's Organization").says(409, "transfer the ownership first")
		b.post(leave(ada), "typed", "Ada's Organization").leads("/account/organizations?done=left")
		b.get("/account/organizations?done=left").says(200, "You have left").lacks("Ada's Organization")
		b.get(leave(ada)).says(404)

		// Create one, once however often the form arrives.
		b.post("/account/organizations/new", "name", " ").says(422, `aria-describedby="name-error"`)
		key := b.get("/account/organizations/new").says(200).hidden("key")
		for range 2 {
			b.post("/account/organizations/new", "name", "Compilers", "key", key).leads("/account/organizations?done=created")
		}
		if page := b.get("/account/organizations"); strings.Count(page.body, "<th scope=\"row\"><a href=\"/console/o/") != 2 {
			t.Errorf("%s", page.body)
		}
		grace.post(grace.org("/archive"), body("reason", "Done.")).is(200)
		b.get("/account/organizations").says(200, "Archived", "Grace's Organization")
	}, withPages)
}

func TestPagesCloseAnAccount(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.verifiedPerson("Grace")
		grace.joins(ada, false)
		b := s.browserOf(ada)
		b.post("/account/close", "reason", "Enough.", "typed", ada.email).says(409, "transfer its ownership first", "Enough.")
		b = s.browserOf(grace)
		b.get("/account/close").says(200, grace.email)
		b.post("/account/close", "reason", "Enough.", "typed", "x").says(422, "Type it exactly", "Enough.")
		b.post("/account/close", "reason", "", "typed", grace.email).says(422, `aria-describedby="reason-error"`)
		kept := b.cookies["guildhall"]
		b.post("/account/close", "reason", "Enough.", "typed", strings.ToUpper(grace.email)).leads("/account/log-in?done=closed")
		b.get("/account/log-in?done=closed").says(200, "Your account is closed. An administrator can reopen it.")
		b.post("/account/log-in", "email", grace.email, "password", password).says(403, "archived").lacks(password)
		b.cookies["guildhall"] = kept
		b.get("/account").leads("/account/log-in?next=%2Faccount")
	}, withPages)
}

func TestPagesLogInByMail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browser()
		b.get("/account/log-in?next=/account/sessions").says(200, "/account/log-in/mail?next=")
		next := b.get("/account/log-in/mail?next=/account/sessions").says(200, "without your password").hidden("next")
		b.post("/account/log-in/mail", "next", next, "email", "ada").says(422, `aria-describedby="email-error"`, `value="ada"`)
		unknown := b.post("/account/log-in/mail", "next", next, "email", "nobody@example.com").says(200, "If nobody@example.com has an account")
		b.post("/account/log-in/code", "challenge_token", unknown.hidden("challenge_token"), "email", "nobody@example.com", "code", "12345678").says(401, "is wrong, was used before")
		page := b.post("/account/log-in/mail", "next", next, "email", ada.email).says(200, "If "+ada.email+" has an account", `action="/account/log-in/code"`)
		m := s.mail(ada.email, "log_in_code")
		answer := []string{"challenge_token", page.hidden("challenge_token"), "email", ada.email, "next", page.hidden("next"), "code"}
		b.post("/account/log-in/code", append(answer, wrong(m.code()))...).says(401, `aria-describedby="code-error"`, ada.email)
		b.post("/account/log-in/code", append(answer, m.code())...).leads("/account/sessions")
		b.get("/account").says(200, "confirmed")
		b.post("/account/log-out").leads("/account/log-in")
		b.post("/account/log-in/code", append(answer, m.code())...).says(401)

		// By the link, and not to another site.
		b.post("/account/log-in/mail", "email", ada.email, "next", "//evil.example").says(200)
		b.post("/account/log-in", "link_token", s.mail(ada.email, "log_in_code").link(), "next", "/account").leads("/account")
		page = b.post("/account/log-in/mail", "email", ada.email).says(200)
		b.post("/account/log-in/code", "challenge_token", page.hidden("challenge_token"), "code", s.mail(ada.email, "log_in_code").code(), "next", "//evil.example").leads("/account")
	}, withPages, func(c *config.Config) { c.LogInByEmail = true })
}

func TestPagesLogInByMailCanBeTurnedOff(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		b := s.browser()
		b.get("/account/log-in").says(200).lacks("Log in with a code")
		b.post("/account/log-in/mail", "email", "ada@example.com").says(403, "turned off")
	}, withPages)
}
