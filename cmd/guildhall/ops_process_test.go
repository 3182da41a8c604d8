package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/platformtest"
)

func TestNothingConfigured(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serveProcess(t, dir, "PORT=0")
	p.says("Data: sqlite://data/guildhall.db", "/docs and http://localhost:")
	ada := p.do("POST", "/api/v1/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada")).is(201)
	if head, err := http.Head(p.base + "/readyz"); err != nil || head.StatusCode != 200 {
		t.Errorf("HEAD /readyz: %v %v", head, err)
	}
	p.stop()
	for path, mode := range map[string]os.FileMode{
		"data": 0o700, "data/guildhall.db": 0o600, "data/jwt_secret_key": 0o600, "data/jwt_refresh_secret_key": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}

	p = serveProcess(t, dir, "PORT=0") // and finds its data and sessions
	p.do("GET", "/api/v1/auth/me", ada.str("access_token"), nil).is(200)
	p.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", ada.str("refresh_token"))).is(200)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(p.base, "http://"))
	if out, status := run(t, t.TempDir(), []string{"PORT=" + port}); status == 0 || !strings.Contains(out, "address already in use") {
		t.Errorf("a second one on the same port: %d\n%s", status, out)
	}
	p.stop()
}

// TestDrainLosesNothing stops a server under load: every request that it took
// is answered in full.
func TestDrainLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := serveProcess(t, dir, "PORT=0", "DRAIN_DELAY_SECONDS=1")
	ada := p.do("POST", "/api/v1/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada")).is(201)
	var answered, drained atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, _ := http.NewRequest("POST", p.base+"/api/v1/organizations", strings.NewReader(`{"name":"x"}`))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+ada.str("access_token"))
				resp, err := client.Do(r)
				if err != nil {
					// The listener is closed. The kernel resets connections that were not
					// accepted; the server never saw them, as the count below shows.
					if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("lost: %v", err)
					}
					return
				}
				if content, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 201 || !json.Valid(content) {
					t.Errorf("lost: %d %s %v", resp.StatusCode, content, err)
				}
				_ = resp.Body.Close()
				answered.Add(1)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	before := answered.Load()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		resp, err := http.Get(p.base + "/readyz")
		if err != nil {
			break
		}
		_ = resp.Body.Close()
		if resp.StatusCode == 503 {
			drained.Add(1)
		}
		time.Sleep(20 * time.Millisecond)
	}
	select {
	case err := <-p.done:
		if err != nil {
			t.Errorf("ended with %v:\n%s", err, p.out)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("does not exit")
	}
	close(stop)
	wg.Wait()
	lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "level=INFO msg=stopped") {
		t.Errorf("the last line is %s", last)
	}
	if strings.Contains(p.out.String(), "level=ERROR") {
		t.Errorf("an orderly stop is logged as an error:\n%s", p.out)
	}
	if before == 0 || drained.Load() == 0 || answered.Load() <= before {
		t.Errorf("%d answered before, %d in all, /readyz said no %d times", before, answered.Load(), drained.Load())
	}
	s := start(t, "sqlite://"+filepath.Join(dir, "data", "guildhall.db"))
	if done := s.count("SELECT COUNT(*) FROM organizations") - 1; int64(done) != answered.Load() {
		t.Errorf("%d requests were carried out, %d answered", done, answered.Load())
	}
}

func TestDatabaseURLsThatAreWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text.db"), bytes.Repeat([]byte("no database\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a%20b.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"mysql://u:hunter2@h/d":                          "DATABASE_URL",
		"hunter2":                                        "DATABASE_URL",
		"postgres://u:hunter2@127.0.0.1:1/d":             "refused",
		"postgres://u:hunter2@nowhere.invalid/d":         "nowhere.invalid",
		"postgres://u:hunter2@127.0.0.1:1/d?sslmode=bad": "sslmode",
		"postgres://u:hunter2@h:port/d":                  "DATABASE_URL",
		"postgresql+asyncpg://u:hunter2@127.0.0.1:1/d":   "refused",
		"sqlite://text.db":                               "not a database",
		"sqlite://" + dir:                                "directory",
		"sqlite://text.db/x.db":                          "not a directory",
		"sqlite://":                                      "DATABASE_URL",
		"sqlite://:memory:":                              "DATABASE_URL",
		"sqlite://a b?c#d/x.db":                          "for the file \"a b\" write sqlite://a b, for the file \"a b?c#d/x.db\" write sqlite://a b%3Fc%23d/x.db",
		"sqlite://a b#c":                                 "write sqlite://a b%23c",
		"sqlite://a%20b.db":                              "earlier versions took it for \"a%20b.db\"",
	} {
		out, status := run(t, dir, []string{"PORT=0", "DATABASE_URL=" + url})
		if status != 1 || !strings.Contains(out, want) || strings.Contains(out, "hunter2") || strings.Contains(out, "goroutine") || strings.Count(out, "\n") > 3 {
			t.Errorf("%s: %d, want %q\n%s", url, status, want, out)
		}
	}
	for _, name := range []string{"a b", "a b.db"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was made", name)
		}
	}
	p := serveProcess(t, dir, "PORT=0", "DATABASE_URL=sqlite://c%20d%3F.db")
	p.says(filepath.Join(dir, "c d?.db"))
	if out, _ := run(t, dir, inProduction("sqlite://c%20d%3F.db"), "check"); !strings.Contains(out, "in "+filepath.Join(dir, "c d?.db")) {
		t.Errorf("check does not name the file:\n%s", out)
	}
	real := platformtest.PostgresURL(t)
	out, status := run(t, dir, []string{"PORT=0", "DATABASE_URL=" + regexp.MustCompile(`/guildhall_test_\w+`).ReplaceAllString(real, "/no_such_database")})
	if status != 1 || !strings.Contains(out, "no_such_database") {
		t.Errorf("no such database: %d\n%s", status, out)
	}
}

// TestNoPartOfThePasswordIsPrinted gives invalid URLs in every way to every command.
func TestNoPartOfThePasswordIsPrinted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const first, second = "Zq7wXk9v", "Jf4uVb2n"
	hidden := func(out string, what ...any) {
		t.Helper()
		for i := 0; i+4 <= len(first); i++ {
			for _, part := range []string{first[i : i+4], second[i : i+4]} {
				if strings.Contains(out, part) {
					t.Errorf("%v: %s is in\n%s", what, part, out)
					return
				}
			}
		}
	}
	for i, special := range []string{"@", "#", "/", "?", ":", "%", " ", ",", "&", "%40"} {
		url := "postgres://u:" + first + special + second + "@127.0.0.1:1/d"
		args := [][]string{{}, {"check"}, {"doctor"}, {"migrate", "up"}, {"copy", "--from", url, "--to", "sqlite://x.db"}, {"copy", "--from", "sqlite://x.db", "--to", url}, {"serve", url}, {url}}
		for _, environ := range [][]string{
			inProduction(url), inProduction("'" + url + "'"), inProduction("postgres://127.0.0.1:1/d", "DATABASE_REPLICA_URLS="+url),
			inProduction("host=127.0.0.1 port=1 user=u password=" + first + special + second),
		}[i%4:][:1] {
			for _, a := range args {
				out, status := run(t, dir, environ, a...)
				want := 1
				if slices.Contains(a, url) && a[0] != "copy" { // only copy takes a URL as an argument
					want = 2
				}
				if status != want {
					t.Errorf("%v: %d\n%s", a, status, out)
				}
				hidden(out, a, environ[1])
			}
		}
		if out, status := run(t, dir, inProduction(url)); status != 1 {
			t.Errorf("%s: %d\n%s", url, status, out)
		} else {
			hidden(out, url)
		}
	}
	p := serveProcess(t, dir, inProduction(platformtest.PostgresURL(t), "MIGRATE_ON_START=true", "DATABASE_REPLICA_URLS=postgres://u:"+first+"%40"+second+"@127.0.0.1:1/d")...)
	p.says("a standby is excluded from reads")
	hidden(p.out.String(), "a standby")
}

// TestASearchPathThatIsWrong checks that every command that opens the database reports
// it.
func TestASearchPathThatIsWrong(t *testing.T) {
	t.Parallel()
	environ := inProduction(platformtest.PostgresURL(t)+"&search_path=pg_catalog,public", "MIGRATE_ON_START=true")
	for _, args := range [][]string{{}, {"migrate", "up"}, {"migrate", "plan"}, {"check"}, {"doctor"}, {"admin", "list"}} {
		out, status := run(t, t.TempDir(), environ, args...)
		if status != 1 || !strings.Contains(out, "search_path is pg_catalog,public, so tables would be created in pg_catalog") || !strings.Contains(out, "search_path=public") {
			t.Errorf("%v: %d\n%s", args, status, out)
		}
	}
}

// TestWhatPostgreSQLRefuses checks that every command reports what PostgreSQL refused,
// and how to fix it.
func TestWhatPostgreSQLRefuses(t *testing.T) {
	t.Parallel()
	adminURL, dir := platformtest.PostgresURL(t), t.TempDir()
	admin, err := sql.Open("pgx", adminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	role := "plain_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	exec := func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := admin.Exec(s); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
	}
	exec("CREATE ROLE "+role+" LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	defer exec("DROP OWNED BY "+role, "DROP ROLE "+role)
	plain := strings.Replace(adminURL, "//guildhall@", "//"+role+"@", 1)
	missing := regexp.MustCompile(`/guildhall_test_\w+`).ReplaceAllString(plain, "/no_such_database")
	start(t, "sqlite://"+filepath.Join(dir, "from.db"))
	refused := func(url, says string, commands ...[]string) {
		t.Helper()
		for _, args := range commands {
			out, status := run(t, dir, inProduction(url, "MIGRATE_ON_START=true"), args...)
			if status != 1 || !strings.Contains(out, says) {
				t.Errorf("%v: %d, want %s\n%s", args, status, says, out)
			}
		}
	}
	refused(plain, `run GRANT CREATE ON SCHEMA public TO `+role, nil, []string{"migrate", "up"}, []string{"check"}, []string{"doctor"},
		[]string{"copy", "--from", "sqlite://from.db", "--to", plain}, []string{"seed", "--yes-in", "production"})
	refused(missing, `run CREATE DATABASE "no_such_database" OWNER "`+role, nil, []string{"migrate", "up"}, []string{"check"}, []string{"doctor"},
		[]string{"copy", "--from", "sqlite://from.db", "--to", missing}, []string{"copy", "--from", missing, "--to", "sqlite://to.db"})
	readOnly := plain + "&default_transaction_read_only=on"
	exec("GRANT CREATE ON SCHEMA public TO " + role)
	refused(readOnly, "default_transaction_read_only is on", nil, []string{"migrate", "up"}, []string{"check"}, []string{"doctor"},
		[]string{"copy", "--from", "sqlite://from.db", "--to", readOnly})
	if out, status := run(t, dir, inProduction(plain), "migrate", "up"); status != 0 {
		t.Fatal(out)
	}
	refused(plain+"&statement_timeout=900", "statement_timeout is 900ms", []string{"check"})
	refused(readOnly, "default_transaction_read_only is on", []string{"check"}, []string{"doctor"})
	p := serveProcess(t, dir, inProduction(readOnly)...) // the state may be temporary, so the service starts
	p.says("default_transaction_read_only is on")
}

// TestAnEncodingThatIsNotUTF8 checks that every command that opens the database refuses
// it.
func TestAnEncodingThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	dir, adminURL := t.TempDir(), platformtest.PostgresURL(t)
	start(t, "sqlite://"+filepath.Join(dir, "from.db"))
	admin, err := sql.Open("pgx", adminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	refused := func(at, says string) {
		t.Helper()
		for _, args := range [][]string{nil, {"migrate", "up"}, {"check"}, {"doctor"}, {"copy", "--from", "sqlite://from.db", "--to", at}, {"copy", "--from", at, "--to", "sqlite://to.db"}} {
			if out, status := run(t, dir, inProduction(at, "MIGRATE_ON_START=true"), args...); status != 1 || !strings.Contains(out, says) {
				t.Errorf("%v: %d, want %s\n%s", args, status, says, out)
			}
		}
	}
	for _, encoding := range []string{"LATIN1", "SQL_ASCII"} {
		name := "encoded_" + strings.ReplaceAll(uuid.NewString(), "-", "")
		if _, err := admin.Exec("CREATE DATABASE " + name + " ENCODING '" + encoding + "' LOCALE 'C' TEMPLATE template0"); err != nil {
			t.Fatal(err)
		}
		at := regexp.MustCompile(`/guildhall_test_\w+`).ReplaceAllString(adminURL, "/"+name)
		refused(at, "the encoding of the database is "+encoding+", and guildhall needs UTF8")
		out, _ := run(t, dir, inProduction(at), "migrate", "up")
		statement := regexp.MustCompile(`run (CREATE DATABASE [^,]+),`).FindStringSubmatch(out)
		if statement == nil {
			t.Fatalf("nothing to run in %s", out)
		}
		if _, err := admin.Exec(statement[1]); err != nil {
			t.Fatalf("%s: %v", statement[1], err)
		}
		if out, status := run(t, dir, inProduction(strings.Replace(at, name, name+"_utf8", 1)), "migrate", "up"); status != 0 {
			t.Errorf("as it says: %s", out)
		}
		for _, n := range []string{name, name + "_utf8"} {
			if _, err := admin.Exec("DROP DATABASE " + n + " WITH (FORCE)"); err != nil {
				t.Error(err)
			}
		}
	}
	for _, encoding := range []string{"UTF-16le", "UTF-16be"} {
		file := filepath.Join(dir, encoding+".db")
		db, err := sql.Open("sqlite3", file)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		if _, err := db.Exec("PRAGMA encoding = '" + encoding + "'; CREATE TABLE t (x TEXT); DROP TABLE t"); err != nil {
			t.Fatal(err)
		}
		_ = db.Close()
		refused("sqlite://"+file, file+" stores text in "+encoding+", and guildhall needs UTF-8")
	}
}

func TestProductionsRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, status := run(t, dir, []string{"ENVIRONMENT=production", "DEBUG=true", "JWT_SECRET_KEY=short", "CORS_ORIGINS=*"})
	for _, want := range []string{"DATABASE_URL", "JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY", "DEBUG", "CORS_ORIGINS"} {
		if status != 1 || !strings.Contains(out, "\n"+want+":") {
			t.Errorf("%d, %s is not named:\n%s", status, want, out)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("it left %v", entries)
	}
}

func TestMigrationsByCommand(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir, environ := t.TempDir(), inProduction(databaseURL)
		lines := func(want int, args ...string) string {
			t.Helper()
			out, status := run(t, dir, append(environ, "LOG_LEVEL=warn"), args...)
			if status != 0 || strings.Count(out, "\n") != want {
				t.Fatalf("%v: %d, %d lines:\n%s", args, status, want, out)
			}
			return out
		}
		if path, isFile := sqlitePath(databaseURL); isFile { // commands that only read create no file
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		pending, _ := run(t, dir, environ, "migrate", "status")
		all := strings.Count(pending, "pending ")
		last := pending[strings.LastIndex(pending, "pending ")+len("pending "):]
		if all < 6 {
			t.Fatalf("status:\n%s", pending)
		}
		if out, status := run(t, dir, environ); status != 1 || !strings.Contains(out, fmt.Sprint(all, " migrations are pending: run `guildhall migrate up`")) {
			t.Errorf("with pending migrations: %d\n%s", status, out)
		}
		if out, _ := run(t, dir, environ, "migrate", "plan"); !strings.Contains(out, "CREATE TABLE users") || strings.Count(out, "-- 2026") != all {
			t.Errorf("plan:\n%s", out)
		}
		lines(all, "migrate", "up")
		lines(1, "migrate", "up")
		lines(0, "migrate", "plan")
		if out := lines(2, "migrate", "down", "2"); !strings.Contains(out, "rolled back "+last) {
			t.Errorf("down:\n%s", out)
		}
		if out := lines(all, "migrate", "status"); strings.Count(out, "pending ") != 2 || strings.Count(out, "applied ") != all-2 {
			t.Errorf("status:\n%s", out)
		}
		for bad, want := range map[string]int{"0": 2, "-1": 2, "x": 2, "999": 1} {
			if out, status := run(t, dir, environ, "migrate", "down", "--", bad); status != want {
				t.Errorf("down %s: %d\n%s", bad, status, out)
			}
		}
		p := serveProcess(t, dir, append(environ, "MIGRATE_ON_START=true")...)
		p.do("GET", "/readyz", "", nil).is(200)
		p.stop()

		s := start(t, databaseURL)
		s.exec("INSERT INTO schema_migrations (id) VALUES ('209912312359_auth_from_the_future')")
		for _, args := range [][]string{{"serve"}, {"migrate", "up"}, {"migrate", "down"}, {"admin", "list"}} {
			for _, onStart := range []string{"true", "false"} {
				if out, status := run(t, dir, append(environ, "MIGRATE_ON_START="+onStart), args...); status != 1 || !strings.Contains(out, "newer than this version") {
					t.Errorf("%v on a newer schema: %d\n%s", args, status, out)
				}
			}
		}
	})
}

func TestManyProcessesMigrateOnce(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir := t.TempDir()
		outs, statuses := make([]string, 8), make([]int, 8)
		var wg sync.WaitGroup
		for i := range outs {
			wg.Go(func() { outs[i], statuses[i] = run(t, dir, inProduction(databaseURL), "migrate", "up") })
		}
		wg.Wait()
		all := regexp.MustCompile(`(?m)^created a new database: .*\n`).ReplaceAllString(strings.Join(outs, ""), "")
		for i, status := range statuses {
			if status != 0 {
				t.Errorf("%d: %d\n%s", i, status, outs[i])
			}
		}
		if n := len(regexp.MustCompile(`applied \d+_`).FindAllString(all, -1)); n < 6 || n != len(slices.Compact(slices.Sorted(strings.Lines(all))))-1 || strings.Count(all, "nothing to do") != 7 {
			t.Errorf("all of them:\n%s", all)
		}
	})
}

func TestPlatformAdministratorsByCommand(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir, environ := t.TempDir(), inProduction(databaseURL, "MIGRATE_ON_START=true", "ENABLE_REGISTRATION=true")
		admin := func(input string, args ...string) (string, int) {
			t.Helper()
			return runWith(t, input, dir, environ, append([]string{"admin"}, args...)...)
		}
		if out, status := admin(password+"\n", "create", "ada@example.com"); status != 1 || !strings.Contains(out, "migrate up") {
			t.Errorf("before there is a database: %d\n%s", status, out)
		}
		run(t, dir, environ, "migrate", "up")
		for _, bad := range []struct {
			input, email string
			status       int
		}{{"short\n", "ada@example.com", 1}, {"password123\n", "ada@example.com", 1}, {"", "ada@example.com", 1}, {password, "no email", 2}} {
			if out, status := admin(bad.input, "create", bad.email); status != bad.status || bad.input != "" && strings.Contains(out, strings.TrimSpace(bad.input)) {
				t.Errorf("%v: %d\n%s", bad, status, out)
			}
		}
		if out, status := admin(password+"\n", "create", "Ada@example.com", "--name", "Ada"); status != 0 || strings.Contains(out, password) {
			t.Fatalf("create: %d\n%s", status, out)
		}
		if out, status := admin(password+"\n", "create", "ada@EXAMPLE.com"); status != 1 || !strings.Contains(out, "already has an account") {
			t.Errorf("create again: %d\n%s", status, out)
		}
		p := serveProcess(t, dir, environ...)
		logIn := func() string {
			return p.do("POST", "/api/v1/auth/token", "", body("username", "ada@example.com", "password", password)).is(200).str("access_token")
		}
		everybody := "/api/v1/users?scope=all"
		token := logIn()
		p.do("GET", everybody, token, nil).is(200)
		if out, _ := admin("", "list"); !strings.Contains(out, "Ada@example.com") {
			t.Errorf("list:\n%s", out)
		}
		if out, status := admin("", "revoke", "ADA@example.com"); status != 1 || !strings.Contains(out, "--force") {
			t.Errorf("the last one revoked: %d\n%s", status, out)
		}
		p.do("GET", everybody, token, nil).is(200)
		if out, status := admin("", "revoke", "ADA@example.com", "--force"); status != 0 {
			t.Errorf("revoke: %d\n%s", status, out)
		}
		p.do("GET", everybody, token, nil).is(403) // on the very next request
		if _, status := admin("", "revoke", "ada@example.com"); status != 1 {
			t.Error("revoked twice")
		}
		for range 2 {
			if out, status := admin("", "grant", "ada@example.com"); status != 0 {
				t.Errorf("grant: %d\n%s", status, out)
			}
		}
		p.do("GET", everybody, token, nil).is(200)
		if _, status := admin("", "grant", "nobody@example.com"); status != 1 {
			t.Error("granted to nobody")
		}
		p.stop()
		for line := range strings.Lines(p.out.String()) { // outside development the log is JSON
			if !json.Valid([]byte(line)) || strings.Contains(line, token) || strings.Contains(strings.ToLower(line), "ada@example.com") {
				t.Errorf("log: %s", line)
			}
		}
	})
}

func TestCheckSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, status := run(t, dir, nil, "check")
	if status != 1 || !strings.Contains(out, "FAIL JWT_SECRET_KEY") || !strings.Contains(out, "FAIL ENVIRONMENT") {
		t.Errorf("in development: %d\n%s", status, out)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("it left %v", entries)
	}
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir, environ := t.TempDir(), inProduction(databaseURL)
		if out, status := run(t, dir, environ, "check"); status != 1 || !strings.Contains(out, "migrate up") {
			t.Errorf("before migrating: %d\n%s", status, out)
		}
		run(t, dir, environ, "migrate", "up")
		if out, status := run(t, dir, append(environ, "BACKUP_DIR="+dir), "check"); status != 0 || strings.Contains(out, "FAIL") {
			t.Errorf("after it: %d\n%s", status, out)
		}
		if out, status := run(t, dir, append(environ, "BACKUP_DIR="+os.Args[0]), "check"); status != 1 || !strings.Contains(out, "FAIL BACKUP_DIR") {
			t.Errorf("with a file for a directory: %d\n%s", status, out)
		}
	})
}

func TestOtherCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, status := run(t, dir, nil, "version"); status != 0 || !strings.HasPrefix(out, "guildhall dev go1.") {
		t.Errorf("version: %d %s", status, out)
	}
	out, status := run(t, dir, nil, "openapi")
	if want, err := os.ReadFile("testdata/openapi.json.golden"); err != nil || status != 0 || !sameJSON(t, out, string(want)) {
		t.Errorf("openapi: %d %v", status, err)
	}
	if out, status := run(t, dir, nil, "openapi", "--yaml"); status != 0 || !strings.HasPrefix(out, "openapi: 3.1") {
		t.Errorf("openapi --yaml: %d %.200s", status, out)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("they left %v", entries)
	}
}

func sameJSON(t testing.TB, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

// A crash during a write loses nothing that was acknowledged.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	var token string
	for round := range 4 {
		p := serveProcess(t, dir, "PORT=0")
		if round == 0 {
			token = p.do("POST", "/api/v1/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada")).is(201).str("access_token")
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					r, _ := http.NewRequestWithContext(context.Background(), "POST", p.base+"/api/v1/organizations", strings.NewReader(`{"name":"x"}`))
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("Authorization", "Bearer "+token)
					resp, err := http.DefaultClient.Do(r)
					if err != nil {
						return
					}
					content, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if err != nil {
						return
					}
					mu.Lock()
					acknowledged[(answer{body: content}).str("id")] = true
					mu.Unlock()
				}
			})
		}
		time.Sleep(150 * time.Millisecond)
		_ = p.cmd.Process.Kill()
		<-p.done
		wg.Wait()
	}
	p := serveProcess(t, dir, "PORT=0")
	present := map[string]bool{}
	for _, o := range p.do("GET", "/api/v1/auth/me/organizations", token, nil).is(200).object()["organizations"].([]any) {
		present[o.(map[string]any)["id"].(string)] = true
	}
	if len(acknowledged) < 4 {
		t.Errorf("only %d were acknowledged", len(acknowledged))
	}
	for id := range acknowledged {
		if !present[id] {
			t.Errorf("lost %s of %d", id, len(acknowledged))
		}
	}
	p.stop()
}
