package access

import (
	"testing"

	"guildhall/platform/schema"
)

func TestOnlyWhatIsKnownIsHarmless(t *testing.T) {
	t.Parallel()
	g := Gate{memory: memory{tables: &declared{}}}
	const first = "INSERT INTO users (id) VALUES (?)"
	if g.memory.tables.harmless(first) {
		t.Error("something is harmless before there are tables")
	}
	var tables []schema.Table
	for name, standing := range map[string]schema.Standing{
		"users": schema.Added(), "organizations": schema.Added(), "organization_owners": schema.Added(), "organization_members": schema.Added(),
		"organization_active_status": schema.Added(), "sessions": schema.Added("generation", "rotated_at", "address", "client"),
		"organization_admins": schema.Decides(), "user_suspensions": schema.Decides(),
		"audit_events": schema.Unread(), "audit_chains": schema.Unread(), "rate_limits": schema.Unread(),
	} {
		tables = append(tables, schema.Table{Name: name, Standing: standing})
	}
	g.Know(tables)
	for statement, want := range map[string]bool{
		"SELECT id FROM users WHERE id = ?":                                                                                                        true,
		"INSERT INTO sessions (id, user_id) VALUES (?, ?)":                                                                                         true,
		"INSERT INTO `audit_events` (`id`) VALUES (?)":                                                                                             true,
		"INSERT INTO rate_limits (key) VALUES (?) ON CONFLICT (key) DO UPDATE SET tat = ?":                                                         true,
		"DELETE FROM rate_limits WHERE key = ?":                                                                                                    true,
		"UPDATE audit_chains SET sequence = ?, hash = ? WHERE id = ?":                                                                              true,
		"UPDATE sessions\n\t\tSET generation = generation + 1, rotated_at = ?, address = ?, client = ?\n\t\tWHERE id = ?":                          true,
		"INSERT INTO organizations (id, name, created_at, updated_at) VALUES (?, ?, ?, ?)":                                                         true,
		"INSERT INTO organization_owners (organization_id, user_id, since) VALUES (?, ?, ?)":                                                       true,
		"INSERT INTO organization_active_status (id, organization_id, activated_at, activated_by)\n\t\tVALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING": true,

		"INSERT INTO organization_owners (organization_id, user_id, since) VALUES (?, ?, ?) ON CONFLICT (organization_id) DO UPDATE SET user_id = excluded.user_id": false,
		"DELETE FROM organization_owners WHERE organization_id = ?":             false,
		"UPDATE organization_owners SET user_id = ? WHERE organization_id = ?":  false,
		"UPDATE organization_active_status SET deactivated_at = ? WHERE id = ?": false,
		"":                                             false,
		"INSERT INTO unheard_of (id) VALUES (?)":       false,
		"DELETE FROM unheard_of WHERE id = ?":          false,
		"PRAGMA foreign_keys = off":                    false,
		"SELECT 1; UPDATE users SET email = ?":         false,
		"REPLACE INTO users (id) VALUES (?)":           false,
		"INSERT OR REPLACE INTO users (id) VALUES (?)": false,
		"INSERT INTO users (id) VALUES (?) ON CONFLICT (id) do update set email = ?":              false,
		"INSERT INTO organization_admins (organization_id, user_id) VALUES (?, ?)":                false,
		"INSERT INTO user_suspensions (id) VALUES (?)":                                            false,
		"WITH k AS (SELECT 1) UPDATE users SET email = ?":                                         false,
		"DELETE FROM sessions WHERE id = ?":                                                       false,
		"DELETE FROM `organization_members` WHERE organization_id = ?":                            false,
		"UPDATE `sessions` SET `revoked_at`=?,`revoked_reason`=? WHERE user_id = ?":               false,
		"UPDATE sessions SET generation = 2, expires_at = ? WHERE id = ?":                         false,
		"UPDATE sessions SET generation = (SELECT 1 FROM x WHERE 1), revoked_at = ? WHERE id = ?": false,
		"UPDATE sessions SET (generation, revoked_at) = (1, ?) WHERE id = ?":                      false,
		"UPDATE sessions SET generation = 2":                                                      false,
	} {
		if g.memory.tables.harmless(statement) != want {
			t.Errorf("%q: harmless is %v", statement, !want)
		}
	}
}
