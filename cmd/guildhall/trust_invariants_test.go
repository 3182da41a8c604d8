package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/integrity"
)

var described = sync.OnceValues(describe)

// invariants returns the invariants that a database violates.
func invariants(t testing.TB, db *database.DB) (broken []string) {
	t.Helper()
	app, err := described()
	if err != nil {
		t.Fatal(err)
	}
	report, err := integrity.Check(everything, db, app.Invariants())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		broken = append(broken, p.String())
	}
	return broken
}

// TestTheInvariantsAreWatched checks that each invariant's query finds a violation. It
// first drops the constraints that prevent most of them.
func TestTheInvariantsAreWatched(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		if s.kernel.DB.Driver() != database.SQLite {
			t.Skip("the same queries; only SQLite can be told to check nothing")
		}
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, true)
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Fatal(broken)
		}
		org, user := "'"+ada.organization+"'", "'"+grace.id+"'"
		suspension := "INSERT INTO user_suspensions (id, user_id, organization_id, reason, suspended_at, suspended_by) VALUES ('%s', " + user + ", " + org + ", 'x', '2026-01-01', " + user + ")"
		breaks := map[string][]string{
			"I1":                        {"DELETE FROM organization_owners WHERE organization_id = " + org},
			"I2":                        {"DELETE FROM organization_members WHERE user_id = '" + ada.id + "' AND organization_id = " + org},
			"I3":                        {"DELETE FROM organization_members WHERE user_id = " + user + " AND organization_id = " + org},
			"I4":                        {"DROP INDEX user_suspensions_open_membership", fmt.Sprintf(suspension, "1"), fmt.Sprintf(suspension, "2")},
			"I5":                        {"DELETE FROM user_profile WHERE user_id = " + user},
			"I6":                        {"UPDATE users SET email_canonical = (SELECT upper(email_canonical) FROM users WHERE id = '" + ada.id + "') WHERE id = " + user},
			"I6 an email address has":   {"UPDATE users SET email = 'eve@example.com' WHERE id = " + user},
			"I13 who lifted a person's": {"INSERT INTO user_suspensions (id, user_id, reason, suspended_at, lifted_by) VALUES ('1', " + user + ", 'x', '2026-01-01', " + user + ")"},
			"I13 who restored an organization, and why,": {"INSERT INTO organization_archives (id, organization_id, reason, archived_at, restore_reason) VALUES ('1', " + org + ", 'x', '2026-01-01', 'y')"},
			"I13 who ended an organization's":            {"UPDATE organization_active_status SET deactivated_by = " + user},
			"I8":                                         {"UPDATE sessions SET revoked_at = '2026-01-01'"},
			"I9":                                         {"UPDATE user_active_status SET deactivated_at = '2026-01-01' WHERE user_id = " + user},
			"I10":                                        {"INSERT INTO organization_archives (id, organization_id, reason, archived_at, archived_by) VALUES ('1', " + org + ", 'x', '2026-01-01', " + user + ")"},
			"I14":                                        {"UPDATE sessions SET login_id = (SELECT s.id FROM sessions s WHERE s.user_id = '" + ada.id + "') WHERE user_id = " + user},
			"I17 a person is found":                      {"UPDATE user_terms SET term = 'eve' WHERE term = 'grace'"},
			"I17 a person is found by":                   {"DELETE FROM user_terms WHERE term = 'grace'"},
			"I17 a member is found":                      {"UPDATE member_terms SET term = 'eve' WHERE term = 'grace'"},
			"I17 a member is found as":                   {"DELETE FROM member_terms WHERE term = 'grace'"},
			"I17 an organization is found":               {"DELETE FROM organization_terms WHERE term = 'grace'"},
			"I11":                                        {"UPDATE sessions SET organization_id = '0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70'"},
		}
		for name, statements := range breaks {
			found := invariants(t, brokenCopy(t, s, statements))
			if !strings.Contains(strings.Join(found, "\n"), name+" ") {
				t.Errorf("%s is not seen: %v", name, found)
			}
		}
	})
}

// brokenCopy returns a copy of the service's database, changed by statements that its
// constraints would refuse.
func brokenCopy(t *testing.T, s *service, statements []string) *database.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "broken.db")
	original, err := sql.Open("sqlite3", strings.TrimPrefix(s.kernel.Config.DatabaseURL.Reveal(), "sqlite://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := original.ExecContext(s.ctx, "VACUUM INTO ?", path); err != nil {
		t.Fatal(err)
	}
	_ = original.Close()
	raw, err := sql.Open("sqlite3", "file:"+path+"?_foreign_keys=off")
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := raw.ExecContext(s.ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	_ = raw.Close()
	db, err := database.Open(s.ctx, database.Options{URL: databaseurl.Must("sqlite://" + path)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
