package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/config"
)

const erasureDelay = 14 * 24 * time.Hour

// eraseDue does what the worker does.
func (s *service) eraseDue() {
	s.t.Helper()
	services, _ := wire(s.kernel)
	for more := true; more; {
		var err error
		if more, err = services.users.EraseDue(s.ctx); err != nil {
			s.t.Fatal(err)
		}
	}
}

// asksForErasure ends the actor's account, and returns when it will be erased.
func (a *actor) asksForErasure() time.Time {
	a.s.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, a.delete("/users/"+a.id).is(202).str("erased_at"))
	if err != nil {
		a.s.t.Fatal(err)
	}
	return at
}

// whereStored returns the columns of all tables that have one of the texts.
func (s *service) whereStored(texts []string) (found []string) {
	s.t.Helper()
	tables, err := s.kernel.DB.Tables(everything)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, table := range tables {
		err := s.kernel.DB.EachRow(everything, table, false, func(row []any) error {
			for i, v := range row {
				for _, text := range texts {
					if stored, ok := v.(string); ok && strings.Contains(strings.ToLower(stored), strings.ToLower(text)) {
						found = append(found, fmt.Sprintf("%s.%s: %s", name, table.Columns[i].Name, stored))
					}
				}
			}
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return found
}

// marked is a person of whom every column that there can be has a text of theirs.
type marked struct {
	*actor
	word string
	owns string // an organization that nobody else is in
}

// texts are what only this person has.
func (m marked) texts() []string {
	return []string{m.email, m.word, "198.51.100." + m.word[len(m.word)-2:]}
}

// marks creates a person who leaves their word everywhere.
func (s *service) marks(word string, root, owner *actor) marked {
	s.t.Helper()
	address := "198.51.100." + word[len(word)-2:] + ":1234"
	there := &service{t: s.t, log: s.log, kernel: s.kernel, app: s.app, auth: s.auth, ctx: s.ctx, address: address}
	a := there.person(word)
	m := marked{actor: a, word: word}
	a.verify()
	a.patch("/users/"+a.id+"/profile", body("bio", word+" bio", "avatar_url", "https://example.com/"+word+".png", "locale", "de")).is(200)
	// Suspensions, in an organization with a reason for the person, and of the account
	// without, and a reason from before reasons were shared.
	a.joins(owner, false)
	owner.post(owner.org("/members/"+a.id+"/suspend"), body("reason", word+" shared")).is(200)
	owner.post(owner.org("/members/"+a.id+"/activate"), nil).is(200)
	root.post("/users/"+a.id+"/suspend", body("reason", word+" confidential", "scope", "account")).is(200)
	root.post("/users/"+a.id+"/activate", body("scope", "account")).is(200)
	root.post("/users/"+a.id+"/archive", body("reason", word+" archived")).is(200)
	root.post("/users/"+a.id+"/unarchive", body("reason", word+" came back")).is(200)
	s.exec("UPDATE users SET external_id = ? WHERE id = ?", word+" elsewhere", a.id)
	again := there.do("POST", "/api/v1/auth/token", "", body("username", a.email, "password", password), "User-Agent", word+" browser").is(200)
	a.access, a.refresh = again.str("access_token"), again.str("refresh_token")
	a.get("/auth/me", "User-Agent", word+" browser").is(200)
	app, _ := a.enrols()
	a.patch("/auth/factors/"+app.id, body("name", word+" phone")).is(200)
	s.exec(`INSERT INTO user_passkeys (user_id, id, credential_id, credential, rp_id, aaguid, sign_count, backed_up, name, created_at)
		VALUES (?, ?, ?, 'secret credential', 'example.com', ?, 1, ?, ?, ?)`, a.id, app.id, word+" credential", app.id, true, word+" key", s.kernel.Now())
	s.exec("INSERT INTO user_identities (user_id, id, issuer, subject, provider, email, linked_at) VALUES (?, ?, 'https://id.example', ?, 'corp', ?, ?)", a.id, app.id, word+" subject", word+"@id.example", s.kernel.Now())
	m.owns = a.post("/organizations", body("name", word+" and friends")).is(201).str("id") // the first one was archived
	a.post("/organizations/"+m.owns+"/api-keys", body("name", word+" CI", "scopes", []string{"read"})).is(201)
	owner.post(owner.org("/invitations"), body("email", fmt.Sprintf("stranger.%d@friends.example", people.Add(1)))).is(201)
	s.invites(a)
	s.exec("INSERT INTO mail_suppressions (address, code, created_at) VALUES (?, '550', ?)", a.email, s.kernel.Now())
	a.ask("step_up")
	return m
}

// invites has somebody invite the person to an organization.
func (s *service) invites(a *actor) {
	s.t.Helper()
	host := s.verifiedPerson("Host")
	host.post(host.org("/invitations"), body("email", a.email)).is(201)
}

func TestErasure(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, owner := s.operator("Root"), s.verifiedPerson("Owner")
		m, other := s.marks("Quillmark21", root, owner), s.marks("Featherby22", root, owner)
		wanted := s.kernel.Now().Add(erasureDelay)
		at := m.asksForErasure()
		if d := at.Sub(wanted); d < 0 || d > time.Minute {
			t.Errorf("erased at %s, not in 14 days", at)
		}
		m.get("/auth/me").is(401)
		s.logIn(m.email, password).is(403)
		shown := root.get("/users/" + m.id).is(200)
		if shown.value("is_archived") != true || shown.value("erased_at") == nil {
			t.Errorf("the account is %s", shown.body)
		}
		again := root.delete("/users/" + m.id).is(202)
		if again.str("erased_at") != shown.str("erased_at") {
			t.Errorf("asking again changed the time: %s, %s", again.body, shown.body)
		}

		s.later(erasureDelay - time.Hour)
		s.eraseDue()
		if len(s.whereStored(m.texts())) == 0 {
			t.Error("erased too early")
		}
		s.later(2 * time.Hour)
		s.eraseDue()

		if left := s.whereStored(m.texts()); len(left) > 0 {
			t.Errorf("left of an erased person:\n%s", strings.Join(left, "\n"))
		}
		for _, table := range []string{"users", "user_profile", "sessions", "user_totp", "user_passkeys", "user_identities", "user_suspensions", "user_archives", "audit_events", "organizations", "organization_invitations", "mail_suppressions"} {
			if !slices.ContainsFunc(s.whereStored(other.texts()), func(where string) bool { return strings.HasPrefix(where, table+".") }) {
				t.Errorf("another person lost their rows of %s, or the test marks none", table)
			}
		}
		s.storeTerms()
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
		if n := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'user.erased' AND user_id = ? AND organization_id IS NULL", m.id); n != 1 {
			t.Errorf("%d events of the erasure", n)
		}

		erased := root.login().get("/users/" + m.id).is(200)
		if erased.str("name") != "Erased" || erased.value("is_archived") != true || erased.str("email") != "erased-"+m.id+"@erased.invalid" {
			t.Errorf("what is left: %s", erased.body)
		}
		root, owner = root.login(), owner.login()
		root.post("/users/"+m.id+"/unarchive", nil).is(409, "account_erased")
		root.post("/users/"+m.id+"/cancel-erasure", nil).is(409, "account_erased")
		root.post("/users/"+m.id+"/activate", body("scope", "account")).is(409, "account_archived")
		root.delete("/users/"+m.id).is(409, "account_erased")
		if a := owner.post(owner.org("/members"), body("user_id", m.id)); a.status < 400 {
			t.Errorf("an erased person was added: %d %s", a.status, a.body)
		}
		s.logIn("erased-"+m.id+"@erased.invalid", password).is(401)
		s.logIn(m.email, password).is(401, "invalid_credentials")
		fresh := s.do("POST", "/api/v1/auth/register", "", body("email", m.email, "password", password, "name", "New")).is(201)
		if fresh.str("user_id") == m.id {
			t.Error("the id is used again")
		}
		s.commandIs(0, m.id+" ", "admin", "erased")
	}, withMailbox)
}

// login logs in again.
func (a *actor) login() *actor {
	a.s.t.Helper()
	return a.s.actorOf(a.s.logIn(a.email, password).is(200))
}

// TestAnErasedAddressCannotBeTaken: whoever registers the address that an erased account gets
// does not keep the person from being erased.
func TestAnErasedAddressCannotBeTaken(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		s.do("POST", "/api/v1/auth/register", "", body("email", "erased-"+ada.id+"@erased.invalid", "password", password, "name", "Eve")).is(201)
		ada.asksForErasure()
		s.later(erasureDelay + time.Hour)
		s.eraseDue()
		if left := s.whereStored([]string{ada.email}); len(left) > 0 {
			t.Error(left)
		}
	})
}

func TestErasureIsCancelled(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		for name, cancel := range map[string]func(a *actor){
			"cancel":    func(a *actor) { root.login().post("/users/"+a.id+"/cancel-erasure", nil).is(200) },
			"unarchive": func(a *actor) { root.login().post("/users/"+a.id+"/unarchive", nil).is(200) },
		} {
			grace := s.person("Grace")
			root.post("/users/"+grace.id+"/cancel-erasure", nil).is(409, "not_being_erased")
			grace.asksForErasure()
			cancel(grace)
			if shown := root.login().get("/users/" + grace.id).is(200); shown.value("erased_at") != nil || shown.value("is_archived") != false {
				t.Errorf("%s: %s", name, shown.body)
			}
			s.later(erasureDelay + time.Hour)
			s.eraseDue()
			s.logIn(grace.email, password).is(200)
			if n := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'user.erasure_cancelled' AND user_id = ?", grace.id); n != 1 {
				t.Errorf("%s: %d events", name, n)
			}
			root = root.login()
		}
		// The release before this one can restore an account without knowing of its erasure.
		grace := s.person("Grace")
		grace.asksForErasure()
		s.exec("UPDATE user_archives SET restored_at = ? WHERE user_id = ?", s.kernel.Now(), grace.id)
		s.exec("INSERT INTO user_active_status (id, user_id, activated_at) VALUES (?, ?, ?)", root.id, grace.id, s.kernel.Now())
		s.later(erasureDelay + time.Hour)
		s.eraseDue()
		s.logIn(grace.email, password).is(200)
	})
}

// TestErasureIsDisavowed: who did not ask for the erasure of their account keeps it by the mail
// that tells them of it. What a platform administrator decided stays.
func TestErasureIsDisavowed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, grace, bob := s.operator("Root"), s.verifiedPerson("Grace"), s.verifiedPerson("Bob")
		grace.asksForErasure()
		notice := s.mail(grace.email, "erasure_requested")
		s.public("/auth/disavow", "link_token", notice.link()).is(204)
		if shown := root.get("/users/" + grace.id).is(200); shown.value("erased_at") != nil || shown.value("is_archived") != false {
			t.Errorf("after the disavowal: %s", shown.body)
		}
		s.logIn(grace.email, password).is(401, "invalid_credentials") // a thief may know the password
		s.public("/auth/disavow", "link_token", notice.link()).is(401, "invalid_challenge")

		s.logIn(bob.email, password, "organization_id", bob.organization).is(200)
		bob.patch("/users/"+bob.id+"/password", body("old_password", password, "new_password", "five boxing wizards")).is(204)
		link := s.mail(bob.email, "password_changed").link()
		root.delete("/users/" + bob.id).is(202)
		if told := s.mail(bob.email, "erasure_requested"); told.link() != "" {
			t.Error("a mail about what an administrator decided has a link against it")
		}
		s.public("/auth/disavow", "link_token", link).is(204)
		if shown := root.get("/users/" + bob.id).is(200); shown.value("erased_at") == nil {
			t.Errorf("a person undid what an administrator decided: %s", shown.body)
		}
	}, withMailbox)
}

func TestErasureIsRefused(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		grace := s.person("Grace")
		grace.joins(ada, false)
		ada.delete("/users/"+ada.id).is(409, "owner_required")
		if shown := root.get("/users/" + ada.id).is(200); shown.value("is_archived") != false || shown.value("erased_at") != nil {
			t.Errorf("a refused erasure changed the account: %s", shown.body)
		}
		grace.delete("/users/"+ada.id).is(403, "not_yourself")
		grace.get("/users/"+ada.id+"/export").is(403, "not_yourself")
		root.delete("/users/"+root.id).is(409, "last_platform_administrator")
		second := s.operator("Second")
		second.delete("/users/" + second.id).is(202)
		root.delete("/users/"+root.id).is(409, "last_platform_administrator")
		program := ada.machine("CI")
		root.delete("/users/"+program).is(409, "service_account")

		s.later(11 * time.Minute)
		grace.delete("/users/"+grace.id).is(401, "step_up_required")
		grace.get("/users/"+grace.id+"/export").is(401, "step_up_required")
		root.delete("/users/"+grace.id).is(401, "step_up_required")
	})
}

// TestAnOrganizationOutlivesItsOwner: an archived organization keeps an owner of whom only the
// id is left, and can be transferred.
func TestAnOrganizationOutlivesItsOwner(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		ada.asksForErasure()
		s.later(erasureDelay + time.Hour)
		s.eraseDue()
		s.storeTerms()
		if n := s.count("SELECT COUNT(*) FROM organization_members WHERE user_id = ?", ada.id); n != 1 {
			t.Errorf("%d memberships", n)
		}
		s.exec("INSERT INTO organization_members (organization_id, user_id, joined_at) VALUES (?, ?, ?)", ada.organization, grace.id, s.kernel.Now())
		s.exec("INSERT INTO user_active_status (id, user_id, organization_id, activated_at) VALUES (?, ?, ?, ?)", ada.id, grace.id, ada.organization, s.kernel.Now())
		s.commandIs(0, "", "organization", "unarchive", ada.organization)
		s.commandIs(0, "", "organization", "transfer", ada.organization, grace.email)
		s.storeTerms()
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
	}, withMailbox)
}

// TestErasureOnce: several processes find the same person at once.
func TestErasureOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		var due []*actor
		for range 4 {
			a := s.person("Grace")
			a.asksForErasure()
			due = append(due, a)
		}
		s.later(erasureDelay + time.Hour)
		var work sync.WaitGroup
		for range 6 {
			work.Go(func() {
				services, _ := wire(s.kernel)
				if _, err := services.users.EraseDue(s.ctx); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		services, _ := wire(s.kernel)
		var ids []uuid.UUID // they were erased before a backup that is restored
		for _, a := range due {
			ids = append(ids, uuid.MustParse(a.id))
		}
		if again, err := services.users.EraseAgain(s.ctx, ids); err != nil || again != 0 {
			t.Errorf("%d erased again, %v", again, err)
		}
		for _, a := range due {
			if n := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'user.erased' AND user_id = ? AND organization_id IS NULL", a.id); n != 1 {
				t.Errorf("%d events", n)
			}
		}
	})
}

// TestErasureIsPutOff while a worker is about to erase: it has found the person, and waits for
// the account.
func TestErasureIsPutOff(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		grace := s.person("Grace")
		grace.asksForErasure()
		s.later(erasureDelay + time.Hour)
		worker := make(chan error, 1)
		err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
			// The person cancels, and asks again.
			if err := s.kernel.DB.Conn(ctx).Exec("UPDATE users SET erase_at = ? WHERE id = ?", s.kernel.Now().Add(erasureDelay), grace.id).Error; err != nil {
				return err
			}
			services, _ := wire(s.kernel)
			go func() { _, err := services.users.EraseDue(s.ctx); worker <- err }()
			time.Sleep(200 * time.Millisecond) // it waits after this, or is late and finds nobody
			return nil
		})
		if err := errors.Join(err, <-worker); err != nil {
			t.Fatal(err)
		}
		if n := s.count("SELECT COUNT(*) FROM users WHERE id = ? AND erased_at IS NULL", grace.id); n != 1 {
			t.Error("the person was erased before the time")
		}
	})
}

func TestExport(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, owner := s.operator("Rootsecret"), s.verifiedPerson("Owner")
		m := s.marks("Quillmark21", root, owner)
		other := s.marks("Featherby22", root, owner)
		for _, act := range []string{"deactivate", "activate"} { // what an admin did from somewhere
			s.from("203.0.113.99:1", "POST", "/api/v1"+owner.org("/members/"+m.id+"/"+act), body(), "Authorization", "Bearer "+owner.access, "User-Agent", "Foreign browser").is(200)
		}
		a := m.get("/users/" + m.id + "/export").is(200)
		if d := a.header.Get("Content-Disposition"); d != "attachment; filename=export-"+m.id+".json" {
			t.Errorf("Content-Disposition: %s", d)
		}
		if c := a.header.Get("Cache-Control"); c != "no-store" {
			t.Errorf("Cache-Control: %s", c)
		}
		var file struct {
			UserID     string                      `json:"user_id"`
			Data       map[string][]map[string]any `json:"data"`
			Incomplete []string                    `json:"incomplete"`
		}
		if err := json.Unmarshal(a.body, &file); err != nil || file.UserID != m.id || len(file.Incomplete) != 0 {
			t.Fatalf("%v: %s", err, a.body)
		}
		for name, want := range map[string]string{
			"account": m.email, "profile": m.word + ".png", "sessions": m.word + " browser", "authenticators": m.word + " phone", "passkeys": m.word + " key",
			"suspensions": m.word + " shared", "organizations": m.word + " and friends", "invitations": m.email, "mails": "verify_email", "undeliverable": m.email,
			"activity": m.word + " browser", "memberships": owner.organization, "owner_of": m.owns, "standing": owner.organization, "codes_sent": "step_up",
			"password": "updated_at", "recovery_codes": "created_at", "archives": "restored_at",
		} {
			if text, _ := json.Marshal(file.Data[name]); !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %q: %s", name, want, text)
			}
		}
		for _, text := range []string{m.word + " CI", m.word + " elsewhere", m.word + " bio", "198.51.100.21"} {
			if !strings.Contains(string(a.body), text) {
				t.Errorf("the export lacks %q", text)
			}
		}
		// What others told each other, what is secret, and what others are.
		foreign := append(other.texts(), other.id, m.word+" confidential", m.word+" archived", m.word+" came back", "secret credential", m.word+" credential", "$argon2",
			root.id, root.email, "Rootsecret", owner.id, owner.email, "@friends.example", "203.0.113.99", "Foreign browser")
		for _, text := range foreign {
			if at := strings.Index(string(a.body), text); at >= 0 {
				t.Errorf("the export has %q: …%s…", text, a.body[max(0, at-200):min(len(a.body), at+60)])
			}
		}
		for _, hash := range []string{
			"SELECT token_hash FROM organization_invitations LIMIT 1", "SELECT secret FROM user_totp LIMIT 1", "SELECT hash FROM user_recovery_codes LIMIT 1",
			"SELECT password_hash FROM user_login_password LIMIT 1", "SELECT secret_hash FROM sessions WHERE secret_hash IS NOT NULL LIMIT 1",
		} {
			var secret string
			if err := s.kernel.DB.Row(everything, hash).Scan(&secret); err != nil || strings.Contains(string(a.body), secret) {
				t.Errorf("%s: %v, or the export has it", hash, err)
			}
		}
		if same := root.get("/users/" + m.id + "/export").is(200); len(same.body) < len(a.body)/2 {
			t.Errorf("a platform administrator gets another export: %s", same.body)
		}

		// Whoever registers an address does not see what others sent to its owner.
		s.invites(&actor{s: s, email: "victim@example.com"})
		squatter := s.actorOf(s.do("POST", "/api/v1/auth/register", "", body("email", "victim@example.com", "password", password, "name", "Eve")).is(201))
		if got := squatter.get("/users/" + squatter.id + "/export").is(200); len(listOf(got.value("data.invitations"))) != 0 || len(listOf(got.value("data.mails"))) != 0 {
			t.Errorf("an address that is not proved shows %s", got.body)
		}
		squatter.asksForErasure()
		s.later(erasureDelay + time.Hour)
		s.eraseDue()
		if n := s.count("SELECT COUNT(*) FROM organization_invitations WHERE email_canonical = 'victim@example.com'"); n != 1 {
			t.Error("whoever registered an address deleted the invitation of its owner")
		}
	}, withMailbox)
}

// TestExportsAreLimited: nobody
// collects exports all the time.
func TestExportsAreLimited(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for range 10 {
			ada.get("/users/" + ada.id + "/export").is(200)
		}
		ada.get("/users/"+ada.id+"/export").is(429, "too_many_requests")
	}, func(c *config.Config) { c.RateLimitEnabled = true })
}

// TestTablesSayWhatIsPersonal: an export shows or omits each column of a table that it reads,
// and an erasure has a statement about each table with a column of a person's text.
func TestTablesSayWhatIsPersonal(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		described, err := s.kernel.DB.Tables(everything)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range s.app.Tables() {
			c := table.Copy
			if len(c.Columns()) == 0 {
				continue
			}
			said := append(c.Columns(), c.Omits()...)
			for _, column := range described[table.Name].ColumnNames() {
				if n := len(slices.DeleteFunc(slices.Clone(said), func(name string) bool { return name != column })); n != 1 {
					t.Errorf("%s.%s is %d times in what the export has and omits", table.Name, column, n)
				}
			}
			if len(said) != len(described[table.Name].Columns) {
				t.Errorf("%s: the export names a column that does not exist: %v", table.Name, said)
			}
		}
	})
}

// TestTheErasedStayErased: a backup of before an erasure does not bring the person back.
func TestTheErasedStayErased(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		dir := t.TempDir()
		file := filepath.Join(dir, "before.db")
		s := start(t, from, withMailbox, func(c *config.Config) { c.BackupDir = dir })
		root, owner := s.operator("Root"), s.verifiedPerson("Owner")
		m, ada := s.marks("Quillmark21", root, owner), s.person("Ada")
		if out, status := run(t, dir, inProduction(from), "backup", file); status != 0 {
			t.Fatalf("backup: %d\n%s", status, out)
		}
		list := filepath.Join(dir, "erased.txt")
		if _, err := os.Stat(list); err == nil {
			t.Error("a list without anybody")
		}
		m.asksForErasure()
		s.later(erasureDelay + time.Hour)
		s.eraseDue()
		if text, err := os.ReadFile(list); err != nil || !strings.HasPrefix(string(text), m.id+" ") || strings.Count(string(text), "\n") != 1 {
			t.Errorf("the list: %v %q", err, text)
		}
		// It is made again from the database, with every backup.
		if err := os.Remove(list); err != nil {
			t.Fatal(err)
		}
		if out, status := run(t, dir, inProduction(from), "backup", filepath.Join(dir, "after.db")); status != 0 {
			t.Fatalf("backup: %d\n%s", status, out)
		}
		if text, err := os.ReadFile(list); err != nil || !strings.HasPrefix(string(text), m.id+" ") {
			t.Fatalf("the list beside a backup: %v %q", err, text)
		}

		// A copy elsewhere, without the list, is restored with that of the scheduled backups.
		content, err := os.ReadFile(file)
		away := filepath.Join(t.TempDir(), "copy.db")
		if err == nil {
			err = os.WriteFile(away, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := inProduction("sqlite:///" + filepath.Join(t.TempDir(), "y.db"))
		if out, status := run(t, dir, append(elsewhere, "BACKUP_DIR="+dir), "restore", away); status != 0 || !strings.Contains(out, "erased again: 1") {
			t.Fatalf("restore: %d\n%s", status, out)
		}

		out, status := run(t, dir, inProduction(to), "restore", file, "--json")
		var report struct{ Erased int }
		if i := strings.Index(out, "{"); status != 0 || i < 0 || json.Unmarshal([]byte(out[i:]), &report) != nil || report.Erased != 1 {
			t.Fatalf("restore: %d\n%s", status, out)
		}
		restored := start(t, to, withMailbox)
		if left := restored.whereStored(m.texts()); len(left) > 0 {
			t.Errorf("the backup brought back:\n%s", strings.Join(left, "\n"))
		}
		restored.logIn(m.email, password).is(401, "invalid_credentials")
		restored.logIn(ada.email, password).is(200)
		restored.storeTerms()
		if broken := invariants(t, restored.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
		// A list that can't be read is no list of nobody.
		if err := os.WriteFile(list, []byte("nonsense\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"restore", file}, {"restore", file, "--erased", list}, {"restore", file, "--erased", filepath.Join(dir, "none.txt")}} {
			if out, status := run(t, t.TempDir(), inProduction("sqlite:///"+filepath.Join(t.TempDir(), "x.db")), args...); status != 1 {
				t.Errorf("%v: %d\n%s", args, status, out)
			}
		}
	})
}

// TestARestoredOwnerIsErased: the backup may know the person as the owner of an organization
// that others are in. It stays, for the operator to transfer.
func TestARestoredOwnerIsErased(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		dir := t.TempDir()
		file := filepath.Join(dir, "before.db")
		s := start(t, from, withMailbox)
		ada, grace := s.person("Ada"), s.person("Grace")
		grace.joins(ada, false)
		if out, status := run(t, dir, inProduction(from), "backup", file); status != 0 {
			t.Fatalf("backup: %d\n%s", status, out)
		}
		list := filepath.Join(dir, "since.txt")
		if err := os.WriteFile(list, []byte("# from the other site\n"+ada.id+" 2026-11-30T10:00:00Z\n\n01a22000-0000-7000-8000-000000000000 2026-11-30T10:00:00Z\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, status := run(t, dir, inProduction(to), "restore", file, "--erased", list); status != 0 || !strings.Contains(out, "erased again: 1") {
			t.Fatalf("restore: %d\n%s", status, out)
		}
		restored := start(t, to, withMailbox)
		restored.logIn(ada.email, password).is(401, "invalid_credentials")
		restored.storeTerms()
		if broken := invariants(t, restored.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
		restored.commandIs(0, "", "organization", "transfer", ada.organization, grace.email)
		there := restored.actorOf(restored.logIn(grace.email, password).is(200))
		there.get("/organizations/" + ada.organization + "/permissions/me").is(200)
	})
}

// TestAnAdministratorsErasureStays: also of an account that the person had archived before.
func TestAnAdministratorsErasureStays(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, bob := s.operator("Root"), s.verifiedPerson("Bob")
		bob.patch("/users/"+bob.id+"/password", body("old_password", password, "new_password", "five boxing wizards")).is(204)
		link := s.mail(bob.email, "password_changed").link()
		bob.post("/users/"+bob.id+"/archive", body("reason", "I leave.")).is(200)
		root.delete("/users/" + bob.id).is(202)
		s.public("/auth/disavow", "link_token", link).is(204)
		if shown := root.get("/users/" + bob.id).is(200); shown.value("erased_at") == nil || shown.value("is_archived") != true {
			t.Errorf("a person undid what an administrator decided: %s", shown.body)
		}
	}, withMailbox)
}

// TestAFormerErasureIsNone: an earlier release restores an account and leaves when it was to be
// erased. That neither erases an account that is archived later, nor stands for a new wish.
func TestAFormerErasureIsNone(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		restoredByFormer := func(name string) *actor {
			a := s.person(name)
			a.asksForErasure()
			s.exec("UPDATE user_archives SET restored_at = ? WHERE user_id = ?", s.kernel.Now(), a.id)
			s.exec("INSERT INTO user_active_status (id, user_id, activated_at) VALUES (?, ?, ?)", a.id, a.id, s.kernel.Now())
			return s.actorOf(s.logIn(a.email, password).is(200))
		}
		ada, grace := restoredByFormer("Ada"), restoredByFormer("Grace")
		s.later(24 * time.Hour)
		ada, grace = ada.login(), grace.login()
		ada.post("/users/"+ada.id+"/archive", body("reason", "A pause.")).is(200)
		if due := grace.asksForErasure(); due.Before(s.kernel.Now().Add(erasureDelay - time.Minute)) {
			t.Errorf("due at %s", due)
		}
		grace.get("/auth/me").is(401)
		s.later(erasureDelay + time.Hour)
		s.eraseDue()
		root = root.login()
		if shown := root.get("/users/" + ada.id).is(200); shown.str("name") != "Ada" {
			t.Errorf("a person who archived their account was erased: %s", shown.body)
		}
		if shown := root.get("/users/" + grace.id).is(200); shown.str("name") != "Erased" {
			t.Errorf("a person who asked again was not erased: %s", shown.body)
		}
	})
}

// TestErasedOrganizationsNamesLeaveTheLog: the name of an organization that only the person was
// in goes from the audit log, too, and the reasons that they gave there.
func TestErasedOrganizationsNamesLeaveTheLog(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, owner := s.verifiedPerson("Ada"), s.person("Grace"), s.verifiedPerson("Owner")
		owner.patch(owner.org(""), body("name", "Kept Firm")).is(200)
		ada.joins(owner, true)
		ada.patch(owner.org(""), body("name", "Keepers Firm")).is(200)
		grace.joins(ada, false)
		ada.post(ada.org("/members/"+grace.id+"/suspend"), body("reason", "Keptreason of Grace")).is(200)
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		ada.patch(ada.org(""), body("name", "Quillmark Household")).is(200)
		ada.post(ada.org("/suspend"), body("reason", "Quillmark is away")).is(200)
		ada.post(ada.org("/activate"), nil).is(200)
		ada.asksForErasure()
		s.later(erasureDelay + time.Hour)
		s.eraseDue()
		if left := s.whereStored([]string{"Quillmark"}); len(left) > 0 {
			t.Errorf("left: %s", strings.Join(left, "\n"))
		}
		for _, text := range []string{"Kept Firm", "Keepers Firm", "Keptreason"} {
			if len(s.whereStored([]string{text})) == 0 {
				t.Errorf("%q of others is gone", text)
			}
		}
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
		s.commandIs(0, "", "audit", "verify")
	}, withMailbox)
}

// TestExportHasNoSessionsOfOthers: an administrator ended one.
func TestExportHasNoSessionsOfOthers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		session := s.table("SELECT id FROM sessions WHERE user_id = ?", ada.id)[0][0]
		root.delete("/users/" + ada.id + "/sessions/" + session).is(204)
		if a := root.get("/users/" + root.id + "/export").is(200); strings.Contains(string(a.body), session) {
			t.Error("the export has the id of another person's session")
		}
	})
}
