package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"guildhall/platform/clone"
	"guildhall/platform/database"
	"guildhall/platform/platformtest"
)

// alter changes a SQLite file that no process has open.
func alter(t *testing.T, file, statement string) {
	t.Helper()
	raw, err := sql.Open("sqlite3", "file:"+file+"?_foreign_keys=off")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAnAlteredBackupIsNotRestored alters one column of one table at a time.
func TestAnAlteredBackupIsNotRestored(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		s := start(t, from)
		ada, _ := fillService(t, s)
		dir := t.TempDir()
		file := filepath.Join(dir, "b.db")
		taken := document[object](t, s.environ(), 0, "backup", file)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		altered := filepath.Join(dir, "altered.db")
		refused := func(statement string) {
			t.Helper()
			if err := os.WriteFile(altered, content, 0o600); err != nil {
				t.Fatal(err)
			}
			alter(t, altered, statement)
			if out, status := run(t, dir, inProduction(to), "restore", altered); status != 1 || !strings.Contains(out, "was altered after it was made") {
				t.Errorf("%s: %d\n%s", statement, status, out)
			}
		}
		refused("UPDATE users SET email = 'eve@example.com', email_canonical = 'eve@example.com' WHERE id = '" + ada.id + "'")
		refused("UPDATE user_login_password SET password_hash = (SELECT MAX(password_hash) FROM user_login_password)")
		refused("DELETE FROM platform_administrators")
		refused("INSERT INTO platform_administrators SELECT id, created_at FROM users WHERE id = '" + ada.id + "'")
		refused("DELETE FROM rate_limits; DELETE FROM sessions WHERE id = (SELECT MIN(id) FROM sessions)")
		refused("DELETE FROM schema_migrations WHERE id = (SELECT MAX(id) FROM schema_migrations)")
		refused("UPDATE guildhall_backup SET digest = 'x'")

		if out, status := run(t, dir, inProduction(to), "restore", file, "--digest", strings.Repeat("0", 64)); status != 1 || !strings.Contains(out, "not the requested backup") {
			t.Errorf("another digest: %d\n%s", status, out)
		}
		if out, status := run(t, dir, inProduction(to), "restore", file, "--digest", "abc"); status != 2 {
			t.Errorf("no digest: %d\n%s", status, out)
		}
		restored := document[object](t, inProduction(to), 0, "restore", file, "--digest", strings.ToUpper(taken["digest"].(string)))
		if hasMembers(t, restored, "digest verified sound problems audit_events audit_digest api_keys erased seconds"); restored["verified"] != true || restored["digest"] != taken["digest"] {
			t.Errorf("restored: %v", restored)
		}
		after := start(t, to)
		after.logIn(ada.email, password).is(200)
		if tables, err := after.kernel.DB.Tables(everything); err != nil || len(tables["guildhall_backup"].Columns) > 0 {
			t.Errorf("the digest was restored as well: %v", err)
		}
	})
}

// TestEveryColumnCounts checks that each column changes the digest of a backup.
func TestEveryColumnCounts(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	ada, grace := fillService(t, s)
	s.operator("Root")
	ada.post(ada.org("/suspend"), body("reason", "for a while")).is(200)
	ada.post(ada.org("/activate"), nil).is(200)
	grace.delete(ada.org("/members/" + grace.id)).is(204)
	dir := t.TempDir()
	file := filepath.Join(dir, "b.db")
	taken := document[object](t, s.environ(), 0, "backup", file)
	tables, err := s.kernel.DB.Tables(everything)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, table := range tables {
		if s.count("SELECT COUNT(*) FROM "+table.Name) == 0 || table.Name == "audit_events" { // its triggers allow no change
			continue
		}
		for _, c := range table.Columns {
			altered := filepath.Join(dir, table.Name+"."+c.Name)
			if err := database.CopyClosedFile(everything, file, altered); err != nil {
				t.Fatal(err)
			}
			other := map[database.Kind]string{
				database.Text: "'0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70'", database.Integer: "4711", database.Boolean: "NOT " + c.Name,
				database.Time: "'2001-02-03 04:05:06+00:00'",
			}[c.Kind]
			key := strings.Join(table.Key, ", ")
			alter(t, altered, fmt.Sprintf("PRAGMA ignore_check_constraints = on; UPDATE %[1]s SET %[2]s = %[3]s WHERE (%[4]s) IN (SELECT %[4]s FROM %[1]s LIMIT 1)", //nolint:gosec // a test's own
				table.Name, c.Name, other, key))
			tried++
			if is := sumOf(t, altered); is == taken["digest"] {
				t.Errorf("%s.%s does not count", table.Name, c.Name)
			}
			database.RemoveFiles(altered)
		}
	}
	if is := sumOf(t, file); is != taken["digest"] {
		t.Errorf("the file has %s, and backup printed %s", is, taken["digest"])
	}
	if tried < 60 {
		t.Errorf("only %d columns were tried", tried)
	}
}

func sumOf(t *testing.T, file string) string {
	t.Helper()
	db, err := database.Open(everything, database.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	sum, err := clone.Sum(everything, db)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestADatabaseThatWasABackupCanBeBackedUp starts the service on a backup file that was
// put in place by hand: the service must remove its digest, which is no longer valid.
func TestADatabaseThatWasABackupCanBeBackedUp(t *testing.T) {
	t.Parallel()
	from := platformtest.SQLiteURL(t)
	start(t, from).person("Ada")
	dir := t.TempDir()
	file := filepath.Join(dir, "b.db")
	if out, status := run(t, dir, inProduction(from), "backup", file); status != 0 {
		t.Fatalf("%d\n%s", status, out)
	}
	if again := document[object](t, inProduction("sqlite://"+file), 0, "backup", filepath.Join(dir, "again.db")); again["sound"] != true {
		t.Errorf("%v", again)
	}
	start(t, "sqlite://"+file).person("Grace")
	stopped := filepath.Join(dir, "stopped.db")
	if err := database.CopyClosedFile(everything, file, stopped); err != nil {
		t.Fatal(err)
	}
	out, errs, status := separately(t, "", dir, inProduction("sqlite://"+filepath.Join(dir, "to.db")), "restore", stopped)
	if status != 0 || !strings.Contains(errs, "without a digest") {
		t.Errorf("%d\n%s%s", status, out, errs)
	}
}
