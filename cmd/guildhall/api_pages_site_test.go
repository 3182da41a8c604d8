package main

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"guildhall/platform/config"
	"guildhall/platform/platformtest"
)

// TestPagesOfAProduct checks the operator's name, logo, colours and links: on the pages of
// accounts, and not in the console.
func TestPagesOfAProduct(t *testing.T) {
	theme := t.TempDir()
	for name, content := range map[string]string{"theme.css": ":root { --accent: #123456 }", "logo.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>"} {
		if err := os.WriteFile(filepath.Join(theme, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browser()
		page := b.get("/account/log-in").says(200, "Engines & Co", `href="https://example.com/terms"`, "<title>Log in · Engines & Co</title>")
		style := regexp.MustCompile(`/assets/theme\.[0-9a-f]+\.css`).FindString(page.body)
		b.get(style).says(200, "--accent: #123456")
		b.get(regexp.MustCompile(`/assets/logo\.[0-9a-f]+\.svg`).FindString(page.body)).says(200, "<svg")
		console := s.browserOf(ada)
		console.get("/console/o/"+ada.organization+"/members").says(200, "Guildhall").lacks("Engines & Co", "/assets/theme.", "example.com/terms")
	}, withPages, func(c *config.Config) {
		c.ProductName, c.ThemeDir, c.PageLinks = "Engines & Co", theme, []string{"Terms=https://example.com/terms"}
	})
}

// TestPagesBelowAPath checks the pages behind a proxy that serves them below a path, which it
// removes.
func TestPagesBelowAPath(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browser()
		b.get("/account").leads("/id/account/log-in?next=%2Faccount")
		b.post("/account/log-in", "email", ada.email, "password", password, "next", "/console").leads("/id/console")
		home := "/console/o/" + ada.organization
		b.get("/console").leads("/id" + home)
		pages := []string{
			"/account", home + "/members", home + "/invitations", home + "/settings", home + "/audit", home + "/invite", home + "/settings/archive", home + "/member/" + ada.id,
		}
		address := regexp.MustCompile(`(?:href|action|src)="([^"]*)"`)
		for _, path := range pages {
			for _, found := range address.FindAllStringSubmatch(b.get(path).says(200).body, -1) {
				if target := found[1]; !strings.HasPrefix(target, "/id/") && target != "#main" {
					t.Errorf("%s: %s", path, target)
				}
			}
		}
		if _, secure := b.cookies["__Host-guildhall"]; !secure {
			t.Errorf("%v", b.cookies)
		}
	}, withPages, func(c *config.Config) { c.PublicURL = "https://example.com/id" })
}

// TestPagesAreCompressed checks what a first visit takes.
func TestPagesAreCompressed(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t), withPages)
	ada := s.person("Ada")
	for range 49 {
		s.person("Somebody").joins(ada, false)
	}
	b := s.browserOf(ada)
	total := 0
	load := func(path string) string {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept-Encoding", "gzip, br")
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		w := httptest.NewRecorder()
		s.app.API().ServeHTTP(w, r)
		if w.Code != 200 || w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(strings.Join(w.Header().Values("Vary"), ","), "Accept-Encoding") {
			t.Fatalf("%s: %d %v", path, w.Code, w.Header())
		}
		total += w.Body.Len()
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	page := load("/console/o/" + ada.organization + "/members")
	for _, extension := range []string{"css", "js", "svg"} {
		load(regexp.MustCompile(`/assets/[a-z]+\.[0-9a-f]+\.` + extension).FindString(page))
	}
	t.Logf("%d bytes for the page of 50 members", total)
	if total > 15<<10 {
		t.Errorf("a first visit takes %d bytes", total)
	}
}

// TestPagesShowTextAsText puts markup into every text that a person can choose, and looks for
// it in every page, and in the mails.
func TestPagesShowTextAsText(t *testing.T) {
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}`
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		for _, p := range []*actor{ada, grace} {
			p.patch("/users/"+p.id+"/profile", body("name", evil, "bio", evil, "avatar_url", "https://example.com/"+url.PathEscape(evil))).is(200)
		}
		ada.patch(ada.org(""), body("name", evil)).is(200)
		grace.joins(ada, false)
		b := s.browser()
		b.headers["User-Agent"] = evil
		b.headers["Accept-Language"] = evil
		b.post("/account/log-in", "email", ada.email, "password", password, "next", "/console").leads("/console")
		home := "/console/o/" + ada.organization
		at := home + "/member/" + grace.id
		b.post(at+"/suspend", "reason", evil, "for", "").leads(at + "?done=suspend")
		b.post(home+"/invite", "emails", "mary@example.com", "role", "member").leads(home + "/invitations?done=invited")
		ada.post(ada.org("/service-accounts"), body("name", evil, "description", evil)).is(201)
		key := ada.makesKey("name", evil).str("id")
		b.post(home+"/settings/suspend", "reason", evil, "for", "1d")
		b.post(home + "/settings/restore")
		harmless := func(where, text string) {
			t.Helper()
			for _, raw := range []string{"<script>alert", "<img src=x", `"'>`} {
				if strings.Contains(text, raw) {
					t.Errorf("%s: %s in\n%s", where, raw, text)
				}
			}
		}
		tried := 0
		for _, p := range s.app.Pages() {
			path, get := strings.CutPrefix(p.Pattern, "GET ")
			if !get {
				continue
			}
			path = strings.NewReplacer("{organization}", ada.organization, "{user}", grace.id, "{session}", evil[:1], "{invitation}", ada.id, "{link}", ada.id, "{key}", key).Replace(path)
			for _, query := range []string{"", "?q=" + url.QueryEscape(evil), "?done=" + url.QueryEscape(evil), "?next=" + url.QueryEscape(evil), "?cursor=" + url.QueryEscape(evil), "?action=" + url.QueryEscape(evil), "?done=suspend"} {
				harmless(path+query, b.get(path+query).body)
				tried++
			}
		}
		for _, p := range s.app.Pages() {
			path, post := strings.CutPrefix(p.Pattern, "POST ")
			if !post || path == "/account/log-out" {
				continue
			}
			path = strings.NewReplacer("{organization}", ada.organization, "{user}", grace.id, "{invitation}", ada.id, "{link}", ada.id, "{key}", key).Replace(path)
			form := []string{"typed", "no"}
			for _, name := range []string{"name", "email", "emails", "reason", "for", "password", "next", "link_token", "challenge_token", "code", "new_password", "old_password", "max_uses", "domains", "bio", "avatar_url", "locale", "role", "new_email", "theme", "description", "scopes", "lifetime", "overlap", "organization", "key"} {
				form = append(form, name, evil)
			}
			harmless(path, b.post(path, form...).body)
			tried++
		}
		if tried < 200 {
			t.Errorf("only %d pages", tried)
		}
		r := httptest.NewRequest(http.MethodGet, "/dev/mailbox/"+s.mail("mary@example.com", "invitation").ID+"/html", nil)
		r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1"
		w := httptest.NewRecorder()
		s.app.API().ServeHTTP(w, r)
		if mail := w.Body.String(); w.Code != 200 || !strings.Contains(mail, "&lt;script&gt;") {
			t.Errorf("%d %s", w.Code, mail)
		}
		harmless("the mail", w.Body.String())
	}, withPages)
}

// TestPagesEndWithTheSession checks that no page is shown from a cache after the log-out, that
// a log-in makes another session, and that a log-out everywhere ends other browsers.
func TestPagesEndWithTheSession(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browserOf(ada)
		home := "/console/o/" + ada.organization + "/members"
		if page := b.get(home).says(200); page.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v", page.header)
		}
		// A cookie that someone else has put into the browser is not the one after the log-in.
		fixed := b.cookies["guildhall"]
		b.post("/account/log-in", "email", ada.email, "password", password).leads("/account")
		if b.cookies["guildhall"] == fixed {
			t.Error("the session of before")
		}
		other := s.browserOf(ada)
		ada.post("/auth/logout", body("all", true)).is(204)
		for _, b := range []*browser{b, other} {
			b.get(home).leads("/account/log-in?next=" + url.QueryEscape(home))
			b.post(strings.Replace(home, "members", "settings/leave", 1), "typed", "x").leads("/account/log-in")
		}
	}, withPages)
}

// TestALogInReplacesTheSession checks that a log-in in a browser ends the session that the
// browser had, and nothing else does.
func TestALogInReplacesTheSession(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		b := s.browserOf(ada)
		former := b.cookies["guildhall"]
		b.post("/account/log-in", "email", grace.email, "password", "wrong").says(401)
		old := s.browser()
		old.cookies["guildhall"] = former
		old.get("/account").says(200, "Ada") // a refused log-in ends nothing
		b.post("/account/log-in", "email", grace.email, "password", password).leads("/account")
		b.get("/account").says(200, "Grace")
		old.cookies["guildhall"] = former
		old.get("/account").leads("/account/log-in?next=%2Faccount")
		ada.get("/auth/me").is(200) // another session of the same person
	}, withPages)
}

// TestPagesWithoutAScript checks that a person can paste a link, whose token only a script
// could read, and begins again after a reload of an answer to a form.
func TestPagesWithoutAScript(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		ada.post(ada.org("/invitations"), body("email", "grace@example.com")).is(201)
		link := s.mail("grace@example.com", "invitation").Links[0]
		b := s.browser()
		b.get("/account/invitation").says(200, "Paste the link here")
		b.post("/account/invitation", "pasted", " "+link+" ", "link_token", "").says(200, "Ada invites you")
		b.post("/account/invitation", "pasted", "nonsense", "link_token", "").says(404)
		for _, page := range []string{"/account/welcome", "/account/verify", "/account/reset", "/account/disavow"} {
			b.get(page).says(200, "Paste the link here")
		}
		for path, above := range map[string]string{
			"/account/invitation/accept": "/account/invitation", "/account/verify/mail": "/account/verify", "/account/register/code": "/account/register", "/account/log-out": "/account",
		} {
			b.get(path).leads(above)
		}
		b.get("/account/none").says(404, "There is no such page.")
		b.headers["Accept"] = "text/html"
		if root := b.get("/"); root.status != 302 || root.header.Get("Location") != "/account" {
			t.Errorf("%d %v", root.status, root.header)
		}
	}, withPages)
}
