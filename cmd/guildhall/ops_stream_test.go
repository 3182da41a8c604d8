package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"guildhall/platform/platformtest"
)

// TestABackupGoesThroughAPipe backs up and restores through a pipe, between any two
// databases.
func TestABackupGoesThroughAPipe(t *testing.T) {
	fromEachToEach(t, func(t *testing.T, from, to string) {
		s := start(t, from)
		ada := s.person("Ada")
		dir, temporary := t.TempDir(), t.TempDir()
		out, errs, status := separately(t, "", dir, inProduction(from, "TMPDIR="+temporary), "backup", "-")
		if status != 0 || !strings.HasPrefix(out, "SQLite format 3\x00") || !strings.Contains(errs, "standard output: ") || !strings.Contains(errs, "audit events are valid") {
			t.Fatalf("backup: %d, %d bytes\n%s", status, len(out), errs)
		}
		environ := inProduction(to, "TMPDIR="+temporary)
		for what, input := range map[string]string{
			"nothing": "", "another file": "PGDMP" + out[5:], "half a backup": out[:len(out)/2], "a backup less a page": out[:len(out)-4096],
		} {
			if said, status := runWith(t, input, dir, environ, "restore", "-"); status != 1 || strings.Contains(said, "restored in") {
				t.Errorf("%s: %d\n%s", what, status, said)
			}
		}
		if said, status := runWith(t, out, dir, environ, "restore", "-"); status != 0 || !strings.Contains(said, "log in again") {
			t.Fatalf("restore: %d\n%s", status, said)
		}
		start(t, to).logIn(ada.email, password).is(200)
		if path, isFile := sqlitePath(to); isFile {
			if entries, _ := filepath.Glob(path + ".*"); len(entries) > 0 {
				t.Errorf("left behind: %v", entries)
			}
		}
		for _, place := range []string{dir, temporary} {
			if entries, _ := os.ReadDir(place); len(entries) > 0 {
				t.Errorf("left behind: %v", entries)
			}
		}
	})
}

// TestNothingUnsoundGoesThroughAPipe checks that a backup that fails verification writes
// nothing to the pipe.
func TestNothingUnsoundGoesThroughAPipe(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		s.exec("DELETE FROM user_profile WHERE user_id = '" + ada.id + "'")
		temporary := t.TempDir()
		out, errs, status := separately(t, "", t.TempDir(), s.environ("TMPDIR="+temporary), "backup", "-")
		if status != 1 || out != "" || !strings.Contains(errs, "nothing was written") || !strings.Contains(errs, ada.id) {
			t.Errorf("%d, %d bytes\n%s", status, len(out), errs)
		}
		if entries, _ := os.ReadDir(temporary); len(entries) > 0 {
			t.Errorf("left behind: %v", entries)
		}
	})
}

// TestTheOtherStreams imports an organization from a pipe, and reads a URL with a
// password from standard input.
func TestTheOtherStreams(t *testing.T) {
	t.Parallel()
	from, to := platformtest.SQLiteURL(t), platformtest.SQLiteURL(t)
	s := start(t, from)
	ada := s.person("Ada")
	dir := t.TempDir()
	archive, errs, status := separately(t, "", dir, inProduction(from), "export", ada.organization, "-o", "-")
	if status != 0 || !strings.HasPrefix(archive, "\x1f\x8b") {
		t.Fatalf("%d %s", status, errs)
	}
	if out, status := runWith(t, archive, dir, inProduction(to, "MIGRATE_ON_START=true"), "import", "-"); status != 0 || !strings.Contains(out, "was imported") {
		t.Errorf("import: %d\n%s", status, out)
	}
	target := platformtest.SQLiteURL(t)
	if out, status := runWith(t, target+"\n", dir, inProduction(from), "copy", "--from", from, "--to-file", "-"); status != 0 {
		t.Errorf("copy: %d\n%s", status, out)
	}
	start(t, target).logIn(ada.email, password).is(200)
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}
