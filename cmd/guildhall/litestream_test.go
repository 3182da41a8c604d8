package main

import (
	"path/filepath"
	"strings"
	"testing"

	"guildhall/platform/platformtest"
)

// TestLitestreamsTablesAreNotOurs: a file that Litestream replicates is looked
// over, backed up and restored like any other; a trigger on them is somebody else's.
func TestLitestreamsTablesAreNotOurs(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	ada := s.person("Ada")
	s.exec("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
	s.exec("CREATE TABLE _litestream_lock (id INTEGER)")
	s.commandIs(0, "every invariant holds", "doctor")
	dir := t.TempDir()
	file, restored := filepath.Join(dir, "backup.db"), "sqlite://"+filepath.Join(dir, "restored.db")
	s.commandIs(0, "nothing wrong", "backup", file)
	if out, status := run(t, dir, inProduction(restored), "restore", file); status != 0 {
		t.Fatalf("restore: %d\n%s", status, out)
	}
	start(t, restored).logIn(ada.email, password).is(200)

	s.exec("CREATE TRIGGER undead AFTER INSERT ON _litestream_seq BEGIN UPDATE sessions SET revoked_at = NULL; END")
	s.commandIs(1, "there is CREATE TRIGGER undead", "doctor")
	s.exec("DROP TRIGGER undead")
	s.exec("CREATE TABLE notes (id INTEGER)") // without a key
	out := s.commandIs(1, "there is CREATE TABLE notes", "doctor")
	if !strings.Contains(out, "every invariant holds") {
		t.Errorf("the data were not looked at:\n%s", out)
	}
}
