package platformtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// PgBouncer starts a PgBouncer for one test, in transaction mode, in front of a
// database's server, and returns the URL that leads through it. It has so few server
// connections that clients have to share them.
func PgBouncer(t testing.TB, databaseURL string) string {
	t.Helper()
	program := Program(t, "pgbouncer", "/usr/sbin/pgbouncer")
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "guildhall-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	identity, err := unprivileged(dir)
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	settings := fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
pool_mode = transaction
default_pool_size = 3
max_client_conn = 1000
auth_type = trust
auth_file = %[4]s/users
auth_user = guildhall
logfile = %[4]s/log
`, u.Hostname(), u.Port(), port, dir)
	for name, text := range map[string]string{"settings": settings, "users": `"guildhall" ""` + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // another user reads it
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "--quiet", filepath.Join(dir, "settings"))
	cmd.SysProcAttr, cmd.Dir = identity, dir
	Apart(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	u.Host = "127.0.0.1:" + strconv.Itoa(port)
	if err := waitFor(u.String()); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Fatalf("PgBouncer does not answer: %v\n%s", err, log)
	}
	return u.String()
}

// Program returns the path of a program that a test needs. If it is not installed, the
// test is skipped, or fails as it does without PostgreSQL.
func Program(t testing.TB, name string, elsewhere ...string) string {
	t.Helper()
	for _, candidate := range append([]string{name}, elsewhere...) {
		if found, err := exec.LookPath(candidate); err == nil {
			return found
		}
	}
	if os.Getenv(RequirePostgres) != "" {
		t.Fatalf("%s is set but %s is missing", RequirePostgres, name)
	}
	t.Skipf("NOT TESTED WITH %s: it is not installed", name)
	return ""
}
