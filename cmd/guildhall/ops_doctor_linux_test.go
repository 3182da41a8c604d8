package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"guildhall/platform/platformtest"
)

func TestTheDoctorLooksAtASQLiteFile(t *testing.T) {
	t.Parallel()
	below := t.TempDir()
	small, err := platformtest.Tmpfs(t, 32)
	if err == nil {
		below = small
	}
	path := filepath.Join(below, "guildhall.db")
	s := start(t, "sqlite://"+path)
	s.person("Ada")
	if err := os.Chmod(path, 0o644); err != nil { //nolint:gosec // on purpose
		t.Fatal(err)
	}
	found := examined(s)
	if !strings.Contains(found, "warn  file: others may open it (mode 644)\n      -> chmod 600 "+path) {
		t.Errorf("the mode:\n%s", found)
	}
	if small != "" && !strings.Contains(found, "fail  disk: ") {
		t.Errorf("a full disk:\n%s", found)
	}
}

func TestTheDoctorLooksAtPostgres(t *testing.T) {
	t.Parallel()
	server := platformtest.NewServer(t, "", "fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off", "max_connections=12")
	s := start(t, server.URL("postgres"))
	found := examined(s)
	for _, want := range []string{
		"fail  PostgreSQL: fsync is off", "fail  PostgreSQL: full_page_writes is off", "fail  PostgreSQL: synchronous_commit is off",
		"warn  PostgreSQL: autovacuum is off", "warn  connections: DATABASE_MAX_CONNECTIONS is 10 of the server's 9",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("want %q in\n%s", want, found)
		}
	}
	old := platformtest.Major(t, server.URL("postgres")) < 15
	if warned := strings.Contains(found, "warn  PostgreSQL: server_version_num is 14"); warned != old {
		t.Errorf("warned of the version: %t\n%s", warned, found)
	}
}
