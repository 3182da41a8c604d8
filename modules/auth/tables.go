package auth

import "guildhall/platform/schema"

// Tables implements module.Module.
func (m *Module) Tables() []schema.Table {
	return []schema.Table{{
		Name: "user_login_password", Owner: schema.OfPerson("user_id"), Standing: schema.Unread(),
		Tenants:    schema.Shared("it is read at log-in, before the person is authenticated, and never for an organization"),
		Archive:    schema.ExportedIn("person", "user_id", "password_hash", "updated_at"),
		Erasure:    schema.RowsGo("user_login_password", "user_id = "+schema.Person),
		Copy:       schema.Copied("password", "user_id = "+schema.Person, "updated_at").Omitting("a hash is as secret as what it is of", "user_id", "password_hash"),
		Retention:  schema.Kept("as long as the account"),
		Sample:     schema.Sampled(samplePasswords),
		Invariants: schema.ByConstraints(),
	}, {
		// An API key is a session that modules/machine begins and ends. Its last use is
		// rotated_at, so that it costs the gate nothing that is cached.
		//
		// A rotation changes only the generation, the last use and the organization that
		// the next tokens name, not a standing.
		Name: "sessions", Owner: schema.OfPerson("user_id"),
		Standing: schema.Added("generation", "superseded", "organization_id", "rotated_at", "address", "client"),
		Tenants:  schema.Shared("a token is checked against it before the tenant is known; its organization is only the last one used"),
		Archive:  schema.NotExported("people have to log in again on the other server"),
		Erasure:  schema.RowsGo("sessions", "user_id = "+schema.Person),
		Copy: schema.Copied("sessions", "user_id = "+schema.Person, "id", "kind", "login_id", "organization_id", "created_at", "rotated_at", "expires_at", "revoked_at", "revoked_reason",
			"address", "client", "amr", "aal", "authenticated_at", "name", "hint", "scopes").
			Omitting("secrets, counters, and the id of another person who made a key", "user_id", "generation", "superseded", "secret_hash", "created_by"),
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
		Name: "user_totp", Owner: schema.OfPerson("user_id"), Standing: schema.Unread(),
		Tenants:   schema.Shared("it is read at log-in, before the person is authenticated, and never for an organization"),
		Archive:   schema.NotExported("only the server that sealed the secret can open it"),
		Erasure:   schema.RowsGo("user_totp", "user_id = "+schema.Person),
		Copy:      schema.Copied("authenticators", "user_id = "+schema.Person, "id", "name", "created_at", "confirmed_at", "last_used_at").Omitting("secrets of the second factor", "user_id", "secret", "last_step"),
		Retention: schema.Kept("as long as the factor"),
		Sample:    schema.NoSample("nobody has an app that computes the codes of sample data"),
		Invariants: schema.Require(schema.Invariant{
			Name: "I23 an account says whether it has a second factor",
			Query: `SELECT u.id FROM users u WHERE (u.factor_enrolled_at IS NOT NULL) <>
				(EXISTS (SELECT 1 FROM user_totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL) OR EXISTS (SELECT 1 FROM user_passkeys k WHERE k.user_id = u.id))`,
			Remedy: "UPDATE users SET factor_enrolled_at = COALESCE((SELECT MIN(t.confirmed_at) FROM user_totp t WHERE t.user_id = users.id), (SELECT MIN(k.created_at) FROM user_passkeys k WHERE k.user_id = users.id))",
		}),
	}, {
		Name: "user_passkeys", Owner: schema.OfPerson("user_id"), Standing: schema.Unread(),
		Tenants: schema.Shared("it is read at log-in, before the person is authenticated, and never for an organization"),
		Archive: schema.NotExported("a passkey belongs to the domain of this server, and browsers use it at no other one"),
		Erasure: schema.RowsGo("user_passkeys", "user_id = "+schema.Person),
		Copy: schema.Copied("passkeys", "user_id = "+schema.Person, "id", "name", "rp_id", "aaguid", "backed_up", "created_at", "last_used_at").
			Omitting("what verifies the passkey is a secret of the service", "user_id", "credential_id", "credential", "sign_count"),
		Retention:  schema.Kept("as long as the factor"),
		Sample:     schema.NoSample("nobody has an authenticator with the keys of sample data"),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "user_identities", Owner: schema.OfPerson("user_id"), Standing: schema.Unread(),
		Tenants:    schema.Shared("it is read at log-in, before the person is authenticated, and never for an organization"),
		Archive:    schema.NotExported("the other server has other providers, or is another client of them, to which a person has another subject"),
		Erasure:    schema.RowsGo("user_identities", "user_id = "+schema.Person),
		Copy:       schema.Copied("identities", "user_id = "+schema.Person, "id", "provider", "issuer", "subject", "email", "linked_at", "last_used_at").Omitting("it is the same in every row", "user_id"),
		Retention:  schema.Kept("until the person unlinks it"),
		Sample:     schema.NoSample("nobody of the sample data has an account at a provider"),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "user_recovery_codes", Owner: schema.OfPerson("user_id"), Standing: schema.Unread(),
		Tenants:   schema.Shared("it is read at log-in, before the person is authenticated, and never for an organization"),
		Archive:   schema.NotExported("they belong to factors, which stay on this server"),
		Erasure:   schema.RowsGo("user_recovery_codes", "user_id = "+schema.Person),
		Copy:      schema.Copied("recovery_codes", "user_id = "+schema.Person, "created_at", "used_at").Omitting("a hash is as secret as what it is of", "user_id", "hash"),
		Retention: schema.Kept("until new ones replace them"),
		Sample:    schema.NoSample("nobody of the sample data has a second factor"),
		Invariants: schema.Require(schema.Invariant{
			Name:  "I24 recovery codes belong to an account with a second factor",
			Query: `SELECT c.user_id FROM user_recovery_codes c JOIN users u ON u.id = c.user_id WHERE u.factor_enrolled_at IS NULL`,
		}),
	}, {
		Name: "challenges", Owner: schema.Unowned("an address may have no account yet"), Standing: schema.Unread(),
		Tenants: schema.Shared("it is answered before the tenant is known, some without an account"),
		Archive: schema.NotExported("codes and links are valid on the server that sent them"),
		Erasure: schema.RowsGo("challenges", "user_id = "+schema.Person+" OR email_canonical = "+schema.Address),
		Copy: schema.Copied("codes_sent", "user_id = "+schema.Person, "purpose", "email_canonical", "attempts", "created_at", "expires_at", "consumed_at").
			Omitting("secrets, and what they are bound to", "id", "user_id", "session_id", "token_hash", "link_hash", "code_mac", "payload"),
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
		Query:  `SELECT u.id FROM users u WHERE u.erased_at IS NULL AND NOT EXISTS (SELECT 1 FROM user_login_password p WHERE p.user_id = u.id)`,
		Remedy: "set one: echo 'a new password' | guildhall admin set-password EMAIL",
	}, {
		Name: "I9 an account that may not act has no live log-in",
		Query: `SELECT s.id FROM sessions s WHERE s.kind = 'log_in' AND s.revoked_at IS NULL
			AND (NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = s.user_id AND a.organization_id IS NULL AND a.deactivated_at IS NULL)
				OR EXISTS (SELECT 1 FROM user_archives x WHERE x.user_id = s.user_id AND x.restored_at IS NULL)
				OR EXISTS (SELECT 1 FROM user_suspensions x WHERE x.user_id = s.user_id AND x.organization_id IS NULL AND x.lifted_at IS NULL AND x.suspended_until IS NULL))`,
		Remedy: "end those sessions by hand: UPDATE sessions SET revoked_at = '2026-11-25 10:00:00+00:00', revoked_reason = 'operator' WHERE id = '…'",
	}}
}
