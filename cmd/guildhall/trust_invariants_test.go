package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// What must be true whatever happens: each query finds what breaks one, the same
// on both databases. (I12, that acknowledged writes exist, is for whoever wrote.)
var invariantQueries = []struct{ name, query string }{
	{"I1 an organization has one owner", `SELECT o.id FROM organizations o WHERE (SELECT COUNT(*) FROM organization_owners w WHERE w.organization_id = o.id) <> 1`},
	{"I2 the owner is a member", `SELECT w.organization_id FROM organization_owners w
		WHERE NOT EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = w.organization_id AND m.user_id = w.user_id)`},
	{"I3 admins are members", `SELECT a.organization_id FROM organization_admins a
		WHERE NOT EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = a.organization_id AND m.user_id = a.user_id)`},
	{"I3 the owner holds no admin grant beside", `SELECT a.organization_id FROM organization_admins a
		JOIN organization_owners w ON w.organization_id = a.organization_id AND w.user_id = a.user_id`},
	{"I4 one open suspension of a person and scope", `SELECT user_id FROM user_suspensions WHERE lifted_at IS NULL GROUP BY user_id, organization_id HAVING COUNT(*) > 1`},
	{"I4 one open suspension of an organization", `SELECT organization_id FROM organization_suspensions WHERE lifted_at IS NULL GROUP BY organization_id HAVING COUNT(*) > 1`},
	{"I4 one open archive of a person", `SELECT user_id FROM user_archives WHERE restored_at IS NULL GROUP BY user_id HAVING COUNT(*) > 1`},
	{"I4 one open archive of an organization", `SELECT organization_id FROM organization_archives WHERE restored_at IS NULL GROUP BY organization_id HAVING COUNT(*) > 1`},
	{"I4 one open span of a person's activity", `SELECT user_id FROM user_active_status WHERE deactivated_at IS NULL GROUP BY user_id, organization_id HAVING COUNT(*) > 1`},
	{"I4 one open span of an organization's activity", `SELECT organization_id FROM organization_active_status WHERE deactivated_at IS NULL GROUP BY organization_id HAVING COUNT(*) > 1`},
	{"I5 an account has a profile", `SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM user_profile p WHERE p.user_id = u.id)`},
	{"I5 an account has a password", `SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM user_login_password p WHERE p.user_id = u.id)`},
	{"I5 an account has a standing", `SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = u.id AND a.organization_id IS NULL)`},
	{"I5 an organization has a standing", `SELECT o.id FROM organizations o WHERE NOT EXISTS (SELECT 1 FROM organization_active_status a WHERE a.organization_id = o.id)`},
	{"I5 a member has a standing", `SELECT m.user_id FROM organization_members m
		WHERE NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = m.user_id AND a.organization_id = m.organization_id)`},
	{"I6 a canonical email is one account's", `SELECT MIN(email_canonical) FROM users GROUP BY lower(email_canonical) HAVING COUNT(*) > 1`},
	{"I7 a membership is one", `SELECT organization_id FROM organization_members GROUP BY organization_id, user_id HAVING COUNT(*) > 1`},
	{"I8 a session has a generation", `SELECT id FROM sessions WHERE generation < 1 OR rotated_at < created_at OR (revoked_at IS NULL) <> (revoked_reason IS NULL)`},
	{"I9 who may not act has no live session", `SELECT s.id FROM sessions s WHERE s.revoked_at IS NULL
		AND (NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = s.user_id AND a.organization_id IS NULL AND a.deactivated_at IS NULL)
			OR EXISTS (SELECT 1 FROM user_archives x WHERE x.user_id = s.user_id AND x.restored_at IS NULL)
			OR EXISTS (SELECT 1 FROM user_suspensions x WHERE x.user_id = s.user_id AND x.organization_id IS NULL AND x.lifted_at IS NULL AND x.suspended_until IS NULL))`},
	{"I10 an archived organization is not active", `SELECT x.organization_id FROM organization_archives x
		JOIN organization_active_status a ON a.organization_id = x.organization_id AND a.deactivated_at IS NULL WHERE x.restored_at IS NULL`},
	{"I10 an archived account is not active", `SELECT x.user_id FROM user_archives x
		JOIN user_active_status a ON a.user_id = x.user_id AND a.organization_id IS NULL AND a.deactivated_at IS NULL WHERE x.restored_at IS NULL`},
	{"I11 members are people", orphans("organization_members", "user_id", "users")},
	{"I11 memberships are in organizations", orphans("organization_members", "organization_id", "organizations")},
	{"I11 owners own organizations", orphans("organization_owners", "organization_id", "organizations")},
	{"I11 admins are in organizations", orphans("organization_admins", "organization_id", "organizations")},
	{"I11 sessions are people's", orphans("sessions", "user_id", "users")},
	{"I11 sessions are in organizations", orphans("sessions", "organization_id", "organizations")},
	{"I11 profiles are people's", orphans("user_profile", "user_id", "users")},
	{"I11 passwords are people's", orphans("user_login_password", "user_id", "users")},
	{"I11 suspensions are people's", orphans("user_suspensions", "user_id", "users")},
	{"I11 suspensions are in organizations", orphans("user_suspensions", "organization_id", "organizations")},
	{"I11 events are in chains", orphans("audit_events", "chain_id", "audit_chains")},
}

// orphans finds rows that refer to none.
func orphans(table, column, parent string) string {
	return fmt.Sprintf("SELECT c.%[2]s FROM %[1]s c LEFT JOIN %[3]s p ON p.id = c.%[2]s WHERE c.%[2]s IS NOT NULL AND p.id IS NULL", table, column, parent)
}

// invariants returns what is not true of a database, and is checked by the
// database itself and by its audit trail as well.
func invariants(t testing.TB, db *database.DB) (broken []string) {
	t.Helper()
	ctx := everything
	find := func(name, query string) {
		rows, err := db.Conn(ctx).Raw(query).Rows()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found, err := database.Collect(rows, func(scan func(...any) error) (s string, err error) { return s, scan(&s) })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(found) > 0 {
			broken = append(broken, name+": "+strings.Join(found, ", "))
		}
	}
	for _, q := range invariantQueries {
		find(q.name, q.query)
	}
	if db.Driver() == database.SQLite {
		find("foreign_key_check", `SELECT "table" FROM pragma_foreign_key_check`)
		find("integrity_check", "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'")
	}
	v, err := audit.New(db, nil).Verify(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return append(broken, v.Broken...)
}

// TestTheInvariantsAreWatched: each query finds what breaks it. Constraints that
// make most of it impossible are taken out first.
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
			"I1":  {"DELETE FROM organization_owners WHERE organization_id = " + org},
			"I2":  {"DELETE FROM organization_members WHERE user_id = '" + ada.id + "' AND organization_id = " + org},
			"I3":  {"DELETE FROM organization_members WHERE user_id = " + user + " AND organization_id = " + org},
			"I4":  {"DROP INDEX user_suspensions_open_membership", fmt.Sprintf(suspension, "1"), fmt.Sprintf(suspension, "2")},
			"I5":  {"DELETE FROM user_profile WHERE user_id = " + user},
			"I6":  {"UPDATE users SET email_canonical = (SELECT upper(email_canonical) FROM users WHERE id = '" + ada.id + "') WHERE id = " + user},
			"I8":  {"UPDATE sessions SET revoked_at = '2026-01-01'"},
			"I9":  {"UPDATE user_active_status SET deactivated_at = '2026-01-01' WHERE user_id = " + user},
			"I10": {"INSERT INTO organization_archives (id, organization_id, reason, archived_at, archived_by) VALUES ('1', " + org + ", 'x', '2026-01-01', " + user + ")"},
			"I11": {"UPDATE sessions SET organization_id = '0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70'"},
		}
		for name, statements := range breaks {
			found := invariants(t, brokenCopy(t, s, statements))
			if !strings.Contains(strings.Join(found, "\n"), name+" ") {
				t.Errorf("%s is not seen: %v", name, found)
			}
		}
	})
}

// brokenCopy is the service's database with statements carried out that it would
// refuse.
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
	db, err := database.Open(s.ctx, database.Options{URL: "sqlite://" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
