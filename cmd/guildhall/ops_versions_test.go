package main

import (
	"strings"
	"testing"

	"guildhall/platform/engine"
	"guildhall/platform/platformtest"
)

// TestAnOldPostgreSQLIsRefused checks that every command refuses an old server with the
// same message. If the test's server is not old, it reports an old version.
func TestAnOldPostgreSQLIsRefused(t *testing.T) {
	t.Parallel()
	old, sqlite := platformtest.PostgresURL(t), platformtest.SQLiteURL(t)
	if platformtest.Major(t, old) >= engine.OldestPostgreSQL {
		old = platformtest.ReportingVersion(t, old, "PostgreSQL 13.23 on x86_64-pc-linux-gnu", "13.23", "130023")
	}
	if out, status := run(t, t.TempDir(), inProduction(sqlite), "migrate", "up"); status != 0 {
		t.Fatalf("%d\n%s", status, out)
	}
	for _, args := range [][]string{
		{"migrate", "up"}, {"migrate", "plan"}, {"check"}, {"doctor"}, {"backup", "file.db"}, {"audit", "verify"},
		{"copy", "--from", sqlite, "--to", old}, {"copy", "--from", old, "--to", platformtest.SQLiteURL(t)}, nil,
	} {
		if args == nil && t.Failed() {
			return // a service that starts does not exit
		}
		dir := t.TempDir()
		out, status := run(t, dir, inProduction(old, "MIGRATE_ON_START=true"), args...)
		if status != 1 || !strings.Contains(out, "the server is PostgreSQL 13.") || !strings.Contains(out, "guildhall needs PostgreSQL 14 or newer") {
			t.Errorf("guildhall %s: %d\n%s", strings.Join(args, " "), status, out)
		}
	}
}
