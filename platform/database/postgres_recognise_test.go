package database_test

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
)

func TestRepeatableReadIsRefused(t *testing.T) {
	t.Parallel()
	url := platformtest.PostgresURL(t)
	for setting, refused := range map[string]bool{"repeatable%20read": true, "read%20committed": false, "serializable": false} {
		_, err := database.Open(context.Background(), database.Options{URL: databaseurl.Must(url + "&default_transaction_isolation=" + setting)})
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "default_transaction_isolation") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

func TestVersionsThatAreNotSupported(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, c := range []struct {
		version, release, number string
		refused, noted           bool
	}{
		{"PostgreSQL 13.23 (Debian 13.23-0+deb11u1) on x86_64-pc-linux-gnu", "13.23", "130023", true, false},
		{"PostgreSQL 14.0 on x86_64-pc-linux-gnu", "14.0", "140000", false, false},
		{"PostgreSQL 19beta1 on x86_64-pc-linux-gnu", "19beta1", "190000", false, true},
		{"CockroachDB CCL v25.4.1 (x86_64-pc-linux-gnu)", "13.0.0", "130000", false, false},
		{"PostgreSQL 11.2-YB-2024.1.0.0-b0 on x86_64-pc-linux-gnu", "11.2-YB-2024.1.0.0-b0", "110002", false, false},
	} {
		var log bytes.Buffer
		url := platformtest.ReportingVersion(t, platformtest.PostgresURL(t), c.version, c.release, c.number)
		db, err := database.Open(ctx, database.Options{URL: databaseurl.Must(url), Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err == nil {
			_ = db.Close()
		}
		if (err != nil) != c.refused || c.refused && !strings.Contains(err.Error(), "the server is PostgreSQL 13.23, and guildhall needs PostgreSQL 14 or newer") {
			t.Errorf("%s: %v", c.version, err)
		}
		if strings.Contains(log.String(), "is newer than") != c.noted {
			t.Errorf("%s: %s", c.version, log.String())
		}
	}
}

// TestSearchPathWithoutSchema checks that the error names search_path and that the
// suggested statement fixes it.
func TestSearchPathWithoutSchema(t *testing.T) {
	t.Parallel()
	at, err := url.Parse(platformtest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("pgx", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	exec := func(statement string) {
		t.Helper()
		if _, err := admin.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	name, role := strings.TrimPrefix(at.Path, "/"), `"Service-`+uuid.NewString()+`"`
	exec("CREATE ROLE " + role + " LOGIN")
	defer func() { exec("DROP OWNED BY " + role); exec("DROP ROLE " + role) }()
	exec("GRANT USAGE, CREATE ON SCHEMA public TO " + role)
	at.User = url.User(strings.Trim(role, `"`))
	open := func(more string) error {
		d, err := database.Open(context.Background(), database.Options{URL: databaseurl.Must(at.String() + more)})
		if err != nil {
			return err
		}
		defer d.Close()
		there := []migrate.Migration{{
			ID: "202601010000_test_there",
			Up: func(database.Driver) []string { return []string{"CREATE TABLE there (id uuid)"} }, Down: func(database.Driver) []string { return []string{"DROP TABLE there"} },
		}}
		if _, err := migrate.Up(context.Background(), d, there); err != nil {
			return err
		}
		_, err = migrate.Down(context.Background(), d, there, 1)
		return err
	}
	statement := regexp.MustCompile(`run ((?:ALTER|GRANT) .*?)(?:, or|$)`)
	for _, c := range []struct{ set, says string }{
		{"ALTER DATABASE " + name + " SET search_path = pg_catalog, public", "search_path is pg_catalog, public, so tables would be created in pg_catalog"},
		{"ALTER DATABASE " + name + " SET search_path = nosuch, other", "search_path is nosuch, other, and no such schema exists that " + role + " may use"},
		{"ALTER ROLE " + role + " SET search_path = ''", "search_path is empty"},
		{"ALTER ROLE " + role + " SET search_path = pg_temp, public", "created in pg_temp_"},
		{"ALTER ROLE " + role + " IN DATABASE " + name + ` SET search_path = "$user"`, `search_path is "$user", and no such schema`},
		{"ALTER ROLE " + role + " IN DATABASE " + name + " SET search_path = information_schema", "created in information_schema"},
		{"REVOKE USAGE ON SCHEMA public FROM PUBLIC, " + role, "GRANT USAGE, CREATE ON SCHEMA public TO " + role},
	} {
		if err := open(""); err != nil {
			t.Fatal(err)
		}
		exec(c.set)
		err := open("")
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.set, err, c.says)
			continue
		}
		helps := statement.FindStringSubmatch(err.Error())
		if helps == nil {
			t.Fatalf("%s: nothing to run in %q", c.set, err)
		}
		exec(helps[1])
		if err := open(""); err != nil {
			t.Errorf("%s, then %s: %v", c.set, helps[1], err)
		}
		for _, undo := range []string{"ALTER DATABASE " + name, "ALTER ROLE " + role, "ALTER ROLE " + role + " IN DATABASE " + name} {
			exec(undo + " RESET search_path")
		}
	}
	for more, says := range map[string]string{
		"&search_path=nosuch": "DATABASE_URL (search_path=public", "&options=-csearch_path%3Dpg_catalog,public": "options=-csearch_path%3Dpublic", // no statement fixes these
		"&search_path=public": "", "&options=-csearch_path%3Dnosuch,public": "", `&search_path=%22$user%22,%20public`: "",
	} {
		if err := open(more); (err != nil) != (says != "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", more, err, says)
		}
	}
	exec("CREATE SCHEMA own AUTHORIZATION " + role)
	exec("ALTER DATABASE " + name + " SET search_path = own, pg_catalog")
	if err := open(""); err != nil {
		t.Errorf("in a schema of its own: %v", err)
	}
}
