package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"guildhall/platform/platformtest"
)

// limitedTo creates a cgroup (v1 or v2) with a memory limit, like that of a container.
func limitedTo(t *testing.T, bytes string) (procs string) {
	t.Helper()
	name := "guildhall-test-" + uuid.NewString()
	for dir, file := range map[string]string{"/sys/fs/cgroup/memory/": "memory.limit_in_bytes", "/sys/fs/cgroup/": "memory.max"} {
		group := filepath.Join(dir, name)
		if err := os.Mkdir(group, 0o755); err != nil { //nolint:gosec // as the others there
			continue
		}
		t.Cleanup(func() { _ = os.Remove(group) })
		if f, err := os.OpenFile(filepath.Join(group, file), os.O_WRONLY, 0); err == nil {
			_, err = f.WriteString(bytes)
			if _ = f.Close(); err == nil {
				return filepath.Join(group, "cgroup.procs")
			}
		}
	}
	t.Skip("NOT TESTED: no cgroup can be made here")
	return ""
}

// TestTheLimitOfAContainerIsHeeded checks that the service detects the limit of its
// cgroup, and that GOMEMLIMIT takes precedence.
func TestTheLimitOfAContainerIsHeeded(t *testing.T) {
	t.Parallel()
	procs := limitedTo(t, "268435456")
	for more, want := range map[string]string{"": `"go_limit_bytes":201326592`, "GOMEMLIMIT=100MiB": `"go_limit_bytes":104857600`} {
		cmd := command(t.TempDir(), inProduction(platformtest.SQLiteURL(t), "MIGRATE_ON_START=true", "PATH="+os.Getenv("PATH"), more))
		cmd.Args = []string{"sh", "-c", `echo $$ > "$0" && exec "$1"`, procs, cmd.Path}
		cmd.Path = "/bin/sh"
		p := serveCommand(t, cmd)
		p.says(want)
		p.stop()
	}
}
