package main

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"guildhall/platform/config"
	"guildhall/platform/platformtest"
)

// breachedPassword is in the lists that breachedFile writes, and in no built-in one.
const breachedPassword = "five boxing wizards, breached"

// breachedFile writes a list of breached passwords, as Have I Been Pwned's downloader does:
// the given one among others.
func breachedFile(t testing.TB, path, password string) string {
	t.Helper()
	lines := []string{fmt.Sprintf("%X:123\r\n", sha1.Sum([]byte(password)))}
	for i := range 5000 {
		lines = append(lines, fmt.Sprintf("%X:%d\r\n", sha1.Sum(fmt.Append(nil, i)), i))
	}
	slices.Sort(lines)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBreachedPasswordsAreRefusedEverywhere checks every way to choose a password, with a
// breached one and with a good one.
func TestBreachedPasswordsAreRefusedEverywhere(t *testing.T) {
	list := breachedFile(t, filepath.Join(t.TempDir(), "list.txt"), breachedPassword)
	each(t, func(t *testing.T, s *service) {
		const sentence = "must not be a password that is common or known from a data breach: others would guess it."
		root, ada := s.operator("Root"), s.person("Ada")
		refused := func(a answer, location string) {
			t.Helper()
			a.is(422, "validation_failed")
			if text := string(a.body); !strings.Contains(text, `"location":"`+location+`"`) || !strings.Contains(text, `"code":"common_password"`) || !strings.Contains(text, sentence) || strings.Contains(text, breachedPassword) {
				t.Errorf("%s: %s", a.request, text)
			}
		}
		register := func(chosen string) answer {
			return s.public("/auth/register", "email", "grace@example.com", "password", chosen, "name", "Grace")
		}
		refused(register(breachedPassword), "body.password")
		refused(register("password123"), "body.password") // the built-in list
		register(password).is(201)

		create := func(chosen string) answer {
			return root.post("/users", body("email", "charles@example.com", "password", chosen, "name", "Charles"))
		}
		refused(create(breachedPassword), "body.password")
		create(password).is(201)

		change := func(chosen string) answer {
			return ada.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", chosen))
		}
		refused(change(breachedPassword), "body.new_password")
		change("six boxing wizards").is(204)

		token := s.ask("reset_password", ada.email)
		m := s.mail(ada.email, "reset_password")
		reset := func(chosen string, proof ...any) answer {
			return s.public("/auth/password-reset", append([]any{"new_password", chosen}, proof...)...)
		}
		refused(reset(breachedPassword, "link_token", m.link()), "body.new_password")
		refused(reset(breachedPassword, "challenge_token", token, "code", m.code()), "body.new_password")
		reset("seven boxing wizards", "link_token", m.link()).is(204) // it cost no attempt

		c := s.atServer("PASSWORD_BREACHED_FILE=" + list)
		for _, args := range [][]string{
			{"admin", "set-password", ada.email}, {"admin", "create", "root2@example.com"}, {"user", "create", "alan@example.com", "--name", "Alan"},
		} {
			out, errs, status := separately(t, breachedPassword+"\n", c.dir, c.environ, args...)
			if status != 1 || out != "" || !strings.Contains(errs, "the password "+sentence) {
				t.Errorf("%q: %d %s%s", args, status, out, errs)
			}
			if _, errs, status := separately(t, "eight boxing wizards\n", c.dir, c.environ, args...); status != 0 {
				t.Errorf("%q: %d %s", args, status, errs)
			}
		}
		if n := s.count("SELECT COUNT(*) FROM users"); n != 6 {
			t.Errorf("%d accounts, want 6", n)
		}
		s.logIn(ada.email, "eight boxing wizards").is(200)
	}, withMailbox, func(c *config.Config) { c.PasswordBreachedFile = list })
}

// TestWithoutABreachedFile checks that only the built-in list applies.
func TestWithoutABreachedFile(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.public("/auth/register", "email", "grace@example.com", "password", breachedPassword, "name", "Grace").is(201)
		s.public("/auth/register", "email", "ada@example.com", "password", "password123", "name", "Ada").is(422)
	})
}

// TestABreachedFileThatCantBeUsed checks that the service does not start with one, that check
// and doctor name it with what to do, and that other commands work.
func TestABreachedFileThatCantBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := breachedFile(t, filepath.Join(dir, "good.txt"), breachedPassword)
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	url := platformtest.SQLiteURL(t)
	if out, status := run(t, dir, inProduction(url), "migrate", "up"); status != 0 {
		t.Fatal(out)
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "missing.txt"): "missing.txt does not exist: download it with haveibeenpwned-downloader, or correct the path",
		dir:                               "is not a file: download the list as one file",
		write("empty.txt", nil):           "empty.txt: is empty: download it again",
		write("page.txt", []byte("<html></html>\n")):                 "is not a list of lines SHA1:count",
		write("twice.txt", slices.Concat(content, content)):          "is not sorted by its hashes",
		write("lower.txt", []byte(strings.ToLower(string(content)))): "with upper-case digits",
	} {
		environ := inProduction(url, "PASSWORD_BREACHED_FILE="+path)
		if out, status := run(t, dir, environ); status != 1 || !strings.Contains(out, "PASSWORD_BREACHED_FILE: "+path) || !strings.Contains(out, says) || strings.Contains(out, "listening") {
			t.Errorf("serve: %d %s, want %q", status, out, says)
		}
		if out, status := run(t, dir, environ, "check"); status != 1 || !strings.Contains(out, "FAIL PASSWORD_BREACHED_FILE: ") || !strings.Contains(out, says) {
			t.Errorf("check: %d %s, want %q", status, out, says)
		}
		if out, status := run(t, dir, environ, "doctor"); status != 1 || !strings.Contains(out, "fail  breached passwords: ") || !strings.Contains(out, says) {
			t.Errorf("doctor: %d %s, want %q", status, out, says)
		}
		if out, status := run(t, dir, environ, "user", "list"); status != 0 {
			t.Errorf("user list: %d %s", status, out)
		}
	}
	environ := inProduction(url, "PASSWORD_BREACHED_FILE="+good)
	if out, _ := run(t, dir, environ, "check"); !strings.Contains(out, "ok   PASSWORD_BREACHED_FILE: ") {
		t.Errorf("check: %s", out)
	}
	if out, _ := run(t, dir, environ, "doctor"); !strings.Contains(out, "ok    breached passwords: "+good) {
		t.Errorf("doctor: %s", out)
	}
	if out, _ := run(t, dir, inProduction(url), "check"); !strings.Contains(out, "ok   PASSWORD_BREACHED_FILE: is none") {
		t.Errorf("check: %s", out)
	}
}

// TestABreachedFileIsReplaced checks a running service: a list that is gone stops nobody from
// choosing a password and is counted, and another one is used without a restart.
func TestABreachedFileIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := breachedFile(t, filepath.Join(dir, "list.txt"), breachedPassword)
	p := serveProcess(t, dir, inProduction(platformtest.SQLiteURL(t), "MIGRATE_ON_START=true", "ENABLE_REGISTRATION=true", "RATE_LIMIT_ENABLED=false",
		"PRIVATE_ADDRESS=127.0.0.1:0", "PASSWORD_BREACHED_FILE="+path)...)
	people := 0
	register := func(chosen string) answer {
		people++
		return p.do("POST", "/api/v1/auth/register", "", body("email", fmt.Sprintf("p%d@example.com", people), "password", chosen, "name", "Ada"))
	}
	counted := func(result string, want float64) {
		t.Helper()
		if n := p.scrape().value("guildhall_breached_password_lookups_total", "result="+result); n != want {
			t.Errorf("%v %s, want %v", n, result, want)
		}
	}
	counted("failed", 0)
	register(breachedPassword).is(422)
	register(password).is(201)
	counted("breached", 1)
	counted("clear", 1)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		register(breachedPassword).is(201)
	}
	register("password123").is(422)
	counted("failed", 3)
	p.says("does not exist: download it")
	if n := strings.Count(p.out.String(), "a new password was not looked up"); n != 1 {
		t.Errorf("logged %d times", n)
	}

	if err := os.Rename(breachedFile(t, filepath.Join(dir, "new.txt"), breachedPassword), path); err != nil {
		t.Fatal(err)
	}
	register(breachedPassword).is(422)
	counted("breached", 2)
	p.stop()
}
