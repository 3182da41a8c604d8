package database_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

// installation is a database and the service's role for it, with only the privileges
// that PostgreSQL grants by default.
type installation struct {
	t          *testing.T
	at         url.URL
	name, role string // quoted
	admin      *sql.DB
}

func install(t *testing.T, adminURL string) *installation {
	t.Helper()
	at, err := url.Parse(adminURL)
	if err != nil {
		t.Fatal(err)
	}
	i := &installation{t: t, at: *at, name: `"` + strings.TrimPrefix(at.Path, "/") + `"`, role: `"Service-` + uuid.NewString() + `"`}
	if i.admin, err = sql.Open("pgx", adminURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = i.admin.Close() })
	i.exec("CREATE ROLE " + i.role + " LOGIN")
	t.Cleanup(func() {
		i.exec("DROP OWNED BY " + i.role)
		i.exec("DROP ROLE " + i.role)
	})
	i.at.User = url.User(strings.Trim(i.role, `"`))
	return i
}

func (i *installation) exec(statement string) {
	i.t.Helper()
	if _, err := i.admin.Exec(statement); err != nil {
		i.t.Errorf("%s: %v", statement, err)
	}
}

// use does what a new operator does: it opens the database, applies a migration and
// rolls it back.
func (i *installation) use(more string) error {
	i.t.Helper()
	ctx := context.Background()
	u, err := databaseurl.Parse(i.at.String() + more)
	if err != nil {
		return err
	}
	d, err := database.Open(ctx, database.Options{URL: u})
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Writable(ctx); err != nil {
		return err
	}
	if err := d.CheckTimeout(ctx); err != nil {
		return err
	}
	if _, err := migrate.Up(ctx, d, []migrate.Migration{one}); err != nil {
		return err
	}
	_, err = migrate.Down(ctx, d, []migrate.Migration{one}, 1)
	return err
}

var helping = regexp.MustCompile(`run ((?:ALTER|CREATE|GRANT) [^,]+?)(?:,| in this database|$)`)

// helps runs the statement that a message suggests, and checks that it fixed the
// problem.
func (i *installation) helps(after string, err error, says ...string) {
	i.t.Helper()
	if err == nil {
		i.t.Errorf("%s: nothing is said", after)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			i.t.Errorf("%s: %v\nwant %q", after, err, s)
		}
	}
	statement := helping.FindStringSubmatch(err.Error())
	if statement == nil {
		i.t.Errorf("%s: nothing to run in %q", after, err)
		return
	}
	i.exec(strings.ReplaceAll(statement[1], "'…'", "'correct horse'"))
	if err := i.use(""); err != nil {
		i.t.Errorf("%s, then %s: %v", after, statement[1], err)
	}
}

// TestMissingPrivileges checks that each error names the role, the object and a
// statement, and that the statement fixes the problem.
func TestMissingPrivileges(t *testing.T) {
	t.Parallel()
	i := install(t, platformtest.PostgresURL(t))
	in := i.role + " IN DATABASE " + i.name
	for _, c := range []struct {
		set  string
		says []string
	}{
		{"REVOKE CREATE ON SCHEMA public FROM PUBLIC", []string{i.role + " may not create tables in schema public", "GRANT CREATE ON SCHEMA public TO " + i.role}}, // PostgreSQL 15's default
		{"REVOKE CONNECT ON DATABASE " + i.name + " FROM PUBLIC", []string{i.role + " may not connect to database " + i.name}},
		{"ALTER ROLE " + i.role + " NOLOGIN", []string{"refuses log-ins as " + i.role, "ALTER ROLE " + i.role + " LOGIN"}},
		{"ALTER ROLE " + i.role + " CONNECTION LIMIT 0", []string{i.role + " has as many connections as its limit allows", "DATABASE_MAX_CONNECTIONS"}},
		{"ALTER DATABASE " + i.name + " CONNECTION LIMIT 0", []string{"database " + i.name + " has as many connections as its limit allows"}},
		{"ALTER ROLE " + i.role + " SET default_transaction_read_only = on", []string{"default_transaction_read_only is on"}},
		{"ALTER DATABASE " + i.name + " SET default_transaction_read_only = on", []string{"ALTER ROLE " + in + " SET default_transaction_read_only = off"}},
		{"ALTER ROLE " + i.role + " SET statement_timeout = '1ms'", []string{"statement_timeout", i.role}},
		{"ALTER DATABASE " + i.name + " SET statement_timeout = '800ms'", []string{"statement_timeout is 800ms", "ALTER ROLE " + in + " SET statement_timeout"}},
	} {
		i.exec(c.set)
		err := i.use("")
		if strings.Contains(c.set, "NOLOGIN") && err != nil { // the role exists, so the first of the two statements does not apply
			i.exec("ALTER ROLE " + i.role + " LOGIN")
			if !strings.Contains(err.Error(), c.says[0]) || !strings.Contains(err.Error(), c.says[1]) || i.use("") != nil {
				t.Errorf("%s: %v", c.set, err)
			}
			continue
		}
		i.helps(c.set, err, c.says...)
		i.exec("ALTER ROLE " + in + " RESET ALL")
		i.exec("ALTER ROLE " + i.role + " RESET ALL")
		i.exec("ALTER DATABASE " + i.name + " RESET ALL")
	}

	for more, says := range map[string]string{ // no statement fixes these
		"&default_transaction_read_only=on":        "change or remove default_transaction_read_only in the URL",
		"&statement_timeout=900":                   "change or remove statement_timeout in the URL",
		"&options=-cstatement_timeout%3D2s":        "change or remove statement_timeout in the URL",
		"&keepalives=1":                            "parameter keepalives, which",
		"&pgbouncer=true":                          "DATABASE_POOL_MODE=transaction",
		"&statement_timeout=soon":                  "parameter statement_timeout, which",
		"&application_name=other&lock_timeout=10s": "",
	} {
		if err := i.use(more); (err != nil) != (says != "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", more, err, says)
		}
	}
}

func TestMissingDatabaseOrRole(t *testing.T) {
	t.Parallel()
	i := install(t, platformtest.PostgresURL(t))
	there := i.at.Path
	i.at.Path = there + "_x"
	name := `"` + i.at.Path[1:] + `"`
	t.Cleanup(func() { i.exec("DROP DATABASE IF EXISTS " + name) })
	i.helps("no database", i.use(""), "there is no database "+name, "CREATE DATABASE "+name+" OWNER "+i.role)
	i.at.Path = there
	i.exec("GRANT CREATE ON SCHEMA public TO PUBLIC")
	i.at.User = url.User(strings.Trim(i.role, `"`) + "-x")
	nobody := strings.TrimSuffix(i.role, `"`) + `-x"`
	i.helps("no role", i.use(""), "refuses log-ins as "+nobody, "CREATE ROLE "+nobody+" LOGIN")
	i.exec("DROP OWNED BY " + nobody)
	i.exec("DROP ROLE " + nobody)
}

// TestTablesOfAnotherRole are not mistaken for missing tables.
func TestTablesOfAnotherRole(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	adminURL := platformtest.PostgresURL(t)
	i := install(t, adminURL)
	if _, err := migrate.Up(ctx, open(t, adminURL), []migrate.Migration{one}); err != nil {
		t.Fatal(err)
	}
	look := func() error {
		d, err := database.Open(ctx, database.Options{URL: databaseurl.Must(i.at.String())})
		if err != nil {
			return err
		}
		defer d.Close()
		_, err = migrate.StatusOf(ctx, d, []migrate.Migration{one})
		return err
	}
	err := look()
	if err == nil || !strings.Contains(err.Error(), i.role+" may not use the tables in schema public") {
		t.Fatalf("without privileges: %v", err)
	}
	i.exec(strings.TrimSuffix(helpingList.FindStringSubmatch(err.Error())[1], " in this database"))
	if err := look(); err != nil {
		t.Errorf("with them: %v", err)
	}
	i.exec("GRANT CREATE ON SCHEMA public TO " + i.role)
	change := migrate.Migration{
		ID: "202601020000_test_change", Up: statements("ALTER TABLE one ADD COLUMN more bigint"), Down: statements("ALTER TABLE one DROP COLUMN more"),
	}
	migrate := func() error {
		d, err := database.Open(ctx, database.Options{URL: databaseurl.Must(i.at.String())})
		if err != nil {
			return err
		}
		defer d.Close()
		_, err = migrate.Up(ctx, d, []migrate.Migration{one, change})
		return err
	}
	if err = migrate(); err == nil || !strings.Contains(err.Error(), "may change the tables in schema public") {
		t.Fatalf("not the owner: %v", err)
	}
	i.exec(helping.FindStringSubmatch(err.Error())[1])
	if err := migrate(); err != nil {
		t.Errorf("as a member of the owner: %v", err)
	}
}

var helpingList = regexp.MustCompile(`run (GRANT .*)$`)

// TestMigrationsIgnoreRequestTimeouts: the role's limits are for requests.
func TestMigrationsIgnoreRequestTimeouts(t *testing.T) {
	t.Parallel()
	long := migrate.Migration{
		ID: "202601030000_test_long", Up: statements("SELECT pg_sleep(0.5)"), Down: statements("SELECT 1"),
	}
	d := open(t, platformtest.PostgresURL(t)+"&statement_timeout=300&idle_in_transaction_session_timeout=200")
	if _, err := migrate.Up(context.Background(), d, []migrate.Migration{long}); err != nil {
		t.Error(err)
	}
}

func TestUnreachableServers(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and sends nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := free.Addr().String()
	_ = free.Close()
	unknown := "there is no host nowhere.invalid"
	if _, err := net.LookupHost("nowhere.invalid"); !isNotFound(err) { // no DNS server is reachable
		unknown = "the DNS lookup of nowhere.invalid failed"
	}
	for at, says := range map[string]string{
		"postgres://u:correct-horse@" + closed + "/d":                                          "nothing listens at " + closed + " (connection refused)",
		"postgres://u:correct-horse@nowhere.invalid/d":                                         unknown,
		"postgres://u:correct-horse@" + silent.Addr().String() + "/d?connect_timeout=1":        "does not answer within 1s",
		"postgres://u:correct-horse@" + closed + ",nowhere.invalid:5/d?connect_timeout=1":      closed,
		"postgres://u:correct-horse@" + closed + "/d?sslmode=require&password=correct-battery": "nothing listens",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err := database.Open(ctx, database.Options{URL: databaseurl.Must(at)})
		cancel()
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "orse") || strings.Contains(err.Error(), "attery") {
			t.Errorf("%s: %v, want %q", at, err, says)
		}
	}
}

func isNotFound(err error) bool {
	var name *net.DNSError
	return errors.As(err, &name) && name.IsNotFound
}

// TestClientEncodingIsUTF8, regardless of what a role or a URL sets.
func TestClientEncodingIsUTF8(t *testing.T) {
	t.Parallel()
	i := install(t, platformtest.PostgresURL(t))
	i.exec("ALTER ROLE " + i.role + " SET client_encoding = 'LATIN1'")
	for _, more := range []string{"", "&client_encoding=SQL_ASCII"} {
		d := open(t, i.at.String()+more)
		const text = "é ü 日本 \U0001F600"
		var back string
		var length int
		if err := d.Row(t.Context(), "SELECT t, length(t) FROM (SELECT CAST(? AS text) AS t) s", text).Scan(&back, &length); err != nil || back != text || length != 8 {
			t.Errorf("%q became %q of %d characters, %v", text, back, length, err)
		}
	}
}
