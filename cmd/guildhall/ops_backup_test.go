package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/backup"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// TestABackupBringsEverythingBack restores a backup of each database to each database.
func TestABackupBringsEverythingBack(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		s := start(t, from, withMailbox)
		ada, grace := fillService(t, s)
		s.ask("reset_password", ada.email)
		link := s.mail(ada.email, "reset_password").link()
		dir := t.TempDir()
		file := filepath.Join(dir, "everything.db")
		out, status := run(t, dir, inProduction(from), "backup", file)
		if info, err := os.Stat(file); status != 0 || err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(out, "audit events are valid") {
			t.Fatalf("backup: %d %v %v\n%s", status, info, err, out)
		}
		if out, status := run(t, dir, inProduction(from), "backup", file); status != 1 || !strings.Contains(out, "already exists") {
			t.Errorf("over another backup: %d\n%s", status, out)
		}
		if out, status := run(t, dir, inProduction(to), "restore", file); status != 0 || !strings.Contains(out, "log in again") {
			t.Fatalf("restore: %d\n%s", status, out)
		}
		if out, status := run(t, dir, inProduction(to), "restore", file); status != 1 || !strings.Contains(out, "already exists\nstop the service, move all of them away") && !strings.Contains(out, "CREATE DATABASE") {
			t.Errorf("restore again: %d\n%s", status, out)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("left behind: %v", entries)
		}

		restored := start(t, to)
		for _, a := range []*actor{ada, grace} {
			there := *a
			there.s = restored
			there.get("/auth/me").is(401, "invalid_token")
			restored.refresh(a.refresh).is(401)
			a.get("/auth/me").is(200) // where the backup is of
			session := restored.actorOf(restored.logIn(a.email, password).is(200))
			if was, is := a.get(ada.org("/members")), session.get(ada.org("/members")); string(was.body) != string(is.body) {
				t.Errorf("members were %s\nare %s", was.body, is.body)
			}
			there.access, there.refresh = session.access, session.refresh
			*a = there
		}
		restored.reset("link_token", link).is(401, "invalid_challenge") // who knows whether it was used since
		if broken := invariants(t, restored.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
		if n := restored.count("SELECT COUNT(*) FROM audit_events WHERE action = 'database.restored'"); n != 1 {
			t.Errorf("%d events of the restore", n)
		}
	})
}

// counter is a client that increments two values one after the other, so that a backup
// that mixes two moments is detected.
type counter struct {
	id, access, organization string
	acknowledged, asked      atomic.Int64
}

func (c *counter) run(p *process, stop *atomic.Bool) {
	for n := int64(1); !stop.Load(); n++ {
		c.asked.Store(n)
		if a := p.try("PATCH", "/api/v1/organizations/"+c.organization, c.access, body("name", fmt.Sprint(n))); a.status != 200 {
			p.t.Errorf("%d %s", a.status, a.body)
			return
		}
		c.acknowledged.Store(n)
		if a := p.try("PATCH", "/api/v1/users/"+c.id+"/profile", c.access, body("bio", fmt.Sprint(n))); a.status != 200 {
			p.t.Errorf("%d %s", a.status, a.body)
			return
		}
	}
}

// TestTrustBackups makes backups under a heavy write load and restores each.
func TestTrustBackups(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir := t.TempDir()
		p := serveProcess(t, dir, inProduction(databaseURL, crashEnvironment...)...)
		counters := make([]*counter, 6)
		for i := range counters {
			a := p.do("POST", "/api/v1/auth/register", "", body("email", fmt.Sprintf("c%d@example.com", i), "password", password, "name", "C")).is(201)
			counters[i] = &counter{id: a.str("user_id"), access: a.str("access_token"), organization: a.str("organization_id")}
		}
		var stop atomic.Bool
		var busy sync.WaitGroup
		for _, c := range counters {
			busy.Go(func() { c.run(p, &stop) })
		}
		wrong, rounds, checked := 0, size(2, 20), 0
		for round := range rounds {
			time.Sleep(rand.N(50 * time.Millisecond)) // the backup starts at a random moment
			least, most := make([]int64, len(counters)), make([]int64, len(counters))
			for i, c := range counters {
				least[i] = c.acknowledged.Load()
			}
			file := filepath.Join(dir, fmt.Sprint("backup", round))
			if out, status := run(t, dir, inProduction(databaseURL), "backup", file); status != 0 {
				t.Fatalf("backup: %d\n%s", status, out)
			}
			for i, c := range counters {
				most[i] = c.asked.Load()
			}
			to := "sqlite://" + filepath.Join(dir, fmt.Sprint("restored", round))
			if round%2 == 1 && strings.HasPrefix(databaseURL, "postgres") {
				to = platformtest.PostgresURL(t)
			}
			if out, status := run(t, dir, inProduction(to), "restore", file); status != 0 {
				t.Fatalf("restore: %d\n%s", status, out)
			}
			restored := start(t, to)
			for i, c := range counters {
				var name, bio int64
				err := restored.kernel.DB.Row(everything, `SELECT CAST(CASE WHEN o.name = 'C''s Organization' THEN '0' ELSE o.name END AS integer), CAST(COALESCE(p.bio, '0') AS integer)
					FROM organizations o, user_profile p WHERE o.id = ? AND p.user_id = ?`, c.organization, c.id).Scan(&name, &bio)
				if err != nil {
					t.Fatal(err)
				}
				checked++
				if name < least[i] || name > most[i] || bio != name && bio != name-1 {
					wrong++
					t.Errorf("counted to %d and %d, acknowledged was %d, asked for %d", name, bio, least[i], most[i])
				}
				if a := restored.do("GET", "/api/v1/auth/me", c.access, nil); a.status != 401 {
					wrong++
					t.Errorf("a session is valid after the restore: %d", a.status)
				}
			}
			if broken := invariants(t, restored.kernel.DB); len(broken) > 0 {
				wrong++
				t.Error(broken)
			}
		}
		stop.Store(true)
		busy.Wait()
		driver, _, _ := strings.Cut(databaseURL, "://")
		recordResult(t, "backup in a storm, restored", driver, checked, wrong, 0, "%d backups of 6 writers' data, each restored and gone through", rounds)
	})
}

func TestRestoreRefusesWhatIsNotSound(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, to string) {
		s := start(t, platformtest.SQLiteURL(t))
		ada, _ := fillService(t, s)
		dir := t.TempDir()
		whole := filepath.Join(dir, "whole")
		if _, err := backup.Take(everything, backup.Options{DB: s.kernel.DB, Migrations: s.app.Migrations(), Invariants: s.app.Invariants()}, whole); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(whole)
		if err != nil {
			t.Fatal(err)
		}
		file := func(name string, content []byte) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		refused := func(because, path string) {
			t.Helper()
			if out, status := run(t, dir, inProduction(to), "restore", path); status != 1 || !strings.Contains(out, because) {
				t.Errorf("%s: %d, want %q\n%s", path, status, because, out)
			}
			if target, isFile := strings.CutPrefix(to, "sqlite://"); isFile {
				if left, _ := filepath.Glob(target + "*"); len(left) > 0 {
					t.Errorf("%s left %v", path, left)
				}
			}
		}
		refused("no such file", filepath.Join(dir, "nothing"))
		refused("not a SQLite file", file("empty", nil))
		refused("not a SQLite file", file("text", []byte("no backup at all, but longer than the header")))
		refused("", file("cut", content[:len(content)/2]))
		refused("", file("first page", content[:4096]))
		torn := slices.Clone(content)
		for i := 8192; i < 8192+512; i++ {
			torn[i] ^= 0x55
		}
		refused("", file("torn", torn))

		broken := func(statements ...string) string {
			db := brokenCopy(t, s, statements)
			path := filepath.Join(dir, fmt.Sprint("broken", rand.Int64()))
			if err := db.CopyFile(everything, path); err != nil {
				t.Fatal(err)
			}
			return path
		}
		refused("I5 an account has a profile", broken("DELETE FROM user_profile WHERE user_id = '"+ada.id+"'"))
		var guard string
		if err := s.kernel.DB.Row(everything, "SELECT sql FROM sqlite_schema WHERE name = 'audit_events_only_erased'").Scan(&guard); err != nil {
			t.Fatal(err)
		}
		refused("is not what was written", broken("DROP TRIGGER audit_events_only_erased", "UPDATE audit_events SET actor_role = 'owner'", guard))
		refused("values in users do not have the type of their column, in the row: "+ada.id, broken("UPDATE users SET created_at = 'yesterday' WHERE id = '"+ada.id+"'"))
		refused("there is no CREATE TRIGGER audit_events_only_erased", broken("DROP TRIGGER audit_events_only_erased"))
		undead := "CREATE TRIGGER undead AFTER UPDATE ON sessions BEGIN UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL WHERE id = OLD.id; END"
		refused("there is CREATE TRIGGER undead", broken(undead))
		refused("there is CREATE VIEW", broken("CREATE VIEW v AS SELECT 1"))
		if out, status := run(t, dir, inProduction(to), "restore", "--unsound", broken(undead)); status != 1 || !strings.Contains(out, "sessions can't be ended") {
			t.Errorf("sessions valid after the restore: %d\n%s", status, out)
		}
		refused("newer than this version", broken("INSERT INTO schema_migrations (id) VALUES ('209912312359_auth_from_the_future')"))
		refused("not a backup of guildhall", broken("DROP TABLE schema_migrations"))
		refused("was not finished", broken("CREATE TABLE guildhall_copy_in_progress (position bigint, statement text)"))

		unsound := broken("DELETE FROM user_profile WHERE user_id = '" + ada.id + "'")
		if out, status := run(t, dir, inProduction(to), "restore", "--unsound", unsound); status != 0 || !strings.Contains(out, "I5 an account has a profile") {
			t.Errorf("--unsound: %d\n%s", status, out)
		}
	})
}

// TestAnUnsoundBackupIsNotTakenForGood checks that a backup that fails verification gets
// another name.
func TestAnUnsoundBackupIsNotTakenForGood(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		s.exec("DELETE FROM user_profile WHERE user_id = '" + ada.id + "'")
		file := filepath.Join(t.TempDir(), "b")
		taken, err := backup.Take(everything, backup.Options{DB: s.kernel.DB, Migrations: s.app.Migrations(), Invariants: s.app.Invariants()}, file)
		if err == nil || !strings.Contains(err.Error(), "I5 an account has a profile: "+ada.id) || taken.Path != file+".unsound" {
			t.Errorf("%+v %v", taken, err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Error("an invalid backup has the name of a valid one")
		}
		if _, err := os.Stat(file + ".unsound"); err != nil {
			t.Error(err)
		}
	})
}

// TestAnOlderBackupIsBroughtToThisVersion restores a backup with the schema of the
// previous version.
func TestAnOlderBackupIsBroughtToThisVersion(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, to string) {
		s := start(t, platformtest.SQLiteURL(t))
		ada := s.person("Ada")
		if _, err := migrate.Down(everything, s.kernel.DB, s.app.Migrations(), 1); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "old.db")
		if err := s.kernel.DB.CopyFile(everything, file); err != nil {
			t.Fatal(err)
		}
		if out, status := run(t, dir, inProduction(to), "restore", file); status != 0 {
			t.Fatalf("%d\n%s", status, out)
		}
		start(t, to).logIn(ada.email, password).is(200)
	})
}

// TestScheduledBackups checks that only one of two processes that share the directory
// makes a backup when it is due, and that the oldest ones are deleted.
func TestScheduledBackups(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir := t.TempDir()
		backups := filepath.Join(dir, "backups")
		if err := os.MkdirAll(backups, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"guildhall-20200101T000000Z.db", "guildhall-20200102T000000Z.db", "mine.db"} {
			if err := os.WriteFile(filepath.Join(backups, name), []byte("SQLite format 3\x00"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		environ := inProduction(databaseURL, "BACKUP_DIR="+backups, "BACKUP_KEEP=2", "MIGRATE_ON_START=true", "ENABLE_REGISTRATION=true")
		processes := []*process{serveProcess(t, dir, environ...)}
		if strings.HasPrefix(databaseURL, "postgres") {
			processes = append(processes, serveProcess(t, dir, environ...))
		}
		var names []string
		for range 400 {
			names = nil
			entries, _ := os.ReadDir(backups)
			for _, e := range entries {
				if !strings.HasPrefix(e.Name(), ".") {
					names = append(names, e.Name())
				}
			}
			if !slices.Contains(names, "guildhall-20200101T000000Z.db") {
				break
			}
			time.Sleep(25 * time.Millisecond)
		}
		if len(names) != 3 || names[0] != "guildhall-20200102T000000Z.db" || names[2] != "mine.db" {
			t.Fatalf("there are %v\n%s", names, processes[0].out)
		}
		if at := backup.Newest(backups, time.Now()); time.Since(at) > time.Minute {
			t.Errorf("the newest is of %s", at)
		}
		for _, p := range processes {
			p.stop()
		}
		if out, status := run(t, dir, inProduction("sqlite://"+filepath.Join(dir, "r.db")), "restore", filepath.Join(backups, names[1])); status != 0 {
			t.Errorf("restore: %d\n%s", status, out)
		}
	})
}

// TestBackupUnderRowSecurity makes a backup as the role that row-level security binds,
// and restores it as the tables' owner into a database where row-level security is on.
func TestBackupUnderRowSecurity(t *testing.T) {
	t.Parallel()
	var service string
	s := start(t, platformtest.PostgresURL(t), func(c *config.Config) {
		underRowSecurity(t, c)
		service = c.DatabaseURL.Reveal()
	})
	ada, _ := fillService(t, s)
	dir := t.TempDir()
	file := filepath.Join(dir, "everything.db")
	if out, status := run(t, dir, inProduction(service, "DATABASE_ROW_SECURITY=true"), "backup", file); status != 0 {
		t.Fatalf("backup: %d\n%s", status, out)
	}
	owner := platformtest.PostgresURL(t)
	var restoredService string
	start(t, owner, func(c *config.Config) {
		underRowSecurity(t, c)
		restoredService = c.DatabaseURL.Reveal()
	})
	if out, status := run(t, dir, inProduction(owner), "restore", file); status != 0 {
		t.Fatalf("restore: %d\n%s", status, out)
	}
	restored := start(t, restoredService, func(c *config.Config) { c.DatabaseRowSecurity, c.MigrateOnStart = true, false })
	restored.logIn(ada.email, password).is(200)
	if was, is := s.count("SELECT COUNT(*) FROM organization_members"), restored.count("SELECT COUNT(*) FROM organization_members"); was != is || was == 0 {
		t.Errorf("%d members, %d restored", was, is)
	}
	if n := restored.countAs(context.Background(), "SELECT COUNT(*) FROM organization_members"); n != 0 {
		t.Errorf("without a tenant, %d members are visible", n)
	}
}

// countAs is count with the rows that a context may see.
func (s *service) countAs(ctx context.Context, query string) (n int) {
	s.t.Helper()
	if err := s.kernel.DB.Row(ctx, query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestBackupThatIsGivenUp checks that an interrupted backup leaves no files.
func TestBackupThatIsGivenUp(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.person("Ada")
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(everything)
		cancel()
		if _, err := backup.Take(ctx, backup.Options{DB: s.kernel.DB, Migrations: s.app.Migrations(), Invariants: s.app.Invariants()}, filepath.Join(dir, "b")); err == nil {
			t.Error("a backup was made")
		}
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
			if !d.IsDir() {
				t.Errorf("left behind: %s", path)
			}
			return nil
		})
	})
}

// TestRestoreReplacesNothing checks that a restore does not overwrite a file that appears
// at its target while it runs, and does not use files beside the target.
func TestRestoreReplacesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	s.person("Ada")
	dir := t.TempDir()
	file, to := filepath.Join(dir, "backup"), filepath.Join(dir, "guildhall.db")
	if _, err := backup.Take(everything, backup.Options{DB: s.kernel.DB, Migrations: s.app.Migrations(), Invariants: s.app.Invariants()}, file); err != nil {
		t.Fatal(err)
	}
	appears := func(name string) func(context.Context, *database.DB) error {
		return func(context.Context, *database.DB) error { return os.WriteFile(name, []byte("somebody's"), 0o600) }
	}
	for _, name := range []string{to, to + "-wal", to + "-journal"} {
		o := backup.RestoreOptions{File: file, Migrations: s.app.Migrations(), Invariants: s.app.Invariants(), Finish: appears(name)}
		if _, err := backup.ToFile(everything, o, to); err == nil || !strings.Contains(err.Error(), name+" already exists") {
			t.Errorf("%s appears: %v", name, err)
		}
		if _, err := backup.ToFile(everything, o, to); err == nil || !strings.Contains(err.Error(), name+" already exists") {
			t.Errorf("%s is there: %v", name, err)
		}
		if content, err := os.ReadFile(name); err != nil || string(content) != "somebody's" {
			t.Errorf("%s is now %q %v", name, content, err)
		}
		_ = os.Remove(name)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestABackupMayHaveAnyName uses names with characters that have a meaning in a URL.
func TestABackupMayHaveAnyName(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		dir := filepath.Join(t.TempDir(), "a?b#c%41 [d]")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		file, to := filepath.Join(dir, "back?up#1.db"), filepath.Join(dir, "re?stored")
		if taken, err := backup.Take(everything, backup.Options{DB: s.kernel.DB, Migrations: s.app.Migrations(), Invariants: s.app.Invariants()}, file); err != nil || taken.Bytes == 0 {
			t.Fatalf("%+v %v", taken, err)
		}
		finish := func(ctx context.Context, db *database.DB) error { return new(afterRestore).sessions(ctx, db) }
		if _, err := backup.ToFile(everything, backup.RestoreOptions{File: file, Migrations: s.app.Migrations(), Invariants: s.app.Invariants(), Finish: finish}, to); err != nil {
			t.Fatal(err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 2 {
			t.Errorf("there are %v", entries)
		}
		db, err := database.Open(everything, database.Options{File: to})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var email string
		if err := db.Row(everything, "SELECT email FROM users").Scan(&email); err != nil || email != ada.email {
			t.Errorf("%q %v", email, err)
		}
	})
}

// TestAClockThatWasWrongStopsNoBackups checks that names from the future, and files that
// are not backups, are ignored.
func TestAClockThatWasWrongStopsNoBackups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now().UTC()
	for name, content := range map[string]string{
		"guildhall-20360101T000000Z.db":                                       "SQLite format 3\x00",
		"guildhall-" + now.Format("20060102T150405Z") + ".db":                 "",
		"guildhall-" + now.Add(-time.Hour).Format("20060102T150405Z") + ".db": "SQLite format 3\x00",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if age := now.Sub(backup.Newest(dir, now)); age < 59*time.Minute || age > 61*time.Minute {
		t.Errorf("the newest is %s old", age)
	}
}

// TestABackupThatFailsIsSeen checks that the log, the metrics and doctor report a failed
// backup.
func TestABackupThatFailsIsSeen(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		s.exec("DELETE FROM user_profile WHERE user_id = '" + ada.id + "'")
		dir := t.TempDir()
		backups := filepath.Join(dir, "backups")
		environ := s.environ("BACKUP_DIR="+backups, "PRIVATE_ADDRESS=127.0.0.1:0")
		p := serveProcess(t, dir, environ...)
		failures := func() float64 { return p.scrape().value("guildhall_backup_failures_total") }
		for range 400 {
			if failures() == 1 {
				break
			}
			time.Sleep(25 * time.Millisecond)
		}
		if n := failures(); n != 1 {
			t.Fatalf("%v failures\n%s", n, p.out)
		}
		p.says(`"no backup was made"`)
		if out, status := run(t, dir, environ, "doctor"); status != 1 || !strings.Contains(out, "fail  backups: the last attempt, at ") || !strings.Contains(out, "failed: the backup is not sound") {
			t.Errorf("doctor: %d\n%s", status, out)
		}
		p.stop()

		s.exec("INSERT INTO user_profile (user_id, name) VALUES ('" + ada.id + "', 'Ada')")
		p = serveProcess(t, dir, environ...)
		p.says(`"backup made"`)
		if out, _ := run(t, dir, environ, "doctor"); strings.Contains(out, "the last attempt") || failures() != 0 {
			t.Errorf("after one was made: %v failures\n%s\n%s", failures(), out, p.out)
		}
		p.stop()
	})
}

// TestADirectoryThatTakesNoBackups checks that an unwritable directory is reported before
// a backup is due: check fails, but the service starts.
func TestADirectoryThatTakesNoBackups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, backups := range []string{file, filepath.Join(file, "backups", "below")} {
		environ := inProduction(platformtest.SQLiteURL(t), "BACKUP_DIR="+backups, "MIGRATE_ON_START=true")
		p := serveProcess(t, dir, environ...)
		p.do("GET", "/readyz", "", nil).is(200)
		p.says(`"no backup can be written to BACKUP_DIR"`)
		if out, status := run(t, dir, environ, "check"); status != 1 || !strings.Contains(out, "FAIL BACKUP_DIR: can't be written to") {
			t.Errorf("%s: check: %d\n%s", backups, status, out)
		}
		if out, status := run(t, dir, environ, "doctor"); status != 1 || !strings.Contains(out, "fail  backups: none can be written: ") {
			t.Errorf("%s: doctor: %d\n%s", backups, status, out)
		}
		p.stop()
	}
	for _, backups := range []string{dir, filepath.Join(dir, "not", "there")} {
		if out, _ := run(t, dir, inProduction(platformtest.SQLiteURL(t), "BACKUP_DIR="+backups), "check"); !strings.Contains(out, "ok   BACKUP_DIR") {
			t.Errorf("%s: check:\n%s", backups, out)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}
