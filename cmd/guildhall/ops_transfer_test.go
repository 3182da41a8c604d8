package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/platformtest"
	"guildhall/platform/transfer"
)

// environ returns the environment of a command on the service's database.
func (s *service) environ(more ...string) []string {
	if s.kernel.Config.DatabaseRowSecurity {
		more = append(more, "DATABASE_ROW_SECURITY=true")
	}
	return inProduction(s.kernel.Config.DatabaseURL.Reveal(), more...)
}

// command runs a command on the service's database.
func (s *service) command(input string, args ...string) (string, int) {
	s.t.Helper()
	return runWith(s.t, input, s.t.TempDir(), s.environ(), args...)
}

func (s *service) commandIs(want int, says string, args ...string) string {
	s.t.Helper()
	out, status := s.command("", args...)
	if status != want || !strings.Contains(out, says) {
		s.t.Fatalf("guildhall %v: %d, want %d and %q:\n%s", args, status, want, says, out)
	}
	return out
}

// guild is an organization with a long history.
type guild struct {
	owner, admin, member, suspended, former, operator, stranger *actor
}

func newGuild(s *service) guild {
	g := guild{
		owner: s.person("Ada"), admin: s.person("Grace"), member: s.person("Charles"), suspended: s.person("Dora"),
		former: s.person("Eve"), operator: s.operator("Oz"), stranger: s.person("Zoe"),
	}
	in := []string{"X-Organization-ID", g.owner.organization}
	g.admin.joins(g.owner, true)
	for _, p := range []*actor{g.member, g.suspended, g.former} {
		p.joins(g.owner, false)
	}
	g.admin.post("/users/"+g.suspended.id+"/suspend", body("reason", "rude “words”", "suspended_until", time.Now().Add(time.Hour)), in...).is(200)
	g.owner.post("/users/"+g.former.id+"/deactivate", nil).is(200)
	g.owner.delete(g.owner.org("/members/" + g.former.id)).is(204)
	g.operator.post(g.owner.org("/suspend"), because()).is(200)
	g.operator.post(g.owner.org("/activate"), nil).is(200)
	g.owner.post(g.owner.org("/archive"), because()).is(200)
	g.owner.post(g.owner.org("/unarchive"), because()).is(200)
	g.member.patch("/users/"+g.member.id+"/profile", body("bio", "Engines", "avatar_url", "https://example.com/c.png")).is(200)
	// A name that only an earlier version accepted is exported unchanged.
	s.exec("UPDATE user_profile SET bio = 'Engines\n& \u2028 more' WHERE user_id = '" + g.member.id + "'")
	g.operator.post("/users/"+g.member.id+"/suspend", body("reason", "spam", "scope", "account")).is(200)
	return g
}

// export writes an archive with the command.
func (s *service) export(organization string, flags ...string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "archive")
	s.commandIs(0, "written to "+path, append([]string{"export", organization, "--output", path}, flags...)...)
	return path
}

// organizationRows returns the rows of an organization's tables, with an email address in place
// of each user, so that two databases can be compared.
func (s *service) organizationRows(organization string) map[string][]string {
	s.t.Helper()
	emails := map[string]string{}
	for _, u := range s.table("SELECT id, email_canonical FROM users") {
		emails[u[0]] = u[1]
	}
	all := map[string][]string{}
	for _, declared := range s.app.Tables() {
		table, columns, scope := declared.Name, declared.Carried(), declared.Owner.Organization()
		if len(columns) == 0 || scope == "" {
			continue
		}
		slices.Sort(columns)
		condition := ""
		if table == "audit_events" {
			condition = " AND action <> 'organization.imported'"
		}
		for _, row := range s.table("SELECT "+strings.Join(columns, ", ")+" FROM "+table+" WHERE "+scope+" = ?"+condition, organization) {
			if table != "audit_events" { // events keep their ids
				for i := range row {
					if e, ok := emails[row[i]]; ok {
						row[i] = e
					}
				}
			}
			all[table] = append(all[table], strings.Join(row, "|"))
		}
		slices.Sort(all[table])
	}
	return all
}

// table returns the result of a query, as text.
func (s *service) table(query string, args ...any) [][]string {
	s.t.Helper()
	rows, err := s.kernel.DB.Conn(everything).Raw(query, args...).Rows()
	if err != nil {
		s.t.Fatal(err)
	}
	names, err := rows.Columns()
	if err != nil {
		s.t.Fatal(err)
	}
	found, err := database.Collect(rows, func(scan func(...any) error) ([]string, error) {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		err := scan(into...)
		texts := make([]string, len(names))
		for i, v := range values {
			switch v := v.(type) {
			case time.Time:
				texts[i] = v.UTC().Format(time.RFC3339Nano)
			case []byte:
				texts[i] = string(v)
			default:
				texts[i] = fmt.Sprint(v)
			}
		}
		return texts, err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// sizes returns the sizes of all tables, which change with any insertion.
func (s *service) sizes() map[string]int {
	sizes := map[string]int{}
	for table := range s.schema() {
		sizes[table] = s.count("SELECT COUNT(*) FROM " + table)
	}
	return sizes
}

// schema returns the columns of every table.
func (s *service) schema() map[string][]string {
	query := "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
	if s.kernel.DB.Driver() == database.SQLite {
		query = "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
	}
	schema := map[string][]string{}
	for _, row := range s.table(query) {
		schema[row[0]] = append(schema[row[0]], row[1])
	}
	return schema
}

// targets runs a test on a new, empty service on either database.
func targets(t *testing.T, test func(t *testing.T, s *service)) {
	t.Helper()
	for name, url := range map[string]func(testing.TB) string{"to sqlite": platformtest.SQLiteURL, "to postgres": platformtest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, url(t)))
		})
	}
}

// TestAnOrganizationIsTakenAlong exports and imports an organization between any two
// databases: users can log in with their passwords; roles, standing, invariants and the
// audit log are preserved.
func TestAnOrganizationIsTakenAlong(t *testing.T) {
	each(t, func(t *testing.T, source *service) {
		g := newGuild(source)
		before := source.sizes()
		archive := source.export(g.owner.organization, "--with-password-hashes")
		if after := source.sizes(); !maps.Equal(before, after) {
			t.Errorf("the export changed the source: %v %v", before, after)
		}
		want := source.organizationRows(g.owner.organization)
		targets(t, func(t *testing.T, s *service) {
			// Grace already has an account here, in another spelling, with another password and name.
			taken := strings.ToUpper(g.admin.email)
			grace := s.actorOf(s.do("POST", "/api/v1/auth/register", "", body("email", taken, "password", "another horse & battery", "name", "Admiral Hopper")).is(201))
			operator, untouched := s.operator("Ops"), s.sizes()

			s.commandIs(0, "would be imported: people 6, members 4, admins 1", "import", archive, "--dry-run", "--with-password-hashes")
			if now := s.sizes(); !maps.Equal(untouched, now) {
				t.Errorf("a dry run changed %v to %v", untouched, now)
			}
			out := s.commandIs(0, "was imported: people 6, members 4, admins 1", "import", archive, "--with-password-hashes")
			if !strings.Contains(out, "accounts: 1 existed, 5 are new") || !strings.Contains(out, "\n3 of the new accounts have no password yet") {
				t.Errorf("it said %s", out)
			}
			if got := s.organizationRows(g.owner.organization); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("there it is\n%v\nhere it is\n%v", want, got)
			}
			if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
				t.Error(broken)
			}
			s.commandIs(0, "digest", "audit", "verify")

			// They can log in with their old ids; Grace's account is unchanged.
			logIn := func(email, with string) *actor {
				return s.actorOf(s.do("POST", "/api/v1/auth/token", "", body("username", email, "password", with, "organization_id", g.owner.organization)).is(200))
			}
			ada, hopper := logIn(g.owner.email, password), logIn(taken, "another horse & battery")
			if ada.id != g.owner.id || hopper.id != grace.id {
				t.Errorf("ids: Ada %s, was %s; Grace %s, is %s", ada.id, g.owner.id, hopper.id, grace.id)
			}
			me := hopper.get("/auth/me").is(200)
			if me.str("name") != "Admiral Hopper" || me.str("email") != taken || me.str("organization.role") != "admin" {
				t.Errorf("Grace is %s", me.body)
			}
			s.do("POST", "/api/v1/auth/token", "", body("username", taken, "password", password)).is(401)
			members := fmt.Sprint(ada.get(ada.org("/members")).is(200).list())
			for _, p := range []*actor{g.owner, g.member, g.suspended} {
				if !strings.Contains(members, p.email) {
					t.Errorf("%s is no member: %s", p.email, members)
				}
			}
			if strings.Contains(members, g.former.email) || strings.Contains(members, g.operator.email) {
				t.Errorf("a former member is a member again: %s", members)
			}
			s.do("POST", "/api/v1/auth/token", "", body("username", g.suspended.email, "password", password, "organization_id", g.owner.organization)).is(403, "membership_suspended")

			// The password hashes of suspended accounts and of former members are not exported.
			for _, p := range []*actor{g.member, g.former, g.operator} {
				s.do("POST", "/api/v1/auth/token", "", body("username", p.email, "password", password)).is(401, "invalid_credentials")
			}
			if n := s.count("SELECT COUNT(*) FROM platform_administrators"); n != 1 {
				t.Errorf("%d platform administrators", n)
			}
			if n := s.count("SELECT COUNT(*) FROM users WHERE email = ?", g.stranger.email); n != 0 {
				t.Error("a stranger was imported")
			}
			if n := s.count("SELECT COUNT(*) FROM user_profile WHERE user_id = ? AND bio IS NOT NULL AND avatar_url IS NOT NULL", g.member.id); n != 1 {
				t.Error("a member's profile was not imported")
			}
			if out, status := s.command("five boxing wizards\n", "admin", "set-password", g.former.email); status != 0 {
				t.Errorf("set-password: %s", out)
			}
			s.do("POST", "/api/v1/auth/token", "", body("username", g.former.email, "password", "five boxing wizards")).is(200)

			// The audit log continues.
			events := actions(ada.get(ada.org("/audit-events?limit=1000")))
			if events[len(events)-1] != "organization.imported" || events[0] != "organization.created" {
				t.Errorf("the audit log has %v", events)
			}
			if e := operator.get("/users/" + ada.id + "/audit-events").is(200).list(); e[len(e)-1]["action"] != "user.registered" || e[len(e)-1]["actor_role"] != "command_line" {
				t.Errorf("the account's audit log begins with %v", e[len(e)-1])
			}

			again := s.sizes()
			s.commandIs(0, "nothing was changed", "import", archive)
			if now := s.sizes(); !maps.Equal(again, now) {
				t.Errorf("importing again changed %v to %v", again, now)
			}
			ada.patch(ada.org(""), body("name", "Renamed here")).is(200)
			again = s.sizes()
			s.commandIs(0, "nothing was changed", "import", archive)
			// The imported organization can be exported to a third server, but not back to the first.
			next := s.export(ada.organization)
			source.commandIs(1, "already exists here and differs from the archive", "import", next)
			if now := s.sizes(); !maps.Equal(again, now) {
				t.Errorf("%v is now %v", again, now)
			}
			if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
				t.Error(broken)
			}
		})
	})
}

// sameContent reports whether two archives unpack to the same content.
func sameContent(a, b []byte) bool {
	unpack := func(packed []byte) ([]byte, error) {
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	one, err := unpack(a)
	other, otherErr := unpack(b)
	return err == nil && otherErr == nil && bytes.Equal(one, other)
}

// TestAnArchiveHoldsEveryColumn checks every column of the exported tables.
func TestAnArchiveHoldsEveryColumn(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		there := s.schema()
		for _, table := range s.app.Tables() {
			carried, columns := table.Carried(), there[table.Name]
			if len(carried) == 0 {
				continue // it is not exported, and declares why
			}
			carried = append(carried, table.Archive.Omits()...)
			slices.Sort(columns)
			slices.Sort(carried)
			if !slices.Equal(columns, carried) {
				t.Errorf("%s has the columns %v, an archive carries %v", table.Name, columns, carried)
			}
		}
	})
}

// TestExportRefuses checks that an export that can't be complete fails and leaves no
// file.
func TestExportRefuses(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve := s.person("Ada"), s.person("Eve")
		dir := t.TempDir()
		path := filepath.Join(dir, "archive")
		s.commandIs(1, "no such organization", "export", "01900000-0000-7000-8000-000000000000", "-o", path)
		s.commandIs(1, "no such organization", "export", "nobody's", "-o", path)
		for _, a := range []*actor{ada, eve} {
			a.patch(a.org(""), body("name", "Guild")).is(200)
		}
		s.commandIs(1, ada.organization+", "+eve.organization, "export", "Guild", "-o", path)
		s.commandIs(1, "no such file or directory", "export", ada.organization, "-o", filepath.Join(dir, "nowhere", "archive"))
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("they left %v", entries)
		}
		s.commandIs(0, "written to", "export", ada.organization, "-o", path)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info, err)
		}
		first, _ := os.ReadFile(path)
		s.commandIs(1, "already exists", "export", eve.organization, "-o", path)
		if second, _ := os.ReadFile(path); !bytes.Equal(first, second) {
			t.Error("it was overwritten")
		}
		if s.kernel.DB.Driver() == database.Postgres {
			// An export works on a read-only database.
			readOnly := databaseurl.Must(s.kernel.Config.DatabaseURL.Reveal() + "&options=-c%20default_transaction_read_only%3Don")
			s.kernel.Config.DatabaseURL = readOnly
			s.commandIs(0, "written to", "export", ada.organization, "-o", path+"2")
			return
		}
		s.exec("DROP TRIGGER audit_events_no_delete")
		s.exec("DELETE FROM audit_events WHERE chain_id = ? AND sequence = 2", ada.organization)
		s.commandIs(1, "audit verify", "export", ada.organization, "-o", path+"2")
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("it left %v", entries)
		}
	})
}

// hookedWriter calls a function once, before the first bytes are written.
type hookedWriter struct {
	bytes.Buffer
	once sync.Once
	hook func()
}

func (w *hookedWriter) Write(p []byte) (int, error) {
	w.once.Do(w.hook)
	return w.Buffer.Write(p)
}

// TestAnExportIsOfOneMoment checks that an export is a snapshot: it has no changes from
// while it was written.
func TestAnExportIsOfOneMoment(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		w := &hookedWriter{hook: func() { grace.joins(ada, true) }}
		sum, err := transfers(s.kernel, s.app).Export(s.ctx, w, uuid.MustParse(ada.organization), transfer.ExportOptions{})
		if err != nil || sum.Members != 1 || sum.Events != 1 {
			t.Errorf("%+v, %v", sum, err)
		}
		if n := s.count("SELECT COUNT(*) FROM organization_members WHERE organization_id = ?", ada.organization); n != 2 {
			t.Errorf("%d members", n)
		}
	})
}

// TestImportRefuses checks that an import refuses what conflicts with the existing data.
func TestImportRefuses(t *testing.T) {
	each(t, func(t *testing.T, source *service) {
		ada := source.person("Ada")
		grace := source.person("Grace").joins(ada, true)
		archive := source.export(ada.organization, "--with-password-hashes")
		refuses := func(says string, prepare func(s *service)) {
			t.Helper()
			s := start(t, platformtest.SQLiteURL(t))
			prepare(s)
			before := s.sizes()
			s.commandIs(1, says, "import", archive)
			if after := s.sizes(); !maps.Equal(before, after) {
				t.Errorf("%s: it changed %v to %v", says, before, after)
			}
			if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
				t.Error(broken)
			}
		}
		refuses("the id "+grace.id+" is already used here for another account or object", func(s *service) {
			s.exec("INSERT INTO users (id, email, email_canonical, created_at, updated_at) VALUES (?, 'x@example.com', 'x@example.com', ?, ?)", grace.id, s.kernel.Now(), s.kernel.Now())
			s.exec("INSERT INTO user_profile (user_id, name) VALUES (?, 'x')", grace.id)
			s.exec("INSERT INTO user_login_password (user_id, password_hash, updated_at) VALUES (?, 'x', ?)", grace.id, s.kernel.Now())
			s.exec("INSERT INTO user_active_status (id, user_id, activated_at) VALUES (?, ?, ?)", grace.id, grace.id, s.kernel.Now())
		})
		refuses("is archived: restore it first", func(s *service) {
			a := s.actorOf(s.do("POST", "/api/v1/auth/register", "", body("email", ada.email, "password", password, "name", "A")).is(201))
			a.post("/users/"+a.id+"/archive", because()).is(200)
		})
		refuses("(audit_chain): the id or the email address of one is already used here", func(s *service) {
			s.exec("INSERT INTO audit_chains (id, sequence, hash) VALUES (?, 0, '')", ada.organization)
		})
	})
}

// TestAnArchiveThatWasCutOffWritesNothing checks that an archive that was truncated
// anywhere, or in which a byte was changed, imports nothing.
func TestAnArchiveThatWasCutOffWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		s.person("Grace").joins(ada, true)
		archive, err := os.ReadFile(s.export(ada.organization, "--with-password-hashes"))
		if err != nil {
			t.Fatal(err)
		}
		target := start(t, platformtest.SQLiteURL(t))
		before := target.sizes()
		refused := func(what string, content []byte) {
			t.Helper()
			if _, err := transfers(target.kernel, target.app).Import(target.ctx, bytes.NewReader(content), transfer.ImportOptions{}); err == nil {
				t.Errorf("%s: was imported", what)
			}
		}
		tried := 0
		for at := 0; at < len(archive); at += 1 + at/200 {
			refused(fmt.Sprint("cut at ", at), archive[:at])
			changed := slices.Clone(archive)
			changed[at] ^= 0x10
			if !sameContent(changed, archive) { // gzip's flags, time, level, system and the last bits of a block say nothing of it
				refused(fmt.Sprint("changed at ", at), changed)
			}
			tried++
		}
		refused("followed by more", append(slices.Clone(archive), archive...))
		refused("followed by anything", append(slices.Clone(archive), "x"...))
		if after := target.sizes(); !maps.Equal(before, after) || tried < 100 {
			t.Errorf("after %d it changed %v to %v", tried, before, after)
		}
		target.commandIs(1, "nothing was imported: this is not an archive", "import", os.Args[0])
		out, status := target.command(string(archive), "import", "-")
		if status != 0 || !strings.Contains(out, "was imported") {
			t.Errorf("from standard input: %d %s", status, out)
		}
		// The author of the archive chooses no passwords, except with --with-password-hashes.
		target.do("POST", "/api/v1/auth/token", "", body("username", ada.email, "password", password)).is(401)
	})
}

// TestAnImportThatIsKilled checks that an import that is killed at any moment has written
// all or nothing, and can be repeated.
func TestAnImportThatIsKilled(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		source := start(t, platformtest.SQLiteURL(t))
		ada := source.person("Ada")
		source.addCrowd(ada, size(300, 5000), 0)
		archive := source.export(ada.organization)
		before := s.sizes()
		for range size(3, 40) {
			cmd := command(t.TempDir(), s.environ(), "import", archive)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(rand.N(size(300*time.Millisecond, 3*time.Second)))
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			now := s.sizes()
			if s.count("SELECT COUNT(*) FROM organizations") > 0 { // the commit may have been in progress
				break
			}
			if !maps.Equal(before, now) {
				t.Fatalf("what was killed changed %v to %v", before, now)
			}
		}
		s.commandIs(0, ada.organization, "import", archive)
		if n, want := s.count("SELECT COUNT(*) FROM organization_members"), size(301, 5001); n != want {
			t.Errorf("%d members, want %d", n, want)
		}
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
	})
}

// TestImportsAtOnce runs two imports of one archive concurrently: one imports, the other
// finds the result unchanged.
func TestImportsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		source := start(t, platformtest.SQLiteURL(t))
		ada := source.person("Ada")
		archive := source.export(ada.organization)
		outs := make([]string, 3)
		var wg sync.WaitGroup
		for i := range outs {
			wg.Go(func() {
				out, status := run(t, t.TempDir(), s.environ(), "import", archive)
				outs[i] = fmt.Sprint(status, " ", out)
			})
		}
		wg.Wait()
		all := strings.Join(outs, "")
		if strings.Count(all, "0 "+ada.organization) != 3 || strings.Count(all, "was imported") != 1 || strings.Count(all, "nothing was changed") != 2 {
			t.Errorf("they said\n%s", all)
		}
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
	})
}

// TestSetPassword sets a user's password from the command line, and ends all their
// sessions.
func TestSetPassword(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		set := func(want int, says, input, email string) {
			t.Helper()
			if out, status := s.command(input, "admin", "set-password", email); status != want || !strings.Contains(out, says) {
				t.Errorf("%q for %s: %d %s", input, email, status, out)
			}
		}
		set(1, "no user has", "five boxing wizards\n", "nobody@example.com")
		set(1, "no password on standard input", "", ada.email)
		set(1, "must have at least 8", "short\n", ada.email)
		set(1, "must not be", ada.email+"\n", ada.email)
		ada.get("/auth/me").is(200)
		set(0, "has a new password", "five boxing wizards\n", strings.ToUpper(ada.email))
		ada.get("/auth/me").is(401)
		s.do("POST", "/api/v1/auth/token", "", body("username", ada.email, "password", password)).is(401)
		again := s.actorOf(s.do("POST", "/api/v1/auth/token", "", body("username", ada.email, "password", "five boxing wizards")).is(200))
		if events := actions(again.get("/users/" + ada.id + "/audit-events?action=password.changed")); len(events) != 1 {
			t.Errorf("the audit log has %v", events)
		}
	})
}
