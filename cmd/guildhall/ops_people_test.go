package main

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"guildhall/platform/config"
)

// bcrypted returns the hash that another system would have of a password.
func bcrypted(t testing.TB, chosen string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(chosen), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// moved is what `import people --json` prints.
type moved struct {
	People, Refused int
	Made            int    `json:"accounts_made"`
	Found           int    `json:"accounts_found"`
	WithoutPassword int    `json:"without_password"`
	Invited         int    `json:"invited"`
	Organizations   int    `json:"organizations_made"`
	Existing        int    `json:"organizations_found"`
	Memberships     int    `json:"memberships_made"`
	Members         int    `json:"memberships_found"`
	Changed         int    `json:"accounts_changed"`
	Gone            int    `json:"accounts_gone"`
	Ended           int    `json:"memberships_ended"`
	Verified        int    `json:"passwords_verified"`
	Listed          string `json:"without_password_file"`
	GoneFile        string `json:"gone_file"`
}

// file writes a file for a command.
func (c atServer) file(name string, lines ...string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// imports runs `import people`, and returns what it printed.
func (c atServer) imports(args ...string) (m moved, errs string) {
	c.t.Helper()
	out, errs, status := separately(c.t, "", c.dir, c.environ, append([]string{"import", "people", "--json"}, args...)...)
	if status != 0 || json.Unmarshal([]byte(out), &m) != nil {
		c.t.Fatalf("import people %q: %d\n%s%s", args, status, out, errs)
	}
	return m, errs
}

// refusals returns the refused rows of a file: "line field code".
func (c atServer) refusals(path string) (list []string) {
	c.t.Helper()
	content, err := os.ReadFile(path + ".rejected.jsonl")
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		var r struct {
			Line                 int
			Field, Code, Message string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil || !strings.HasPrefix(r.Message, "The ") || !strings.HasSuffix(r.Message, ".") {
			c.t.Fatalf("%s: %v", line, err)
		}
		list = append(list, fmt.Sprintf("%d %s %s", r.Line, r.Field, r.Code))
	}
	return list
}

func (s *service) isSound() {
	s.t.Helper()
	c := s.atServer()
	c.ok("audit", "verify")
	if out, _ := runWith(s.t, "", c.dir, c.environ, "doctor"); !strings.Contains(out, "every invariant holds") {
		s.t.Fatalf("doctor:\n%s", out) // its status is about the settings of the server, too
	}
}

// TestPeopleMoveIn imports people and organizations: they log in with their passwords, have
// their roles and standings, and platform administrators read the ids of the former system.
func TestPeopleMoveIn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		hash := bcrypted(t, password)
		c := s.atServer()
		path := c.file("people.jsonl",
			`{"email":"ada@old.example","name":"Ada","external_id":"u-1","password_hash":"`+hash+`","bio":"Engines","avatar_url":"https://example.com/a.png","created_at":"2020-01-02T03:04:05Z","email_verified":true,"memberships":[{"organization":"Foundry","role":"admin"}]}`,
			`{"type":"organization","name":"Engines","external_id":"o-1","owner":"ADA@old.example","created_at":"2019-01-02T03:04:05Z"}`,
			`{"type":"organization","name":"Foundry"}`,
			`{"type":"organization","name":"Closed","owner":"ada@old.example","standing":"archived","archive_reason":"gone"}`,
			`{"type":"organization","name":"Unpaid","owner":"ada@old.example","standing":"suspended","suspension_reason":"unpaid"}`,
			`{"type":"person","email":"Grace@old.example","name":"Grace","password_hash":"`+hash+`","memberships":[{"organization":"Foundry","role":"owner"},{"organization":"o-1"}]}`,
			`{"email":"eve@old.example","name":"Eve","password_hash":"`+hash+`","standing":"suspended","suspension_reason":"spam","suspended_until":"2999-01-01T00:00:00Z","memberships":[{"organization":"Engines","standing":"suspended","suspension_reason":"rude"}]}`,
			`{"email":"dora@old.example","name":"Dora","password_hash":"`+hash+`","standing":"deactivated"}`,
			`{"email":"zoe@old.example","name":"Zoe","password_hash":"`+hash+`","standing":"archived","archive_reason":"left"}`,
			`{"email":"nopassword@old.example","name":"Nobody"}`,
		)
		before := s.sizes()
		dry, _ := c.imports("--dry-run", path)
		if after := s.sizes(); !maps.Equal(before, after) {
			t.Fatalf("a dry run wrote: %v %v", before, after)
		}
		m, _ := c.imports(path)
		if want := (moved{People: 6, Made: 6, WithoutPassword: 1, Organizations: 4, Memberships: 7, Listed: m.Listed}); m != want || m.Listed == "" {
			t.Errorf("made %+v", m)
		}
		if dry.Listed = m.Listed; dry != m {
			t.Errorf("the dry run said %+v, not %+v", dry, m)
		}
		if listed, err := os.ReadFile(m.Listed); err != nil || string(listed) != "nopassword@old.example\n" {
			t.Errorf("without password: %s %v", listed, err)
		}
		s.isSound()

		ada := s.actorOf(s.logIn("ada@old.example", password).is(200))
		s.logIn("grace@old.example", password).is(200)
		s.logIn("eve@old.example", password).is(403, "account_suspended")
		s.logIn("dora@old.example", password).is(403, "account_inactive")
		s.logIn("zoe@old.example", password).is(403, "account_archived")
		s.logIn("nopassword@old.example", password).is(401)
		me := ada.get("/auth/me").is(200)
		if me.value("external_id") != nil || me.value("email_verified") != false || me.str("created_at") != "2020-01-02T03:04:05Z" || me.str("bio") != "Engines" {
			t.Errorf("me: %s", me.body)
		}
		roles := map[string]string{}
		for _, o := range ada.get("/organizations?include_archived=true").is(200).list() {
			roles[fmt.Sprint(o["name"])] = fmt.Sprint(o["role"], " ", o["is_archived"], o["is_suspended"], o["external_id"])
		}
		want := map[string]string{"Engines": "owner false false <nil>", "Foundry": "admin false false <nil>", "Closed": "owner true false <nil>", "Unpaid": "owner false true <nil>"}
		if !maps.Equal(roles, want) {
			t.Errorf("organizations: %v", roles)
		}
		operator := s.operator("Oz")
		if v := operator.get("/users/" + ada.id).is(200); v.str("external_id") != "u-1" {
			t.Errorf("as operator: %s", v.body)
		}
		for _, u := range operator.get("/users?scope=all").is(200).list() {
			if (u["external_id"] == "u-1") != (u["email"] == "ada@old.example") {
				t.Errorf("listed: %v", u)
			}
		}
		if o := operator.get("/organizations?scope=all").is(200).list(); o[0]["external_id"] == nil && o[1]["external_id"] == nil && o[2]["external_id"] == nil && o[3]["external_id"] == nil {
			t.Errorf("organizations as operator: %v", o)
		}
		for _, e := range operator.get("/users/" + ada.id + "/audit-events").is(200).list() {
			if e["action"] == "user.created" && e["actor_role"] != "command_line" {
				t.Errorf("event: %v", e)
			}
		}
		for table := range s.schema() {
			if strings.HasPrefix(table, "audit_") && strings.Contains(fmt.Sprint(s.table("SELECT * FROM "+table)), hash) {
				t.Errorf("%s has a hash", table)
			}
		}

		before = s.sizes()
		again, _ := c.imports(path)
		if after := s.sizes(); !maps.Equal(before, after) {
			t.Errorf("the second run wrote: %v %v", before, after)
		}
		if again.Made+again.Organizations+again.Memberships+again.Refused != 0 || again.Found != 6 || again.Existing != 4 {
			t.Errorf("the second run: %+v", again)
		}
	})
}

// TestPeopleMoveInFromASpreadsheet imports a packed CSV file, from standard input.
func TestPeopleMoveInFromASpreadsheet(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		fmt.Fprint(w, "\xef\xbb\xbftype,email,name,organization,role,memberships,owner,email_verified,bio\r\n"+
			"organization,,Engines,,,,ada@old.example,,\r\n"+
			"organization,,Foundry,,,,ada@old.example,,\r\n"+
			",ada@old.example,Ada,,,,,TRUE,\"two\nlines\"\r\n"+
			",grace@old.example,Grace,Engines,admin,,,,\r\n"+
			",eve@old.example,Eve,,,\"[{\"\"organization\"\":\"\"Engines\"\"},{\"\"organization\"\":\"\"Foundry\"\"}]\",,,\r\n"+
			",zoe@old.example,\"=HYPERLINK(\"\"https://evil.example\"\")\",,,,,,\r\n"+
			",yan@old.example,@SUM(1),,,,,,\r\n"+
			",wes@old.example,Wes\x01,,,,,,\r\n"+
			",two@old.example\r\n")
		_ = w.Close()
		out, errs, status := separately(t, packed.String(), c.dir, c.environ, "import", "people", "--json", "--trust-verified", "-")
		var m moved
		if status != 0 || json.Unmarshal([]byte(out), &m) != nil || m.Made != 3 || m.Organizations != 2 || m.Memberships != 5 || m.Refused != 4 {
			t.Fatalf("%d\n%s%s", status, out, errs)
		}
		rejected, err := os.ReadFile(filepath.Join(c.dir, "rejected.jsonl"))
		if err != nil || strings.Count(string(rejected), `"formula"`) != 2 || !strings.Contains(string(rejected), "forbidden_character") || !strings.Contains(string(rejected), "wrong_columns") {
			t.Errorf("rejected: %s %v", rejected, err)
		}
		if strings.Contains(errs+string(rejected), "HYPERLINK") {
			t.Errorf("a value is repeated: %s", errs)
		}
		if n := s.count("SELECT COUNT(*) FROM users WHERE email_verified_at IS NOT NULL"); n != 1 {
			t.Errorf("%d addresses are proved", n)
		}
		s.isSound()
	})
}

// TestRefusedRowsStayOut checks each refusal, and that the other rows are imported.
func TestRefusedRowsStayOut(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, another, existing, former := s.operator("Oz"), s.operator("Xo"), s.person("Ada"), s.person("Former")
		former.joins(existing, false)
		existing.delete(existing.org("/members/" + former.id)).is(204)
		c := s.atServer()
		hash := bcrypted(t, password)
		costly := "$argon2id$v=19$m=4194304,t=1000,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdHNvbWVzYWx0"
		lines := []string{
			`{"email":"good@old.example","name":"Good","external_id":"x"}`,
			`{"email":"GOOD@old.example","name":"Twice"}`,
			`{"email":"no","name":"N"}`,
			`{"name":"N"}`,
			`{"email":"n1@old.example","name":"a\u202eb"}`,
			`{"email":"n2@old.example","name":"N","external_id":"x"}`,
			`{"email":"n3@old.example","name":"N","avatar_url":"javascript:alert(1)"}`,
			`{"email":"n4@old.example","name":"N","created_at":"2999-01-01T00:00:00Z"}`,
			`{"email":"n5@old.example","name":"N","standing":"suspended"}`,
			`{"email":"n6@old.example","name":"N","standing":"happy"}`,
			`{"email":"n7@old.example","name":"N","password":"secret"}`,
			`{"email":"n8@old.example","name":"N","password_hash":"` + costly + `"}`,
			`{"email":"n9@old.example","name":"N","password_hash":"5f4dcc3b5aa765d61d8327deb882cf99x"}`,
			`{"email":"` + operator.email + `","name":"N"}`,
			`{"email":"n10@old.example","name":"N","memberships":[{"organization":"` + existing.organization + `","role":"owner"}]}`,
			`{"email":"n11@old.example","name":"N","memberships":[{"organization":"Ownerless"}]}`,
			`{"type":"organization","name":"Ownerless"}`,
			`{"type":"organization","name":"Stranger's","owner":"nobody@old.example"}`,
			`{"type":"organization","name":"Operator's","owner":"` + another.email + `"}`,
			`{"type":"organization","name":"Ada's Organization","owner":"good@old.example"}`,
			`not JSON`,
			`{"email":"n12@old.example","name":7}`,
			`{"email":"n13@old.example","name":"N","id":"` + existing.id + `"}`,
			`{"email":"n14@old.example","name":"N","owner":"x@old.example"}`,
			`{"email":"last@old.example","name":"Last","password_hash":"` + hash + `"}`,
		}
		path := c.file("people.jsonl", lines...)
		before := s.sizes()
		out, errs, status := separately(t, "", c.dir, c.environ, "import", "people", "--strict", path)
		if status != 1 || !strings.Contains(errs, "nothing was imported: 23 of") || !maps.Equal(before, s.sizes()) {
			t.Fatalf("strict: %d\n%s%s", status, out, errs)
		}
		m, errs := c.imports(path)
		if m.Made != 2 || m.Refused != 23 || m.Organizations != 0 {
			t.Errorf("%+v", m)
		}
		want := []string{
			"17 owner owner_missing", "18 owner owner_missing", "19 owner platform_administrator", "20 name organization_exists",
			"2 email repeated", "3 email not_an_email_address", "4 email required", "5 name forbidden_character", "6 external_id repeated",
			"7 avatar_url not_an_https_url", "8 created_at in_the_future", "9 suspension_reason required", "10 standing not_in_enum",
			"11 password unknown_field", "12 password_hash unreadable_hash", "13 password_hash unreadable_hash", "14 email platform_administrator",
			"15 memberships[0].organization unknown_organization", "16 memberships[0].organization organization_refused",
			"21 line not_an_object", "22 name unacceptable", "23 id id_taken", "24 owner unknown_field",
		}
		if got := c.refusals(path); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("refused:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		rejected, _ := os.ReadFile(path + ".rejected.jsonl")
		for _, secret := range []string{costly, "5f4dcc3b5aa765d61d8327deb882cf99x", "secret", hash} {
			if strings.Contains(errs+string(rejected)+out, secret) {
				t.Errorf("%s is printed", secret)
			}
		}
		s.logIn(operator.email, password).is(200)

		// With leave, people join what exists, but nobody becomes its owner or returns.
		path = c.file("joining.jsonl",
			`{"email":"j1@old.example","name":"J","memberships":[{"organization":"`+existing.organization+`","role":"admin"}]}`,
			`{"email":"j2@old.example","name":"J","memberships":[{"organization":"`+existing.organization+`","role":"owner"}]}`,
			`{"email":"`+former.email+`","name":"J","memberships":[{"organization":"`+existing.organization+`"}]}`,
			`{"email":"`+existing.email+`","name":"Other","password_hash":"`+hash+`","memberships":[{"organization":"`+existing.organization+`","role":"owner"}]}`,
			`{"email":"j3@old.example","name":"J","memberships":[{"organization":"Nowhere"}]}`,
		)
		m, _ = c.imports("--allow-existing-organizations", path)
		if m.Made != 1 || m.Found != 1 || m.Memberships != 1 || m.Members != 1 {
			t.Errorf("joined: %+v", m)
		}
		want = []string{"2 memberships[0].role owner_exists", "3 memberships[0].organization former_member", "5 memberships[0].organization unknown_organization"}
		if got := c.refusals(path); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("refused:\n%s", strings.Join(got, "\n"))
		}
		if me := existing.get("/auth/me").is(200); me.str("name") != "Ada" {
			t.Errorf("an existing account was changed: %s", me.body)
		}
		s.isSound()
	})
}

// TestKnownPasswordsAreTried checks that a hash that was read in the wrong way shows before
// anything is written.
func TestKnownPasswordsAreTried(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		path := c.file("people.jsonl",
			`{"email":"ada@old.example","name":"Ada","password_hash":"`+bcrypted(t, password)+`"}`,
			`{"email":"grace@old.example","name":"Grace"}`)
		before := s.sizes()
		for known, says := range map[string]string{
			"email,password\nada@old.example,wrong horses":                 "ada@old.example has another password",
			`{"email":"grace@old.example","password":"right horses"}`:      "grace@old.example has no password hash",
			`{"email":"nobody@old.example","password":"right horses"}`:     "nobody@old.example is nobody whom the import accepts",
			`{"email":"ada@old.example","password":"right horses","x":"y"`: "line 1 is no JSON object",
		} {
			out, errs, status := separately(t, "", c.dir, c.environ, "import", "people", "--verify", c.file("known", known), path)
			if status != 1 || !strings.Contains(errs, says) || strings.Contains(errs, "horses") || strings.Contains(errs, "$2") || !maps.Equal(before, s.sizes()) {
				t.Errorf("%s: %d\n%s%s", known, status, out, errs)
			}
		}
		m, _ := c.imports("--verify", c.file("known", "email,password", `ADA@old.example,"`+password+`"`), path)
		if m.Verified != 1 || m.Made != 2 {
			t.Errorf("%+v", m)
		}
	})
}

// TestAnInterruptedImportContinues kills an import in the middle and runs it again.
func TestAnInterruptedImportContinues(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		const n, organizations = 25_000, 100
		var lines []string
		for i := range organizations {
			lines = append(lines, fmt.Sprintf(`{"type":"organization","name":"O%d","owner":"p%d@old.example"}`, i, n-1-i*7))
		}
		for i := range n {
			lines = append(lines, fmt.Sprintf(`{"email":"p%d@old.example","name":"P","external_id":"x%d","memberships":[{"organization":"O%d"}]}`, i, i, i%organizations))
		}
		path := c.file("people.jsonl", lines...)
		cmd := command(c.dir, c.environ, "import", "people", path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); s.count("SELECT COUNT(*) FROM users") <= organizations && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		some := s.count("SELECT COUNT(*) FROM users")
		if some <= organizations || some >= n {
			t.Fatalf("%d were made before the end", some)
		}
		s.isSound()
		m, _ := c.imports(path)
		if m.Made != n-some || m.Found != some || m.Existing != organizations || m.Refused != 0 {
			t.Errorf("then: %+v, after %d", m, some)
		}
		members := s.count("SELECT COUNT(*) FROM organization_members")
		if events := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'member.added'"); events != members || members < n {
			t.Errorf("%d members, %d events", members, events)
		}
		before := s.sizes()
		c.imports(path)
		if after := s.sizes(); !maps.Equal(before, after) {
			t.Errorf("the next run wrote: %v %v", before, after)
		}
		s.isSound()
	})
}

// TestPeopleMoveOut exports everybody and imports them into an empty Guildhall, from and to
// both databases.
func TestPeopleMoveOut(t *testing.T) {
	each(t, func(t *testing.T, source *service) {
		g := newGuild(source)
		// A character that only an earlier version accepted would be refused.
		source.exec("UPDATE user_profile SET bio = 'Engines\n& more' WHERE user_id = '" + g.member.id + "'")
		c := source.atServer()
		c.imports(c.file("people.jsonl",
			`{"type":"organization","name":"Engines","external_id":"o-1","owner":"ada@old.example","standing":"suspended","suspension_reason":"unpaid","suspended_by_owner":true}`,
			`{"email":"ada@old.example","name":"Ada","external_id":"u-1","locale":"de","standing":"deactivated, suspended","suspension_reason":"x","suspended_until":"2999-01-01T00:00:00Z"}`,
			`{"email":"zoe@old.example","name":"+Zoe","standing":"archived","archive_reason":"left"}`))
		export := func(s *service, flags ...string) string {
			path := filepath.Join(t.TempDir(), "out.jsonl")
			s.commandIs(0, "written to "+path, append([]string{"export", "people", "-o", path}, flags...)...)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return string(content)
		}
		if strings.Contains(export(source), "password_hash") {
			t.Error("hashes are exported without the flag")
		}
		want := export(source, "--with-password-hashes")
		targets(t, func(t *testing.T, target *service) {
			c := target.atServer()
			m, _ := c.imports("--trust-verified", c.file("people.jsonl", strings.TrimSuffix(want, "\n")))
			if m.Refused != 0 || m.Found != 0 || m.Existing != 0 {
				t.Errorf("%+v", m)
			}
			if got := export(target, "--with-password-hashes"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			target.isSound()
			target.logIn(g.owner.email, password).is(200)
			target.logIn(g.member.email, password).is(403, "account_suspended")
		})
	})
}

// TestPeopleWithoutAPasswordAreInvited sends them a link with which they choose one. People
// who registered an address that nobody proved join nothing by an import.
func TestPeopleWithoutAPasswordAreInvited(t *testing.T) {
	mails := newSMTPServer(t)
	each(t, func(t *testing.T, s *service) {
		squatter := s.do("POST", "/api/v1/auth/register", "", body("email", fmt.Sprintf("victim.%d@old.example", people.Add(1)), "password", password, "name", "Squatter")).is(201).str("email")
		c := s.atServer(mails.environment()...)
		path := c.file("people.jsonl",
			`{"type":"organization","name":"Engines","owner":"ada@old.example"}`,
			`{"type":"organization","name":"Squatted","owner":"`+squatter+`"}`,
			`{"email":"ada@old.example","name":"Ada","password_hash":"`+bcrypted(t, password)+`"}`,
			`{"email":"grace@old.example","name":"Grace","locale":"de","memberships":[{"organization":"Engines"}]}`,
			`{"email":"`+squatter+`","name":"Victim","memberships":[{"organization":"Engines","role":"admin"}]}`)
		m, _ := c.imports("--invite", path)
		if m.Made != 2 || m.Invited != 1 || m.Refused != 2 || m.Listed != "" {
			t.Errorf("%+v", m)
		}
		if got := strings.Join(c.refusals(path), "\n"); got != "2 owner email_unverified\n5 memberships[0].organization email_unverified" {
			t.Errorf("refused: %s", got)
		}
		if got := fmt.Sprint(s.table("SELECT kind, recipient, locale FROM mail_outbox")); got != "[[set_password grace@old.example de]]" {
			t.Errorf("mails: %s", got)
		}
		if n := s.count("SELECT COUNT(*) FROM challenges WHERE purpose = 'reset_password' AND consumed_at IS NULL"); n != 1 {
			t.Errorf("%d links", n)
		}
		again, _ := c.imports("--invite", path)
		if again.Invited != 0 || again.Made != 0 || again.Memberships != 0 {
			t.Errorf("again: %+v", again)
		}
	}, func(c *config.Config) { c.EnableRegistration = true })
}

// TestPeopleMoveInWithTheHashesOfOthers imports hashes that say what they are, hashes that do
// not, and none: whoever has one logs in with the same password, and has an argon2id hash then.
func TestPeopleMoveInWithTheHashesOfOthers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		logIn := func(email string) answer {
			t.Helper()
			s.do("POST", "/api/v1/auth/token", "", body("username", email, "password", "wrong "+password)).is(401, "invalid_credentials")
			return s.do("POST", "/api/v1/auth/token", "", body("username", email, "password", password))
		}
		key, err := pbkdf2.Key(sha256.New, password, []byte("NaCl"), 1000, 32)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := c.imports(c.file("django.jsonl",
			`{"email":"django@old.example","name":"Django","password_hash":"pbkdf2_sha256$1000$NaCl$`+base64.StdEncoding.EncodeToString(key)+`"}`,
			`{"email":"none@old.example","name":"None","password_hash":"!unusable"}`,
		))
		if m.Made != 2 || m.WithoutPassword != 1 {
			t.Errorf("%+v", m)
		}
		logIn("django@old.example").is(200)
		logIn("none@old.example").is(401)

		sum := md5.Sum([]byte("salt" + password))
		salted := c.file("salted.csv", "email,name,password_hash,password_salt", "md5@old.example,MD5,"+hex.EncodeToString(sum[:])+",salt")
		c.imports(salted, "--hash-form", "md5", "--salt-first", "--verify", c.file("known.csv", "email,password", "md5@old.example,"+password))
		hash := func() (stored string) {
			t.Helper()
			row := s.kernel.DB.Row(everything, "SELECT password_hash FROM user_login_password JOIN users ON id = user_id WHERE email = 'md5@old.example'")
			if err := row.Scan(&stored); err != nil {
				t.Fatal(err)
			}
			return stored
		}
		stored := hash()
		if strings.Contains(stored, hex.EncodeToString(sum[:])) || strings.Contains(stored, base64.RawStdEncoding.EncodeToString(sum[:])) {
			t.Error("a fast hash is stored")
		}
		logIn("md5@old.example").is(200)
		if renewed := hash(); !strings.HasPrefix(renewed, "$argon2id$v=19$m=") || renewed == stored {
			t.Errorf("%.20s", renewed)
		}
		c.fails(1, "--hash-form is none of", "import", "people", salted, "--hash-form", "rot13")
	})
}

// TestPeopleMoveInOnceMore: while two systems run side by side, people change in the other
// one. A later import of the same name takes that over for those who have not been here yet.
func TestPeopleMoveInOnceMore(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		hash, changed := bcrypted(t, password), bcrypted(t, "changed in the other system")
		organization := `{"type":"organization","name":"Engines","external_id":"o-1","owner":"ada@old.example"}`
		row := func(name, hash, more string) string {
			return `{"email":"` + name + `@old.example","name":"` + name + `","external_id":"` + name + `","password_hash":"` + hash + `"` + more + `}`
		}
		member := `,"memberships":[{"organization":"o-1"}]`
		wrapped := func(chosen string) string {
			sum := md5.Sum([]byte(chosen))
			return "{MD5}" + base64.StdEncoding.EncodeToString(sum[:])
		}
		first := c.file("first.jsonl", organization, row("ada", hash, ""), row("grace", hash, member), row("eve", hash, member), row("dora", hash, `,"standing":"suspended","suspension_reason":"rude"`),
			row("yan", wrapped(password), ""), row("zoe", hash, member), row("mia", hash, member))
		c.imports("--name", "shop", first)
		quiet := s.sizes()
		if m, _ := c.imports("--name", "shop", first); m.Changed+m.Gone+m.Made+m.Memberships+m.Ended != 0 || m.Found != 7 || m.Members != 4 || !maps.Equal(quiet, s.sizes()) {
			t.Errorf("the same again: %+v", m)
		}

		s.logIn("grace@old.example", password).is(200)
		s.logIn("eve@old.example", "a wrong password").is(401)
		second := c.file("second.jsonl", organization, row("ada", changed, ""), row("grace", changed, `,"standing":"deactivated"`),
			row("eve", changed, `,"bio":"new","email_verified":true,"memberships":[{"organization":"o-1","role":"admin"}]`), row("dora", hash, ""), row("yan", wrapped("changed in the other system"), ""),
			row("zoe", hash, `,"standing":"archived","archive_reason":"left"`), row("new", hash, member))
		// Without the name, or under another one, it changes nothing.
		for _, name := range [][]string{nil, {"--name", "another"}} {
			if m, _ := c.imports(append(name, "--dry-run", second)...); m.Changed+m.Gone+m.Ended != 0 || m.Refused != 3 {
				t.Errorf("as %q: %+v", name, m)
			}
		}
		for _, dry := range []bool{true, false} {
			args := []string{"--name", "shop", "--trust-verified", second}
			if dry {
				args = append(args, "--dry-run")
			}
			m, _ := c.imports(args...)
			// Changed: Ada's and Yan's password, all of Eve, and Dora's and Zoe's standing. Zoe is
			// no member any more. Mia is in no row.
			if want := (moved{People: 7, Made: 1, Found: 6, Changed: 5, Gone: 1, Ended: 1, Existing: 1, Memberships: 1, Members: 1, GoneFile: m.GoneFile}); m != want || (m.GoneFile == "") != dry {
				t.Errorf("dry run %v: %+v", dry, m)
			}
		}
		if gone, err := os.ReadFile(second + ".gone.txt"); err != nil || string(gone) != "mia@old.example\n" {
			t.Errorf("gone: %q %v", gone, err)
		}
		s.isSound()
		s.logIn("ada@old.example", password).is(401)
		ada := s.actorOf(s.logIn("ada@old.example", "changed in the other system").is(200))
		s.logIn("grace@old.example", password).is(200) // she has been here: hands off
		eve := s.actorOf(s.logIn("eve@old.example", "changed in the other system").is(200))
		if me := eve.get("/auth/me").is(200); me.str("bio") != "new" || me.value("email_verified") != true || me.str("role") != "admin" {
			t.Errorf("Eve: %s", me.body)
		}
		s.logIn("dora@old.example", password).is(200)
		s.logIn("yan@old.example", "changed in the other system").is(200)
		s.logIn("zoe@old.example", password).is(403, "account_archived")
		const ofZoe = "SELECT COUNT(*) FROM revocations WHERE user_id = (SELECT id FROM users WHERE email = 'zoe@old.example') AND organization_id IS "
		if s.count(ofZoe+"NULL") != 1 || s.count(ofZoe+"NOT NULL") != 1 {
			t.Errorf("no program learns that Zoe is gone: %d and %d", s.count(ofZoe+"NULL"), s.count(ofZoe+"NOT NULL"))
		}
		members := map[string]bool{}
		for _, m := range ada.get("/organizations/" + eve.organization + "/members").is(200).list() {
			members[fmt.Sprint(m["name"])] = true
		}
		if want := map[string]bool{"ada": true, "grace": true, "eve": true, "mia": true, "new": true}; !maps.Equal(members, want) {
			t.Errorf("members: %v", members)
		}
		if out, _, status := separately(t, "", c.dir, c.environ, "import", "people", "--name", "Shop_%", second); status == 0 {
			t.Errorf("a name that is none: %s", out)
		}
	})
}
