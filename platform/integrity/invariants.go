package integrity

import (
	"context"
	"fmt"
	"strings"

	"guildhall/platform/database"
	"guildhall/platform/field"
)

// invariant is a sentence that must be true, and the query that finds what
// breaks it, the same on both databases.
type invariant struct{ name, query string }

// I12, that acknowledged writes exist, is for whoever wrote.
func invariants() []invariant {
	return []invariant{
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
		{"I13 who ended a person's activity is known with when", unended("user_active_status", "deactivated_at", "deactivated_by")},
		{"I13 who ended an organization's activity is known with when", unended("organization_active_status", "deactivated_at", "deactivated_by")},
		{"I13 who lifted a person's suspension is known with when", unended("user_suspensions", "lifted_at", "lifted_by")},
		{"I13 who lifted an organization's suspension is known with when", unended("organization_suspensions", "lifted_at", "lifted_by")},
		{"I13 who restored a person, and why, is known with when", unended("user_archives", "restored_at", "restored_by", "restore_reason")},
		{"I13 who restored an organization, and why, is known with when", unended("organization_archives", "restored_at", "restored_by", "restore_reason")},
	}
}

// unended finds rows that say something of an end that was not.
func unended(table, at string, about ...string) string {
	return fmt.Sprintf("SELECT id FROM %s WHERE %s IS NULL AND (%s IS NOT NULL)", table, at, strings.Join(about, " IS NOT NULL OR "))
}

// misfiled finds accounts that are looked up by another email address than the
// one they show. Only Go knows the canonical form.
func misfiled(ctx context.Context, db *database.DB) (ids []string, err error) {
	rows, err := db.Conn(ctx).Raw("SELECT id, email, email_canonical FROM users").Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, email, canonical string
		if err := rows.Scan(&id, &email, &canonical); err != nil {
			return nil, err
		}
		if field.Email(email).Canonical() != canonical {
			ids = append(ids, id)
		}
	}
	return ids, rows.Err()
}

// orphans finds rows that refer to none.
func orphans(table, column, parent string) string {
	return fmt.Sprintf("SELECT c.%[2]s FROM %[1]s c LEFT JOIN %[3]s p ON p.id = c.%[2]s WHERE c.%[2]s IS NOT NULL AND p.id IS NULL", table, column, parent)
}
