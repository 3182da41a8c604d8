package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"guildhall/platform/clone"
	"guildhall/platform/moving"
	passwords "guildhall/platform/password"
	"guildhall/platform/platformtest"
)

// TestARecordHasABound imports small packed files with one record that does not fit into
// memory, or a value that is nested deeper than any stack.
func TestARecordHasABound(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		const mebibyte = 1 << 20
		long := "a record is longer than "
		for name, x := range map[string]struct{ from, before, of, after, says string }{
			"own.csv":      {"csv", "email,name\n\"", "a", "\",Ada\n", long},
			"header.csv":   {"csv", "", "a", ",email\n", long},
			"users.csv":    {"wordpress", "ID,user_email\n\"", "a", "\",ada@old.example\n", long},
			"users.json":   {"wordpress", `[{"ID":"`, "a", `"}]`, long},
			"users.jsonl":  {"wordpress", `{"ID":"`, "a", `"}`, long},
			"clients.json": {"keycloak", `{"clients":"`, "a", `"}`, long},
			"members.json": {"keycloak", `{"organizations":[{"id":"`, "a", `"}]}`, long},
			"deep.json":    {"keycloak", `{"clients":`, "[", `}`, "it is not valid JSON"},
		} {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			for _, part := range []string{x.before, strings.Repeat(x.of, 20*mebibyte), x.after} {
				if _, err := w.Write([]byte(part)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(c.dir, name+".gz")
			if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, errs, status := separately(t, "", c.dir, c.environ, "import", "people", "--from", x.from, path); status != 1 || !strings.Contains(errs, x.says) || len(errs) > 300 {
				t.Errorf("%s: %d %.300s", name, status, errs)
			}
		}
	})
}

// TestRowsOfASpreadsheetAreRefusedOneByOne imports a CSV file of another system with a name in
// Latin-1 and one that is a formula.
func TestRowsOfASpreadsheetAreRefusedOneByOne(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		path := c.file("users.csv", "ID,display_name,user_email,user_pass", "1,M\xfcller,m@old.example,", "2,=HYPERLINK(1),f@old.example,", "3,Ada,ada@old.example,")
		if m, _ := c.imports("--from", "wordpress", path); m.People != 3 || m.Made != 1 || m.Refused != 2 {
			t.Errorf("%+v", m)
		}
		if got, want := strings.Join(c.refusals(path), "\n"), "2 name not_utf8\n3 name formula"; got != want {
			t.Errorf("refused:\n%s", got)
		}
		s.isSound()
	})
}

// TestFilesOfAnotherSystemAreNone imports files in which a reader finds nothing.
func TestFilesOfAnotherSystemAreNone(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		path := c.file("people.json", `{"email":"ada@old.example","name":"Ada"}`)
		c.imports("--name", "shop", path)
		for _, from := range []string{"cognito", "django", "firebase", "keycloak"} {
			c.fails(1, "nobody was found", "import", "people", "--name", "shop", "--from", from, path)
		}
		c.fails(1, "nobody was found", "import", "people", "--from", "wordpress", c.file("none.json", "[]"))
	})
}

// TestTheRowOfAnOwnerIsRefusedBefore makes nobody whose row is refused later, as it repeats the
// row of somebody who owns nothing.
func TestTheRowOfAnOwnerIsRefusedBefore(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		path := c.file("people.jsonl",
			`{"email":"ada@old.example","name":"Ada","external_id":"1"}`,
			`{"email":"boss@old.example","name":"Boss","external_id":"1"}`,
			`{"email":"chief@old.example","name":"Chief","external_id":"1"}`,
			`{"email":"chief@old.example","name":"Chief","external_id":"2"}`,
			`{"type":"organization","name":"Engines","owner":"boss@old.example"}`,
			`{"type":"organization","name":"Foundry","owner":"chief@old.example"}`)
		dry, _ := c.imports("--dry-run", path)
		m, _ := c.imports(path)
		if m.Made != 2 || m.Refused != 3 || m.Organizations != 1 {
			t.Errorf("%+v", m)
		}
		if dry.Listed = m.Listed; dry != m {
			t.Errorf("the dry run said %+v, not %+v", dry, m)
		}
		if got, want := strings.Join(c.refusals(path), "\n"), "5 owner owner_missing\n2 external_id repeated\n3 external_id repeated"; got != want {
			t.Errorf("refused:\n%s", got)
		}
		s.isSound()
	})
}

// TestAnOwnersAccountIsNotArchived imports once more, and the former system has archived the
// owner of an organization.
func TestAnOwnersAccountIsNotArchived(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		hash := bcrypted(t, password)
		person := func(name, more string) string {
			return `{"email":"` + name + `@old.example","name":"Ada","password_hash":"` + hash + `"` + more + `}`
		}
		archived := `,"standing":"archived","archive_reason":"left"`
		organizations := []string{
			`{"type":"organization","name":"Engines","owner":"ada@old.example"}`,
			`{"type":"organization","name":"Closed","owner":"eve@old.example"` + archived + `}`,
		}
		c.imports("--name", "shop", c.file("first.jsonl", append(organizations, person("ada", ""), person("eve", ""))...))
		second := c.file("second.jsonl", append(organizations, person("ada", archived), person("eve", archived))...)
		for _, dry := range []string{"--dry-run=true", "--dry-run=false"} {
			if m, _ := c.imports("--name", "shop", dry, second); m.Changed != 1 || m.Refused != 1 {
				t.Errorf("%s: %+v", dry, m)
			}
		}
		if got, want := strings.Join(c.refusals(second), "\n"), "3 standing owner_archived"; got != want {
			t.Errorf("refused:\n%s", got)
		}
		s.logIn("ada@old.example", password).is(200)
		s.logIn("eve@old.example", password).is(403, "account_archived")
		s.isSound()
	})
}

// TestALogInDuringAnImport logs somebody in after a batch was planned and before it is
// written: the import leaves the account alone, and records nothing about it.
func TestALogInDuringAnImport(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		hash, changed := bcrypted(t, password), bcrypted(t, "changed in the other system")
		organization := `{"type":"organization","name":"Engines","owner":"boss@old.example"}`
		boss := `{"email":"boss@old.example","name":"Boss"}`
		ada := func(name, hash, more string) string {
			return `{"email":"ada@old.example","name":"` + name + `","password_hash":"` + hash + `"` + more + `}`
		}
		eve := func(hash string) string {
			return `{"email":"eve@old.example","name":"Eve","password_hash":"` + hash + `"}`
		}
		first := c.file("first.jsonl", organization, boss, ada("Ada", hash, `,"memberships":[{"organization":"Engines"}]`), eve(hash))
		c.imports("--name", "shop", first)

		second, err := os.Open(c.file("second.jsonl", organization, boss, ada("Changed", changed, `,"standing":"suspended","suspension_reason":"rude"`), eve(changed)))
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		d := importDependencies(&guildhall{Kernel: s.kernel, services: services{auth: s.auth}, app: s.app}, passwords.Source{})
		var once sync.Once
		stored := d.Stored
		d.Stored = func(given, salt string) (string, error) { // it is asked when the accounts have been looked up
			once.Do(func() { s.logIn("ada@old.example", password).is(200) })
			return stored(given, salt)
		}
		m, err := moving.Import(context.Background(), d, []*moving.Source{{Name: "second.jsonl", File: second}}, moving.Options{
			Name: "shop", Refused: func(r moving.Refusal) error { t.Errorf("%+v", r); return nil }, Progress: func(clone.Progress) {},
		})
		if err != nil || m.Changed != 1 || m.Ended != 0 {
			t.Errorf("%+v %v", m, err)
		}
		again := s.logIn("ada@old.example", password).is(200)
		if me := s.actorOf(again).get("/auth/me").is(200); me.str("name") != "Ada" || me.str("role") != "member" {
			t.Errorf("Ada was changed: %s", me.body)
		}
		if n := s.count("SELECT COUNT(*) FROM audit_events WHERE action = 'password.changed'"); n != 1 {
			t.Errorf("%d passwords were changed", n)
		}
		s.logIn("eve@old.example", "changed in the other system").is(200)
		s.isSound()
	})
}

// TestHiddenRowsAreNoticed reads a table of which the user of the database sees some rows only.
func TestHiddenRowsAreNoticed(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		source := platformtest.PostgresURL(t)
		holding(t, source,
			"CREATE TABLE auth_user (id integer, email text, password text)",
			"INSERT INTO auth_user VALUES (1, 'ada@old.example', ''), (2, 'eve@old.example', '')")
		reader := asReader(t, source, "public", "auth_user")
		if m, _ := c.imports("--from", "django", "--dry-run", "--source", reader); m.Made != 2 {
			t.Errorf("%+v", m)
		}
		holding(t, source, "ALTER TABLE auth_user ENABLE ROW LEVEL SECURITY", "CREATE POLICY first_only ON auth_user USING (id = 1)")
		c.fails(1, "row-level security policy for table", "import", "people", "--from", "django", "--source", reader)
	})
}

// TestListsAreThoseOfTheLastRun imports several times, and looks at the files beside the one that
// is imported: people without a password are added to theirs, others are replaced.
func TestListsAreThoseOfTheLastRun(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		ada, eve, wrong := `{"email":"ada@old.example","name":"Ada"}`, `{"email":"eve@old.example","name":"Eve"}`, `{"email":"no","name":"N"}`
		path := filepath.Join(c.dir, "people.jsonl")
		if err := os.WriteFile(path+".without-password.txt", nil, 0o644); err != nil { //nolint:gosec // others may read it, until it has addresses
			t.Fatal(err)
		}
		for i, run := range []struct {
			lines                            []string
			rejected, gone, withoutAPassword string
		}{
			{[]string{ada, wrong}, "2", "", "ada"},
			{[]string{eve}, "", "ada", "ada eve"},
			{[]string{ada, eve}, "", "", "ada eve"},
		} {
			c.imports("--name", "shop", c.file("people.jsonl", run.lines...))
			read := func(suffix string) string {
				content, err := os.ReadFile(path + suffix)
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				return strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(string(content), "@old.example", ""), "\n", " "))
			}
			if got := read(".rejected.jsonl"); (got != "") != (run.rejected != "") {
				t.Errorf("run %d: rejected %q", i, got)
			}
			if got := read(".gone.txt"); got != run.gone {
				t.Errorf("run %d: gone %q", i, got)
			}
			if got := read(".without-password.txt"); got != run.withoutAPassword {
				t.Errorf("run %d: without a password %q", i, got)
			}
		}
		if info, err := os.Stat(path + ".without-password.txt"); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("others may read addresses: %v %v", info.Mode(), err)
		}
		// A spreadsheet begins a CSV file with a byte order mark.
		known := c.file("known.csv", "\ufeffemail,password", "eve@old.example,wrong horses")
		c.fails(1, "eve@old.example has no password hash", "import", "people", "--verify", known, path)
	})
}

// TestOrganizationsComeInAnotherImport imports people of one system, their organizations under
// another name, and then the people once more: they are still the first import's, and the
// second one's memberships stay.
func TestOrganizationsComeInAnotherImport(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		person := func(hash string) string {
			return `{"email":"ada@old.example","name":"Ada","external_id":"1","password_hash":"` + hash + `"}`
		}
		c.imports("--name", "shop", c.file("people.jsonl", person(bcrypted(t, password))))
		teams := c.file("teams.jsonl", `{"type":"organization","name":"Engines","owner":"boss@old.example"}`, `{"email":"boss@old.example","name":"Boss"}`,
			`{"email":"ada@old.example","name":"ada@old.example","memberships":[{"organization":"Engines","role":"admin"}]}`)
		if m, _ := c.imports("--name", "shop-teams", teams); m.Memberships != 2 || m.Changed != 0 {
			t.Errorf("%+v", m)
		}
		again := c.file("people.jsonl", person(bcrypted(t, "changed in the other system")))
		if m, _ := c.imports("--name", "shop", again); m.Changed != 1 || m.Ended != 0 {
			t.Errorf("%+v", m)
		}
		me := s.actorOf(s.logIn("ada@old.example", "changed in the other system").is(200)).get("/auth/me").is(200)
		if me.str("name") != "Ada" || me.str("role") != "admin" {
			t.Errorf("Ada: %s", me.body)
		}
		if m, _ := c.imports("--name", "shop", c.file("people.jsonl", person(bcrypted(t, password)))); m.Changed != 0 {
			t.Errorf("after she was here: %+v", m)
		}
		s.isSound()
	})
}

// TestPeopleOfACutFile: a file that ends within a line imports nobody.
func TestPeopleOfACutFile(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := s.atServer()
		path := c.file("cut.jsonl", `{"email":"ada@old.example","name":"Ada"}`, `{"email":"grace@old.example","na`)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.TrimSuffix(string(content), "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		before := s.sizes()
		c.fails(1, "it ends within line 2", "import", "people", path)
		if !maps.Equal(before, s.sizes()) {
			t.Error("it imported somebody")
		}
	})
}
