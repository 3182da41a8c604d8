package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/backup"
	"guildhall/platform/config"
	"guildhall/platform/platformtest"
)

// TestNoSecretIsStored looks for codes and tokens in the database, before and after a mail
// was sent, in a backup, and in the log at the level debug.
func TestNoSecretIsStored(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		server, log := newSMTPServer(t), new(lockedBuffer)
		s := asInProduction(t, databaseURL, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), false,
			"MAIL_TRANSPORT=smtp", "SMTP_HOST=127.0.0.1", fmt.Sprint("SMTP_PORT=", server.port), "SMTP_TLS=none", "MAIL_FROM=accounts@example.org",
			"PUBLIC_URL=https://id.example.com", "LOG_IN_BY_EMAIL=true", "LOG_LEVEL=debug")
		ada := s.person("Ada")
		var secrets []string
		for _, purpose := range []string{"reset_password", "log_in"} {
			secrets = append(secrets, s.ask(purpose, ada.email))
		}
		for _, more := range [][]any{{"verify_email"}, {"change_email", "new_email", "ada@moved.example.com"}} {
			secrets = append(secrets, ada.ask(more[0].(string), more[1:]...).is(201).str("challenge_token"))
		}
		ada.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", newPassword)).is(204)
		stored := func() map[string]string {
			found := map[string]string{"the log": log.String()}
			var tables []string
			for table := range s.schema() {
				tables = append(tables, table)
			}
			for table, rows := range s.inputContents(tables...) {
				found[table] = strings.Join(rows, "\n")
			}
			file := filepath.Join(t.TempDir(), "backup")
			if _, err := backup.Take(everything, backup.Options{DB: s.kernel.DB, Migrations: s.app.Migrations(), Invariants: s.app.Invariants()}, file); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(content, []byte(ada.email)) {
				t.Fatal("the backup can't be searched")
			}
			found["the backup"] = string(content)
			return found
		}
		before := stored()
		s.deliver()
		for _, m := range server.mails() {
			if _, link, has := strings.Cut(m.text, "#link_token="); has {
				secrets = append(secrets, strings.Fields(link)[0])
			}
			if code := regexp.MustCompile(`(?m)^ {4}(\d{4}) (\d{4})`).FindStringSubmatch(m.text); code != nil {
				secrets = append(secrets, code[1]+" "+code[2], code[1]+code[2])
			}
		}
		if len(secrets) != 4+4*2+5 {
			t.Errorf("%d secrets: %v", len(secrets), secrets)
		}
		// One is answered, so that the log knows of it.
		s.reset("link_token", secrets[len(secrets)-1]).is(401)
		for _, at := range []map[string]string{before, stored()} {
			for where, text := range at {
				for _, secret := range secrets {
					if strings.Contains(text, secret) {
						t.Errorf("%s is in %s", secret, where)
					}
				}
			}
		}
	})
}

// TestLinksAreOurs: they begin with PUBLIC_URL whatever a client claims, and their token is in
// the fragment, which no server and no Referer gets.
func TestLinksAreOurs(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		forged := []string{"Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example", "Origin", "https://evil.example", "X-Original-Host", "evil.example"}
		ask := func(token string, b map[string]any) {
			t.Helper()
			a := s.do("POST", "http://evil.example/api/v1/auth/challenges", token, b, forged...).is(201)
			if a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%v", a.header)
			}
		}
		ask("", body("purpose", "reset_password", "email", ada.email))
		ask("", body("purpose", "log_in", "email", ada.email))
		ask(ada.access, body("purpose", "change_email", "new_email", "ada@moved.example.com"))
		s.do("POST", "http://evil.example/api/v1/auth/token", "", body("username", ada.email, "password", password), append(forged, "User-Agent", "https://evil.example/ <b>click</b>")...).is(200)
		link := regexp.MustCompile(`^https://id\.example\.com/account/[a-z-]+#link_token=[A-Za-z0-9_-]{43}$`)
		for _, m := range append(s.mails(ada.email), s.mails("ada@moved.example.com")...) {
			if len(m.Links) != 1 || !link.MatchString(m.Links[0]) {
				t.Errorf("%s: %v", m.Kind, m.Links)
			}
		}
		if len(s.mails(ada.email)) != 4 {
			t.Errorf("%d mails", len(s.mails(ada.email)))
		}
	}, withMailbox, logInByEmail)
}

// TestNamesCantInject: a stranger's name and address go into a mail to somebody else.
func TestNamesCantInject(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		register := func(email, name string) answer {
			return s.public("/auth/register", "email", email, "name", name, "password", password)
		}
		for _, bad := range []string{"\r\n", "\n", "\r", "\x00", "\u2028", "\x7f"} {
			register("victim@example.com", "Eve"+bad+"Bcc: all@example.com").is(422, "validation_failed")
			register("victim@example.com"+bad+"Bcc: all@example.com", "Eve").is(422, "validation_failed")
			s.public("/auth/challenges", "purpose", "reset_password", "email", "victim@example.com"+bad+"x").is(422, "validation_failed")
		}
		for _, two := range []string{"victim@example.com,eve@example.com", "victim@example.com;eve@example.com", "victim@example.com eve@example.com", "<victim@example.com>", "Eve <victim@example.com>", `"victim"@example.com`} {
			register(two, "Eve").is(422, "validation_failed")
		}
		register("victim@example.com", "Win at https://evil.example/now or mail eve@evil.example "+strings.Repeat("!", 60)).is(202)
		m := s.mail("victim@example.com", "confirm_email")
		if len(m.Links) != 0 || strings.Contains(m.Text, "evil.example") && !strings.Contains(m.Text, "evil.\u2060example") || strings.Contains(m.Text, "https://") {
			t.Errorf("%s", m.Text)
		}
	}, withMailbox, confirming)
}

// TestConfirmedRegistration: REGISTRATION_CONFIRM_EMAIL.
func TestConfirmedRegistration(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		b := body("email", "Ada@example.com", "name", "Ada", "password", password, "organization_name", "Engines", "locale", "de")
		register := func(b map[string]any, headers ...string) answer {
			return s.do("POST", "/api/v1/auth/register", "", b, headers...)
		}
		first := register(b, "Idempotency-Key", "k").is(202)
		if first.header.Get("Location") != "" || first.str("expires_in") != "3600" || first.str("access_token") != "" {
			t.Errorf("%v %s", first.header, first.body)
		}
		if n := s.count("SELECT COUNT(*) FROM users"); n != 0 {
			t.Fatal("the account exists")
		}
		s.logIn("ada@example.com", password).is(401, "invalid_credentials")
		again := register(b, "Idempotency-Key", "k").is(202) // another mail
		if again.header.Get("Idempotency-Replayed") != "" || again.str("challenge_token") == first.str("challenge_token") {
			t.Errorf("%s", again.body)
		}
		m := s.mail("ada@example.com", "confirm_email")
		if m.Locale != "de" || len(m.Links) != 0 {
			t.Errorf("%+v", m)
		}
		// The code belongs to the client that asked for it.
		s.enter("challenge_token", first.str("challenge_token"), "code", m.code()).is(401, "invalid_challenge")
		s.reset("challenge_token", again.str("challenge_token"), "code", m.code()).is(401, "invalid_challenge")
		a := s.enter("challenge_token", again.str("challenge_token"), "code", m.code()).is(200)
		ada := s.actorOf(a)
		me := ada.get("/auth/me").is(200)
		if me.str("email") != "Ada@example.com" || me.str("email_verified") != "true" || me.str("organization.name") != "Engines" || me.str("locale") != "de" {
			t.Errorf("%s", me.body)
		}
		if amr := s.text("SELECT amr FROM sessions"); amr != "pwd email" {
			t.Errorf("amr %s", amr)
		}
		s.logIn("ada@example.com", password).is(200)
		s.enter("challenge_token", again.str("challenge_token"), "code", m.code()).is(401, "invalid_challenge")
		// The first mail's registration: taken meanwhile. Its code is not spent on that.
		old := s.mails("ada@example.com")[1]
		for range 2 {
			s.enter("challenge_token", first.str("challenge_token"), "code", old.code()).is(409, "email_taken")
		}
		// A known address gets a mail that says so, and no code for the stranger's token.
		before := s.count("SELECT COUNT(*) FROM mail_outbox")
		stranger := register(body("email", "ADA@example.com", "name", "Eve", "password", password)).is(202)
		exists := s.mail("ada@example.com", "account_exists")
		if exists.code() != "" || len(exists.Links) != 0 || strings.Contains(exists.Text, "Eve") || s.count("SELECT COUNT(*) FROM mail_outbox") != before+1 {
			t.Errorf("%+v", exists)
		}
		if k, u := stranger.shape(), register(body("email", "nobody@example.com", "name", "Eve", "password", password)).is(202).shape(); k != u {
			t.Errorf("%s\n%s", k, u)
		}
		s.ask("reset_password", "nobody@example.com") // a registration that is pending is no account
		for _, m := range s.mails("nobody@example.com") {
			if m.Kind != "confirm_email" {
				t.Errorf("%+v", m)
			}
		}
		s.later(time.Hour + time.Second)
		s.enter("challenge_token", stranger.str("challenge_token"), "code", "00000000").is(401, "invalid_challenge")
		if n := s.count("SELECT COUNT(*) FROM users"); n != 1 {
			t.Errorf("%d accounts", n)
		}
	}, withMailbox, confirming)
}

func TestLogInByEmail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, owner := s.operator("Oz"), s.person("Owner")
		ada := s.actorOf(s.public("/auth/register", "email", "ada@example.com", "password", password, "name", "Ada", "organization_name", nil).is(201))
		ada.verify()
		owner.post(owner.org("/members"), body("user_id", ada.id)).is(201)
		proof := func() []any {
			t.Helper()
			s.later(7 * time.Minute)
			s.ask("log_in", ada.email)
			return []any{"link_token", s.mail(ada.email, "log_in_code").link()}
		}
		operator = s.logInAgain(operator)
		link := proof()
		s.enter(append(link, "organization_id", operator.organization)...).is(404, "organization_not_found")
		a := s.enter(append(link, "organization_id", owner.organization)...).is(200) // the refusal spent nothing
		if a.str("organization_id") != owner.organization {
			t.Errorf("%s", a.body)
		}
		if amr := s.text("SELECT amr FROM sessions ORDER BY id DESC LIMIT 1"); amr != "email" {
			t.Errorf("amr %s", amr)
		}
		for _, c := range []struct{ do, undo, code string }{
			{"suspend", "activate", "account_suspended"}, {"deactivate", "activate", "account_inactive"}, {"archive", "unarchive", "account_archived"},
		} {
			link := proof()
			operator = s.logInAgain(operator)
			change := func(verb string) {
				t.Helper()
				b := because()
				if verb == "activate" || verb == "deactivate" {
					b = body()
				}
				if !strings.HasSuffix(verb, "archive") {
					b["scope"] = "account"
				}
				if a := operator.post("/users/"+ada.id+"/"+verb, b); a.status >= 300 {
					t.Fatalf("%s: %d %s", verb, a.status, a.body)
				}
			}
			change(c.do)
			s.enter(link...).is(403, c.code)
			before := len(s.mails(ada.email))
			s.ask("log_in", ada.email)
			if mails := len(s.mails(ada.email)); (mails == before) != (c.do == "archive") {
				t.Errorf("%s: %d mails more", c.do, mails-before)
			}
			change(c.undo)
			s.enter(link...).is(200) // the refusal spent nothing
		}
		if a := s.form("/auth/token", "grant_type", "challenge", "link_token", "x").is(401, "invalid_challenge"); a.str("error") != "invalid_grant" {
			t.Errorf("%s", a.body)
		}
		// The log knows of refusals.
		if n := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'log_in.failed'"); n < 3 {
			t.Errorf("%d refusals are on record", n)
		}
		s.ask("log_in", ada.email)
		s.later(10*time.Minute + time.Second)
		s.enter("link_token", s.mail(ada.email, "log_in_code").link()).is(401, "invalid_challenge")
	}, withMailbox, logInByEmail)
}

func TestLogInByEmailIsOff(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for _, email := range []string{ada.email, "nobody@example.com"} {
			s.public("/auth/challenges", "purpose", "log_in", "email", email).is(403, "log_in_by_email_disabled")
		}
	}, withMailbox)
}

func TestProvingAnAddress(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		s.public("/auth/challenges", "purpose", "verify_email").is(401, "authentication_required")
		s.public("/auth/challenges", "purpose", "change_email", "new_email", "a@example.com").is(401, "authentication_required")
		ada.ask("disavow").is(422, "validation_failed")
		ada.ask("register").is(422, "validation_failed")
		ada.ask("change_email").is(422, "validation_failed")
		ada.ask("step_up").is(403, "email_not_verified")
		ada.ask("verify_email").is(201)
		old := s.mail(ada.email, "verify_email")
		ada.changeEmail("ada@moved.example.com").is(200)
		ada.post("/auth/email-confirmation", body("link_token", old.link())).is(401, "invalid_challenge")
		s.exec("UPDATE challenges SET consumed_at = NULL WHERE purpose = 'verify_email'")
		ada.post("/auth/email-confirmation", body("link_token", old.link())).is(401, "invalid_challenge") // the address was changed since
		ada.ask("verify_email").is(409, "already_verified")
		grace := s.person("Grace")
		grace.changeEmail("ada@moved.example.com").is(409, "email_taken") // it shows only to whoever reads the mail
		if a := grace.get("/auth/me").is(200); a.str("email") != grace.email || a.str("email_verified") != "false" {
			t.Errorf("%s", a.body)
		}
		grace.ask("verify_email").is(201)
		s.later(24*time.Hour + time.Second)
		grace = s.logInAgain(grace)
		grace.post("/auth/email-confirmation", body("link_token", s.mail(grace.email, "verify_email").link())).is(401, "invalid_challenge")
	}, withMailbox)
}

// TestStepUp proves again who it is, by password and by a code, and the gate knows it at once.
func TestStepUp(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		other := s.actorOf(s.logIn(ada.email, password).is(200))
		needs := func(a *actor, status int) {
			t.Helper()
			a.ask("change_email", "new_email", "ada@moved.example.com").is(status)
		}
		for range 3 {
			needs(ada, 201)
		}
		s.later(10*time.Minute + time.Second)
		for range 3 { // also when the gate remembers her
			needs(ada, 401)
		}
		if wrong := ada.post("/auth/step-up", body("password", "a wrong guess")).is(403, "wrong_password"); wrong.str("detail") != "The password is wrong." {
			t.Errorf("%s", wrong.body)
		}
		ada.post("/auth/step-up", body()).is(422, "validation_failed")
		needs(ada, 401)
		a := ada.post("/auth/step-up", body("password", password)).is(200)
		if a.str("acr") != "aal1" || a.str("amr") != "[pwd]" || a.str("authenticated_at") == "" {
			t.Errorf("%s", a.body)
		}
		needs(ada, 201)
		needs(other, 401)
		s.later(10*time.Minute + time.Second)
		token := ada.ask("step_up").is(201).str("challenge_token")
		m := s.mail(ada.email, "step_up_code")
		if len(m.Links) != 0 {
			t.Errorf("%v", m.Links)
		}
		proof := body("challenge_token", token, "code", m.code())
		other.post("/auth/step-up", proof).is(401, "invalid_challenge") // another session's
		s.person("Eve").post("/auth/step-up", proof).is(401, "invalid_challenge")
		if a := ada.post("/auth/step-up", proof).is(200); a.str("amr") != "[email]" {
			t.Errorf("%s", a.body)
		}
		needs(ada, 201)
		ada.post("/auth/step-up", proof).is(401, "invalid_challenge")
		s.enter("challenge_token", token, "code", m.code()).is(401, "invalid_challenge")
	}, withMailbox, logInByEmail)
}

// TestSessionsKeepWhatWasProved: a refresh and a switch prove nothing new.
func TestSessionsKeepWhatWasProved(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		owner := s.person("Owner")
		owner.post(owner.org("/members"), body("user_id", ada.id)).is(201)
		s.ask("log_in", ada.email)
		s.later(time.Minute)
		ada = s.actorOf(s.enter("link_token", s.mail(ada.email, "log_in_code").link()).is(200))
		proved := func(a *actor) string {
			_, payload := claims(t, a.access)
			return fmt.Sprint(s.table("SELECT amr, aal, authenticated_at FROM sessions WHERE id = ?", payload["sid"]))
		}
		before := proved(ada)
		s.later(5 * time.Minute)
		refreshed := s.actorOf(s.refresh(ada.refresh).is(200))
		branch := refreshed.in(owner)
		s.later(time.Minute)
		again := s.actorOf(s.refreshInto(ada.organization, branch.refresh).is(200))
		for _, a := range []*actor{refreshed, branch, again} {
			if proved(a) != before || !strings.Contains(before, "email") {
				t.Errorf("%s, and before %s", proved(a), before)
			}
		}
		s.later(5 * time.Minute)
		for _, a := range []*actor{refreshed, again} {
			a.ask("change_email", "new_email", "x@example.com").is(401, "step_up_required")
		}
	}, withMailbox, logInByEmail)
}

func TestANewDeviceIsDisavowed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		thief := s.actorOf(s.logInAs("the thief's", ada.email, password).is(200))
		m := s.mail(ada.email, "new_device")
		if !strings.Contains(m.Text, "the thief's") || !strings.Contains(m.Text, "192.0.2.100") {
			t.Errorf("%s", m.Text)
		}
		if n := s.openChallenges(ada.id); n != 0 {
			t.Errorf("%d challenges", n)
		}
		thief.ask("change_email", "new_email", "thief@example.com").is(201)
		s.public("/auth/disavow", "link_token", m.link()).is(204)
		for _, a := range []*actor{ada, thief} {
			a.get("/auth/me").is(401)
			s.refresh(a.refresh).is(401)
		}
		s.logIn(ada.email, password).is(401, "invalid_credentials")
		if n := s.openChallenges(ada.id); n != 0 {
			t.Errorf("%d challenges are open", n)
		}
		s.ask("reset_password", ada.email)
		s.reset("link_token", s.mail(ada.email, "reset_password").link()).is(204)
		s.logInAs("the thief's", ada.email, newPassword).is(200)
		s.later(72*time.Hour + time.Second)
		s.public("/auth/disavow", "link_token", s.mail(ada.email, "password_changed").link()).is(401, "invalid_challenge")
	}, withMailbox)
}

// TestWithoutMail: whoever does not configure it notices nothing.
func TestWithoutMail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for _, purpose := range []string{"reset_password", "log_in"} {
			for _, email := range []string{ada.email, "nobody@example.com"} {
				s.public("/auth/challenges", "purpose", purpose, "email", email).is(503, "mail_not_configured")
			}
		}
		for _, purpose := range []string{"verify_email", "step_up"} {
			ada.ask(purpose).is(503, "mail_not_configured")
		}
		ada.ask("change_email", "new_email", "x@example.com").is(503, "mail_not_configured")
		members := func(a answer) string { return strings.Join(slices.Sorted(maps.Keys(a.object())), " ") }
		const want = "access_token email expires_in name organization_id refresh_token token_type user_id"
		if got := members(s.public("/auth/register", "email", "grace@example.com", "name", "Grace", "password", password).is(201)); got != want {
			t.Errorf("register: %s", got)
		}
		if got := members(s.logInAs("another device", ada.email, password).is(200)); got != want {
			t.Errorf("log-in: %s", got)
		}
		ada.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", newPassword)).is(204)
		ada.post("/auth/step-up", body("password", newPassword)).is(200)
		if n := s.count("SELECT COUNT(*) FROM challenges") + s.count("SELECT COUNT(*) FROM mail_outbox"); n != 0 {
			t.Errorf("%d rows", n)
		}
	}, func(*config.Config) {})
}
