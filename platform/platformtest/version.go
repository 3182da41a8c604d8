package platformtest

import (
	"database/sql"
	"net/url"
	"strings"
	"testing"
)

// ReportingVersion makes a database report another server version, and returns the URL
// that has this effect. It creates functions in a schema that is searched before
// PostgreSQL's own.
func ReportingVersion(t testing.TB, databaseURL, version, release, number string) string {
	t.Helper()
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	text := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	_, err = db.Exec(`CREATE SCHEMA reports;
		CREATE FUNCTION reports.version() RETURNS text LANGUAGE sql AS $$ SELECT ` + text(version) + ` $$;
		CREATE FUNCTION reports.current_setting(name text, missing_ok boolean) RETURNS text LANGUAGE sql AS $$
			SELECT CASE name WHEN 'server_version' THEN ` + text(release) + ` WHEN 'server_version_num' THEN ` + text(number) + `
				ELSE pg_catalog.current_setting(name, missing_ok) END $$`)
	if err != nil {
		t.Fatalf("report another version: %v", err)
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("search_path", "reports,pg_catalog,public")
	u.RawQuery = query.Encode()
	return u.String()
}

// Major returns the major version of a PostgreSQL server, such as 18.
func Major(t testing.TB, databaseURL string) (major int) {
	t.Helper()
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT CAST(current_setting('server_version_num') AS integer) / 10000").Scan(&major); err != nil {
		t.Fatalf("ask the server for its version: %v", err)
	}
	return major
}
