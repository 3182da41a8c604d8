package main

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/httpapi"
	"guildhall/platform/platformtest"
)

// withPages serves pages, and keeps mails.
func withPages(c *config.Config) {
	c.AccountPages, c.Console = true, true
	c.Mail.Transport = "mailbox"
}

// browser looks at pages, with cookies.
type browser struct {
	s       *service
	cookies map[string]string
	headers map[string]string
}

func (s *service) browser() *browser {
	return &browser{s: s, cookies: map[string]string{}, headers: map[string]string{"Sec-Fetch-Site": "same-origin"}}
}

// shown is a page, or a redirect.
type shown struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

func (b *browser) get(path string) shown { return b.send(http.MethodGet, path, nil) }

func (b *browser) post(path string, fields ...string) shown {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.send(http.MethodPost, path, form)
}

func (b *browser) send(method, path string, form url.Values) shown {
	b.s.t.Helper()
	r := httptest.NewRequest(method, "http://guildhall.test"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.headers {
		r.Header.Set(name, value)
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.s.app.API().ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return shown{b.s.t, w.Code, w.Header(), w.Body.String()}
}

// says checks the status and what the page says.
func (p shown) says(status int, texts ...string) shown {
	p.t.Helper()
	if p.status != status {
		p.t.Fatalf("%d, want %d: %s", p.status, status, p.body)
	}
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(p.body), text) {
			p.t.Errorf("want %q in\n%s", text, p.body)
		}
	}
	return p
}

// leads checks where a form leads.
func (p shown) leads(to string) shown {
	p.t.Helper()
	if p.status != http.StatusSeeOther || p.header.Get("Location") != to {
		p.t.Fatalf("%d to %q, want %q: %s", p.status, p.header.Get("Location"), to, p.body)
	}
	return p
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`)

// hidden returns a hidden field of the page's form. The menu has others.
func (p shown) hidden(name string) string {
	_, main, _ := strings.Cut(p.body, "<main")
	for _, m := range hiddenField.FindAllStringSubmatch(main, -1) {
		if m[1] == name {
			return html.UnescapeString(m[2])
		}
	}
	p.t.Fatalf("no field %s in\n%s", name, p.body)
	return ""
}

// TestPagesDeclareWhatTheyCall writes the pages and the operations that each can call: the
// second table to review for security. A page that calls another fails.
func TestPagesDeclareWhatTheyCall(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t), withPages, withProvider(t, "oidc"))
	var table strings.Builder
	for _, p := range s.app.Pages() {
		table.WriteString(strings.TrimRight(fmt.Sprintf("%-70s %s", p.Pattern, strings.Join(p.Operations, ", ")), " ") + "\n")
		for _, operation := range p.Operations {
			if !slices.Contains(s.app.API().Operations(), operation) {
				t.Errorf("%s: there is no operation %s", p.Pattern, operation)
			}
		}
	}
	golden(t, "pages.txt", table.String())
}

func TestPagesOfAnAccount(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		b := s.browser()
		b.get("/account").leads("/account/log-in?next=%2Faccount")
		page := b.get("/account/log-in").says(200, "Log in", "Forgot your password?", "Register")
		for extension, contentType := range map[string]string{"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"} {
			path := regexp.MustCompile(`/assets/[a-z]+\.[0-9a-f]+\.` + extension).FindString(page.body)
			a := b.get(path).says(200)
			if !strings.HasPrefix(a.header.Get("Content-Type"), contentType) || !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %v", path, a.header)
			}
		}
		b.get("/assets/style.css").says(404)
		b.post("/account/register", "name", "Ada", "email", "ada@", "password", "short").says(422, `value="Ada"`, "The password must have at least 8 characters.", `aria-invalid="true"`)
		b.post("/account/register", "name", "Ada <b>", "email", "ada@example.com", "password", password).leads("/account")
		b.get("/account").says(200, "Ada <b>", "ada@example.com", "Ada <b>'s Organization", "Owner")
		if page := b.get("/account"); strings.Contains(page.body, "<b>") || strings.Contains(page.body, b.cookies["guildhall"]) {
			t.Errorf("%s", page.body)
		}

		// The address is proved, by the code and, as somebody else's browser, by the link.
		page = b.post("/account/verify/mail").says(200, "Enter the code")
		m := s.mail("ada@example.com", "verify_email")
		b.post("/account/verify", "challenge_token", page.hidden("challenge_token"), "code", wrong(m.code())).says(401, "is wrong, was used before or has expired")
		other := s.browser()
		other.get("/account/verify").says(200, "Log in to confirm")
		other.post("/account/verify", "link_token", m.link(), "email", "ada@example.com", "password", "wrong").says(401, "wrong", m.link())
		other.post("/account/verify", "link_token", m.link(), "email", "ada@example.com", "password", password).leads("/account?done=verified")
		other.get("/account?done=verified").says(200, "Your email address is confirmed.", "confirmed")

		// Log out ends the session itself, not only the cookie.
		kept := b.cookies["guildhall"]
		b.post("/account/log-out").leads("/account/log-in")
		b.cookies["guildhall"] = kept
		b.get("/account").leads("/account/log-in?next=%2Faccount")

		// A forgotten password, by code and by link.
		page = b.post("/account/forgot", "email", "ada@example.com").says(200, "If ada@example.com has an account")
		m = s.mail("ada@example.com", "reset_password")
		token := page.hidden("challenge_token")
		b.post("/account/reset", "challenge_token", token, "code", m.code(), "new_password", "password1").says(422, "The new password", m.code())
		b.post("/account/reset", "challenge_token", token, "code", m.code(), "new_password", "five boxing wizards").leads("/account/log-in?done=reset")
		b.get("/account/log-in?done=reset").says(200, "Your password is set")
		other.get("/account").leads("/account/log-in?next=%2Faccount") // its session has ended
		b.post("/account/log-in", "email", "ada@example.com", "password", password, "next", "/account").says(401, "The email address or the password is wrong.", `value="ada@example.com"`)
		b.post("/account/log-in", "email", "ada@example.com", "password", "five boxing wizards", "next", "/account").leads("/account")
		b.post("/account/disavow", "link_token", s.mail("ada@example.com", "password_changed").link()).says(200, "Your account is safe")
		b.get("/account").leads("/account/log-in?next=%2Faccount")
		b.post("/account/forgot", "email", "ada@example.com")
		b.post("/account/reset", "link_token", s.mail("ada@example.com", "reset_password").link(), "new_password", "five boxing wizards").leads("/account/log-in?done=reset")

		// German.
		b.headers["Accept-Language"] = "de-AT, en;q=0.5"
		b.get("/account/log-in").says(200, "Anmelden", `lang="de"`)
		b.post("/account/log-in", "email", "ada@example.com", "password", "wrong").says(401, "Passwort ist falsch")
	}, withPages)
}

func TestPagesOfAnInvitation(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		invite := func(email string) string {
			t.Helper()
			ada.post(ada.org("/invitations"), body("email", email)).is(201)
			return s.mail(email, "invitation").link()
		}
		// Somebody new.
		link := invite("grace@example.com")
		b := s.browser()
		b.get("/account/invitation").says(200, "Show the invitation")
		b.post("/account/invitation", "link_token", link+"x").says(404, "There is no such invitation.")
		b.post("/account/invitation", "link_token", link).says(200, "Ada invites you to Ada's Organization, as: Member.", "g•••@example.com", link)
		b.post("/account/invitation/accept", "link_token", link, "as", "new", "name", "Grace", "email", "grace@example.com", "password", "short").says(422, "at least 8 characters", `value="Grace"`, link)
		b.post("/account/invitation/accept", "link_token", link, "as", "new", "name", "Grace", "email", "other@example.com", "password", password).says(403, "another email address")
		b.post("/account/invitation/accept", "link_token", link, "as", "new", "name", "Grace", "email", "grace@example.com", "password", password).leads("/account?done=joined")
		b.get("/account?done=joined").says(200, "Welcome", "Ada's Organization", "confirmed")

		// Somebody with an account, logged in or not, and as another person.
		mary := s.verifiedPerson("Mary")
		link = invite(mary.email)
		b.post("/account/invitation", "link_token", link).says(200, "You are logged in as grace@example.com")
		b.post("/account/invitation/accept", "link_token", link).says(403, "another email address", "You are logged in as grace@example.com", link)
		other := s.browser()
		other.post("/account/invitation/accept", "link_token", link, "email", mary.email, "password", "wrong").says(401, "password is wrong", link)
		other.post("/account/invitation/accept", "link_token", link, "email", mary.email, "password", password).leads("/account?done=joined")
		other.post("/account/invitation", "link_token", link).says(410, "was already accepted")
		other.post("/account/invitation/decline", "link_token", invite("no@example.com")).says(200, "You have declined the invitation.")
	}, withPages)
}

func TestPagesOfARegistrationThatIsConfirmed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		b := s.browser()
		page := b.post("/account/register", "name", "Ada", "email", "ada@example.com", "password", password, "next", "/account").says(200, "We have sent a mail to ada@example.com")
		if len(b.cookies) > 0 {
			t.Errorf("%v", b.cookies)
		}
		code := s.mail("ada@example.com", "confirm_email").code()
		b.post("/account/register/code", "challenge_token", page.hidden("challenge_token"), "email", "ada@example.com", "code", wrong(code)).says(401, "ada@example.com")
		b.post("/account/register/code", "challenge_token", page.hidden("challenge_token"), "code", code).leads("/account")
		b.get("/account").says(200, "confirmed")
	}, withPages, func(c *config.Config) { c.ConfirmEmail = true })
}

// TestPagesAreDefended tries what other sites and scripts would.
func TestPagesAreDefended(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browser()
		logIn := func(more ...string) shown {
			return b.post("/account/log-in", append([]string{"email", ada.email, "password", password}, more...)...)
		}
		// No other site posts a form.
		for _, site := range []string{"cross-site", "same-site"} {
			b.headers["Sec-Fetch-Site"] = site
			logIn().says(403)
		}
		delete(b.headers, "Sec-Fetch-Site")
		b.headers["Origin"] = "https://evil.example"
		logIn().says(403)
		delete(b.headers, "Origin")
		if len(b.cookies) > 0 {
			t.Errorf("%v", b.cookies)
		}
		b.headers["Sec-Fetch-Site"] = "same-origin"

		// Only pages of ours follow a log-in.
		for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/account/../../evil", "/account\r\nX: y", "javascript:alert(1)", "", "/api/v1/auth/me", "/accounts", "/account/%2e%2e/evil"} {
			logIn("next", next).leads("/account")
		}
		logIn("next", "/account/verify?x=1").leads("/account/verify?x=1")

		// The cookie is out of reach for scripts, and no token.
		page := logIn()
		if cookie := page.header.Get("Set-Cookie"); !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") || strings.Contains(cookie, "Domain") {
			t.Error(cookie)
		}
		s.do("GET", "/api/v1/auth/me", b.cookies["guildhall"], nil).is(401, "invalid_token")
		for _, forged := range []string{ada.access, ada.refresh, b.cookies["guildhall"] + "x", "", "null"} {
			other := s.browser()
			other.cookies["guildhall"] = forged
			other.get("/account").leads("/account/log-in?next=%2Faccount")
		}
		// The API knows no cookie.
		r := b.get("/api/v1/auth/me")
		r.says(401, "authentication_required")

		policy := b.get("/account/log-in").header
		if p := policy.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "frame-ancestors 'none'") || policy.Get("Cache-Control") != "no-store" || policy.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%v", policy)
		}
		for _, q := range []string{`"><script>alert(1)</script>`, `javascript:alert(1)`} {
			for _, path := range []string{"/account/log-in?next=", "/account/register?next=", "/account/log-in?done=", "/account?done="} {
				if page := b.get(path + url.QueryEscape(q)); strings.Contains(page.body, "alert(1)") {
					t.Errorf("%s: %s", path, page.body)
				}
			}
		}

		// The cookie lasts 8 hours after the last page.
		s.later(7 * time.Hour)
		b.get("/account").says(200)
		s.later(7 * time.Hour)
		b.get("/account").says(200)
		s.later(9 * time.Hour)
		b.get("/account").leads("/account/log-in?next=%2Faccount")
	}, withPages)
}

// TestPagesSayWhatIsWrong checks that a problem which no field shows is said above the form.
func TestPagesSayWhatIsWrong(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		b := s.browser()
		for _, path := range []string{"/account/invitation", "/account/invitation/decline", "/account/disavow"} {
			b.post(path).says(422, `role="alert"`, "must have 1 to")
		}
		b.post("/account/log-in", "link_token", strings.Repeat("x", 5000)).says(422, `role="alert"`, "must have 1 to")
	}, withPages)
}

// TestPagesOfAClosedRegistration checks that nobody fills in a form in vain.
func TestPagesOfAClosedRegistration(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.browser().get("/account/register").says(403, "Registration is closed.").lacks("<form")
	}, withPages, func(c *config.Config) { c.EnableRegistration = false })
}

// TestPagesKnowTheClient checks that the API sees the browser behind a page.
func TestPagesKnowTheClient(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browser()
		b.headers["User-Agent"] = "A browser"
		b.post("/account/log-in", "email", ada.email, "password", password).leads("/account")
		sessions := ada.get("/auth/sessions").list()
		last := sessions[len(sessions)-1]
		if last["client"] != "A browser" || last["address"] == "" {
			t.Errorf("%v", last)
		}
		for range 6 {
			b.post("/account/log-in", "email", ada.email, "password", "wrong")
		}
		b.post("/account/log-in", "email", ada.email, "password", "wrong").says(429, "Wait ")
	}, withPages, limited)
}

// TestPagesCanBeTurnedOff checks ACCOUNT_PAGES=false.
func TestPagesCanBeTurnedOff(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		b := s.browser()
		for _, path := range []string{"/account", "/account/log-in", "/assets/style.css"} {
			b.get(path).says(404)
		}
	})
}

// TestPagesCallOnlyWhatTheyDeclare checks that the API refuses a page an operation that it
// does not declare.
func TestPagesCallOnlyWhatTheyDeclare(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		send := func(declared ...string) int {
			r := httptest.NewRequest("GET", "/api/v1/auth/me", nil)
			r.Header.Set("Authorization", "Bearer "+ada.access)
			w := httptest.NewRecorder()
			s.app.API().ServeHTTP(w, r.WithContext(httpapi.Only(r.Context(), declared)))
			return w.Code
		}
		if got := send("getMe"); got != 200 {
			t.Error(got)
		}
		if got := send("listMembers"); got != 500 {
			t.Error(got)
		}
	})
}
