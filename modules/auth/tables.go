package auth

import "guildhall/platform/schema"

// Tables implements module.Module.
func (m *Module) Tables() []schema.Table {
	return []schema.Table{{
		Name: "user_login_password", Owner: schema.OfPerson("user_id"), Standing: schema.Unread(),
		Tenants:    schema.Shared("it is read at log-in, before the person is authenticated, and never for an organization"),
		Archive:    schema.ExportedIn("person", "user_id", "password_hash", "updated_at"),
		Retention:  schema.Kept("as long as the account"),
		Sample:     schema.Sampled(samplePasswords),
		Invariants: schema.ByConstraints(),
	}, {
		// A rotation changes only the generation, the last use and the organization that
		// the next tokens name, not a standing.
		Name: "sessions", Owner: schema.OfPerson("user_id"),
		Standing:  schema.Added("generation", "superseded", "organization_id", "rotated_at", "address", "client"),
		Tenants:   schema.Shared("a token is checked against it before the tenant is known; its organization is only the last one used"),
		Archive:   schema.NotExported("people have to log in again on the other server"),
		Retention: schema.Swept("sessions", "SESSION_RETENTION_DAYS after they ended, except the last ones of each person", m.sweep),
		Sample:    schema.Sampled(sampleSessions),
		Invariants: schema.Require(schema.Invariant{
			Name:  "I8 a session has a generation",
			Query: `SELECT id FROM sessions WHERE generation < 1 OR rotated_at < created_at OR (revoked_at IS NULL) <> (revoked_reason IS NULL)`,
		}, schema.Invariant{
			Name:  "I14 a branch belongs to a log-in of the same person",
			Query: `SELECT b.id FROM sessions b JOIN sessions s ON s.id = b.login_id WHERE s.user_id <> b.user_id OR s.login_id IS NOT NULL`,
		}),
	}, {
		Name: "challenges", Owner: schema.Unowned("an address may have no account yet"), Standing: schema.Unread(),
		Tenants:   schema.Shared("it is answered before the tenant is known, some without an account"),
		Archive:   schema.NotExported("codes and links are valid on the server that sent them"),
		Retention: schema.Swept("challenges", "one day after they expired", m.sweepChallenges),
		Sample:    schema.NoSample("nobody of the sample data asked for a code"),
		Invariants: schema.Require(schema.Invariant{
			Name:   "I16 what a challenge keeps is deleted when it is answered",
			Query:  `SELECT id FROM challenges WHERE consumed_at IS NOT NULL AND payload IS NOT NULL`,
			Remedy: "UPDATE challenges SET payload = NULL WHERE consumed_at IS NOT NULL",
		}),
	}}
}

// Invariants implements module.Checker.
func (*Module) Invariants() []schema.Invariant {
	return []schema.Invariant{{
		Name:   "I5 an account has a password",
		Query:  `SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM user_login_password p WHERE p.user_id = u.id)`,
		Remedy: "set one: echo 'a new password' | guildhall admin set-password EMAIL",
	}, {
		Name: "I9 an account that may not act has no live session",
		Query: `SELECT s.id FROM sessions s WHERE s.revoked_at IS NULL
			AND (NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = s.user_id AND a.organization_id IS NULL AND a.deactivated_at IS NULL)
				OR EXISTS (SELECT 1 FROM user_archives x WHERE x.user_id = s.user_id AND x.restored_at IS NULL)
				OR EXISTS (SELECT 1 FROM user_suspensions x WHERE x.user_id = s.user_id AND x.organization_id IS NULL AND x.lifted_at IS NULL AND x.suspended_until IS NULL))`,
		Remedy: "end those sessions by hand: UPDATE sessions SET revoked_at = '2026-11-25 10:00:00+00:00', revoked_reason = 'operator' WHERE id = '…'",
	}}
}
