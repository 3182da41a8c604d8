package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"guildhall/platform/platformtest"
)

// TestBackupsBetweenVersions restores the backups of each version of PostgreSQL into each
// version and into SQLite, and SQLite's into each, and copies likewise.
// scripts/versions-check says where their programs are.
func TestBackupsBetweenVersions(t *testing.T) {
	t.Parallel()
	programs := filepath.SplitList(os.Getenv("GUILDHALL_TEST_POSTGRES_PROGRAMS"))
	if len(programs) == 0 {
		t.Skip("NOT TESTED BETWEEN VERSIONS OF POSTGRESQL: scripts/versions-check does it")
	}
	kinds := []kindOfDatabase{{"SQLite", platformtest.SQLiteURL}}
	for _, bin := range programs {
		kinds = append(kinds, postgresOf(t, bin))
	}
	t.Run("restore", func(t *testing.T) {
		for _, from := range kinds {
			t.Run(from.name, func(t *testing.T) {
				t.Parallel()
				restoresIntoEach(t, from, kinds)
			})
		}
	})
}

type kindOfDatabase struct {
	name string
	url  func(testing.TB) string // of a new, empty one
}

func postgresOf(t *testing.T, bin string) kindOfDatabase {
	t.Helper()
	server, made := platformtest.NewServerOf(t, bin, ""), new(atomic.Int64)
	return kindOfDatabase{fmt.Sprint("PostgreSQL ", platformtest.Major(t, server.URL("postgres"))), func(t testing.TB) string {
		t.Helper()
		name := fmt.Sprint("database", made.Add(1))
		if err := server.TryExec("postgres", "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
		return server.URL(name)
	}}
}

func restoresIntoEach(t *testing.T, from kindOfDatabase, into []kindOfDatabase) {
	t.Helper()
	dir, original := t.TempDir(), from.url(t)
	fillService(t, start(t, original))
	file := filepath.Join(dir, "backup.db")
	succeeds := func(databaseURL string, args ...string) string {
		t.Helper()
		out, status := run(t, dir, inProduction(databaseURL), args...)
		if status != 0 {
			t.Fatalf("guildhall %s: %d\n%s", strings.Join(args, " "), status, out)
		}
		return out
	}
	digests := func(databaseURL string) map[string]string {
		t.Helper()
		all := map[string]string{}
		for _, line := range copiedTable.FindAllString(succeeds("", "copy", "--from", databaseURL, "--to", platformtest.SQLiteURL(t)), -1) {
			table, digest, _ := strings.Cut(line, " ")
			all[table] = digest
		}
		return all
	}
	succeeds(original, "backup", file)
	was := digests(original)
	if len(was) < 15 {
		t.Fatalf("only %d tables have a digest", len(was))
	}
	for _, to := range into {
		restored := to.url(t)
		succeeds(restored, "restore", file)
		if out := succeeds(restored, "doctor"); !strings.Contains(out, "ok    data: every invariant holds") {
			t.Errorf("in %s:\n%s", to.name, out)
		}
		succeeds(restored, "audit", "verify")
		is := digests(restored)
		for table, digest := range was {
			// A restore ends all sessions, which is a revocation, and is itself an event.
			if changed := strings.HasPrefix(table, "audit_") || table == "sessions" || table == "revocations"; !changed && is[table] != digest {
				t.Errorf("in %s, %s was %s and is %s", to.name, table, digest, is[table])
			}
		}
		succeeds("", "copy", "--from", original, "--to", to.url(t)) // compares by itself
	}
}
