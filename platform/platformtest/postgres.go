// Package platformtest provides tests with a real database of either kind.
package platformtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// RequirePostgres is the environment variable that makes missing PostgreSQL a failure.
const RequirePostgres = "GUILDHALL_TEST_REQUIRE_POSTGRES"

// cluster is started once per test process, when a test first needs it.
var cluster = sync.OnceValues(startCluster)

type clusterAt struct {
	adminURL string
	missing  bool
	own      *Cluster // kept for as long as the process runs
}

// PostgresURL returns the URL of a new, empty PostgreSQL database that is dropped when
// the test ends. It uses the server in TEST_DATABASE_URL or starts a temporary one. If
// neither is possible, the test is skipped.
func PostgresURL(t testing.TB) string {
	t.Helper()
	c, err := cluster()
	switch {
	case c.missing && os.Getenv(RequirePostgres) != "":
		t.Fatalf("%s is set but PostgreSQL is missing: %v", RequirePostgres, err)
	case c.missing:
		t.Skipf("NOT TESTED ON POSTGRESQL: %v; install PostgreSQL's server or set TEST_DATABASE_URL", err)
	case err != nil:
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name := "guildhall_test_" + randomHex()
	admin, err := sql.Open("pgx", c.adminURL)
	if err != nil {
		t.Fatalf("open PostgreSQL: %v", err)
	}
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
		_ = admin.Close()
	})
	u, err := url.Parse(c.adminURL)
	if err != nil {
		t.Fatalf("read the URL of PostgreSQL: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

// SQLiteURL returns the URL of a new SQLite file that is removed when the test ends.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return "sqlite://" + filepath.Join(t.TempDir(), "guildhall.db")
}

// Each runs a test on both databases.
func Each(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLiteURL(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, PostgresURL(t))
	})
}

func startCluster() (clusterAt, error) {
	if given := os.Getenv("TEST_DATABASE_URL"); given != "" {
		return clusterAt{adminURL: given}, nil
	}
	c, err := StartCluster("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=400", "shared_buffers=64MB", "autovacuum=off")
	if err != nil {
		return clusterAt{missing: errors.Is(err, errNoServer)}, err
	}
	return clusterAt{adminURL: c.AdminURL, own: c}, nil
}

// Cluster is a temporary PostgreSQL server on the loopback interface. However this
// process ends, the server is stopped and its files are removed.
type Cluster struct {
	AdminURL string // of its superuser and the database postgres
	input    io.Closer
	shell    *exec.Cmd
}

// StartCluster creates and starts a Cluster. Settings have the form "fsync=off".
func StartCluster(settings ...string) (*Cluster, error) {
	bin, err := findServer()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "guildhall-postgres-")
	if err != nil {
		return nil, err
	}
	identity, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "guildhall",
		"--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = identity, dir
	if output, err := initdb.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("initdb: %w: %s", err, output)
	}
	c := &Cluster{AdminURL: fmt.Sprintf("postgres://guildhall@127.0.0.1:%d/postgres?sslmode=disable", port)}
	if err := c.supervise(bin, dir, port, identity, settings); err != nil {
		return nil, err
	}
	if err := waitFor(c.AdminURL); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// supervise starts the server from a shell that waits for the end of its input. This
// process has the other end of that pipe.
func (c *Cluster) supervise(bin, dir string, port int, identity *syscall.SysProcAttr, settings []string) error {
	script := `dir=$1; shift
	"$0/postgres" -D "$dir/data" -k "$dir" -c listen_addresses=127.0.0.1 "$@" >"$dir/log" 2>&1 </dev/null &
	cat >/dev/null; kill -QUIT $!; wait $!; rm -rf "$dir"`
	args := []string{"-c", script, bin, dir, "-p", strconv.Itoa(port)}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	c.shell = exec.Command("sh", args...)
	c.shell.SysProcAttr, c.shell.Dir = identity, dir
	Apart(c.shell)
	var err error
	if c.input, err = c.shell.StdinPipe(); err != nil {
		return err
	}
	return c.shell.Start()
}

// Stop stops the server, even if clients are connected, and waits until its files are
// removed.
func (c *Cluster) Stop() {
	_ = c.input.Close()
	_ = c.shell.Wait()
}

func waitFor(adminURL string) error {
	db, err := sql.Open("pgx", adminURL)
	if err != nil {
		return err
	}
	defer db.Close()
	for range 300 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err = db.PingContext(ctx)
		cancel()
		if err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("PostgreSQL does not answer: %w", err)
}

var errNoServer = errors.New("found no initdb and postgres on the PATH or in /usr/lib/postgresql, or no sh")

// findServer searches the PATH, whose links lead to the server's other files, and the
// directory where Debian installs it. It requires a shell, which supervises the server.
func findServer() (string, error) {
	if _, err := exec.LookPath("sh"); err != nil {
		return "", errNoServer
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if target, err := filepath.EvalSymlinks(initdb); err == nil {
			if _, err := os.Stat(filepath.Join(filepath.Dir(target), "postgres")); err == nil {
				return filepath.Dir(target), nil
			}
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", errNoServer
	}
	return filepath.Dir(slices.Max(found)), nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func randomHex() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
