package auth

import (
	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

func migrations() []migrate.Migration {
	return []migrate.Migration{{
		ID: "202611240600_auth_credentials",
		Up: func(database.Driver) []string {
			return []string{
				`CREATE TABLE user_login_password (
						user_id uuid NOT NULL PRIMARY KEY REFERENCES users (id),
						password_hash text NOT NULL,
						updated_at timestamptz NOT NULL
					)`,
				`CREATE TABLE sessions (
						id uuid NOT NULL PRIMARY KEY,
						user_id uuid NOT NULL REFERENCES users (id),
						organization_id uuid REFERENCES organizations (id),
						generation bigint NOT NULL CONSTRAINT sessions_generation_positive CHECK (generation >= 1),
						created_at timestamptz NOT NULL,
						rotated_at timestamptz NOT NULL,
						expires_at timestamptz NOT NULL,
						revoked_at timestamptz,
						revoked_reason text
					)`,
				`CREATE INDEX sessions_of_user ON sessions (user_id, rotated_at)`, // mutant: session-index
			}
		},
		Down: func(database.Driver) []string {
			return []string{`DROP TABLE sessions`, `DROP TABLE user_login_password`}
		},
	}, {
		ID: "202611241310_auth_session_clients",
		Up: func(database.Driver) []string {
			return []string{
				`ALTER TABLE sessions ADD COLUMN address text NOT NULL DEFAULT ''`,
				`ALTER TABLE sessions ADD COLUMN client text NOT NULL DEFAULT ''`,
				`CREATE INDEX sessions_by_end ON sessions (expires_at)`,
			}
		},
		Down: func(database.Driver) []string {
			return []string{
				`DROP INDEX sessions_by_end`,
				`ALTER TABLE sessions DROP COLUMN client`,
				`ALTER TABLE sessions DROP COLUMN address`,
			}
		},
	}, {
		ID: "202611250700_auth_sessions_ended",
		Up: func(database.Driver) []string {
			return []string{`CREATE INDEX sessions_ended ON sessions (COALESCE(revoked_at, expires_at))`}
		},
		Down: func(database.Driver) []string { return []string{`DROP INDEX sessions_ended`} },
	}, {
		ID: "202611250701_auth_sessions_by_end",
		Up: func(database.Driver) []string { return []string{`DROP INDEX sessions_by_end`} },
		Down: func(database.Driver) []string {
			return []string{`CREATE INDEX sessions_by_end ON sessions (expires_at)`}
		},
	}, {
		ID: "202611290200_auth_superseded_generations",
		Up: func(database.Driver) []string {
			return []string{`ALTER TABLE sessions ADD COLUMN superseded text NOT NULL DEFAULT ''`}
		},
		Down: func(database.Driver) []string { return []string{`ALTER TABLE sessions DROP COLUMN superseded`} },
	}, {
		ID: "202611290201_auth_session_branches",
		Up: func(database.Driver) []string {
			return []string{`ALTER TABLE sessions ADD COLUMN login_id uuid REFERENCES sessions (id) ON DELETE SET NULL`}
		},
		Down: func(database.Driver) []string { return []string{`ALTER TABLE sessions DROP COLUMN login_id`} },
	}, {
		ID: "202611290204_auth_sessions_of_login",
		Up: func(database.Driver) []string {
			return []string{`CREATE INDEX sessions_of_login ON sessions (login_id) WHERE login_id IS NOT NULL`}
		},
		Down: func(database.Driver) []string { return []string{`DROP INDEX sessions_of_login`} },
	},
		migrate.Added("202611290610_auth_session_amr", "sessions", "amr", "text NOT NULL DEFAULT ''"),
		migrate.Added("202611290611_auth_session_aal", "sessions", "aal", "bigint NOT NULL DEFAULT 1"),
		migrate.Added("202611290612_auth_session_authenticated", "sessions", "authenticated_at", "timestamptz"),
		// user_id refers to users without a foreign key: its check would show in the time of a
		// request whether an address has an account. Accounts are never deleted.
		migrate.One("202611290613_auth_challenges", `CREATE TABLE challenges (
			id uuid NOT NULL PRIMARY KEY,
			purpose text NOT NULL,
			user_id uuid,
			session_id uuid,
			email_canonical text NOT NULL,
			token_hash text,
			link_hash text,
			code_mac text,
			payload text,
			attempts bigint NOT NULL CONSTRAINT challenges_attempts_limited CHECK (attempts BETWEEN 0 AND 5),
			created_at timestamptz NOT NULL,
			expires_at timestamptz NOT NULL,
			consumed_at timestamptz,
			CONSTRAINT challenges_answerable CHECK (token_hash IS NOT NULL OR link_hash IS NOT NULL)
		)`, `DROP TABLE challenges`),
		migrate.One("202611290614_auth_challenges_by_token", `CREATE UNIQUE INDEX challenges_by_token ON challenges (token_hash) WHERE token_hash IS NOT NULL`, `DROP INDEX challenges_by_token`), // mutant: challenge-index
		migrate.One("202611290615_auth_challenges_by_link", `CREATE UNIQUE INDEX challenges_by_link ON challenges (link_hash) WHERE link_hash IS NOT NULL`, `DROP INDEX challenges_by_link`),
		migrate.One("202611290616_auth_challenges_of_user", `CREATE INDEX challenges_of_user ON challenges (user_id) WHERE user_id IS NOT NULL AND consumed_at IS NULL`, `DROP INDEX challenges_of_user`),
		migrate.One("202611290617_auth_challenges_of_email", `CREATE INDEX challenges_reserving ON challenges (email_canonical) WHERE purpose = 'disavow' AND consumed_at IS NULL`, `DROP INDEX challenges_reserving`), // mutant: reserved-index
		migrate.One("202611290618_auth_challenges_by_end", `CREATE INDEX challenges_by_end ON challenges (expires_at)`, `DROP INDEX challenges_by_end`),
		migrate.Added("202611291440_auth_session_kind", "sessions", "kind", "text NOT NULL DEFAULT 'log_in' CONSTRAINT sessions_kind_known CHECK (kind IN ('log_in', 'key', 'grant'))"),
		migrate.Added("202611291441_auth_session_name", "sessions", "name", "text"),
		migrate.Added("202611291442_auth_session_hint", "sessions", "hint", "text"),
		migrate.Added("202611291443_auth_session_scopes", "sessions", "scopes", "text"),
		migrate.Added("202611291444_auth_session_created_by", "sessions", "created_by", "uuid REFERENCES users (id)"),
		migrate.Added("202611291445_auth_session_secret", "sessions", "secret_hash", `text CONSTRAINT sessions_key_whole CHECK (
			(kind = 'key') = (secret_hash IS NOT NULL)
			AND (kind <> 'key' OR (organization_id IS NULL) = (scopes = 'api') AND generation = 1 AND name IS NOT NULL AND hint IS NOT NULL AND scopes IS NOT NULL AND scopes <> ''))`), // mutant: key-whole
		migrate.One("202611291446_auth_session_by_secret", `CREATE UNIQUE INDEX sessions_by_secret ON sessions (secret_hash) WHERE secret_hash IS NOT NULL`, `DROP INDEX sessions_by_secret`),
		migrate.One("202611291447_auth_session_keys", `CREATE INDEX sessions_keys ON sessions (organization_id, id) WHERE kind = 'key'`, `DROP INDEX sessions_keys`),
		// An earlier release would take API keys for log-ins.
		migrate.Migration{
			ID:   "202611291448_auth_session_keys_end",
			Up:   func(database.Driver) []string { return nil },
			Down: func(database.Driver) []string { return []string{`DELETE FROM sessions WHERE kind = 'key'`} },
		},
		migrate.One("202611300310_auth_totp", `CREATE TABLE user_totp (
			user_id uuid NOT NULL REFERENCES users (id),
			id uuid NOT NULL,
			name text NOT NULL,
			secret text NOT NULL,
			last_step bigint NOT NULL,
			created_at timestamptz NOT NULL,
			confirmed_at timestamptz,
			last_used_at timestamptz,
			PRIMARY KEY (user_id, id)
		)`, `DROP TABLE user_totp`),
		migrate.One("202611300311_auth_recovery_codes", `CREATE TABLE user_recovery_codes (
			user_id uuid NOT NULL REFERENCES users (id),
			hash text NOT NULL,
			created_at timestamptz NOT NULL,
			used_at timestamptz,
			PRIMARY KEY (user_id, hash)
		)`, `DROP TABLE user_recovery_codes`),
		migrate.One("202611300320_auth_passkeys", `CREATE TABLE user_passkeys (
			user_id uuid NOT NULL REFERENCES users (id),
			id uuid NOT NULL,
			credential_id text NOT NULL CONSTRAINT user_passkeys_of_one_account UNIQUE,
			credential text NOT NULL,
			rp_id text NOT NULL,
			aaguid uuid NOT NULL,
			sign_count bigint NOT NULL,
			backed_up boolean NOT NULL,
			name text NOT NULL,
			created_at timestamptz NOT NULL,
			last_used_at timestamptz,
			PRIMARY KEY (user_id, id)
		)`, `DROP TABLE user_passkeys`),
		migrate.One("202611301010_auth_identities", `CREATE TABLE user_identities (
			user_id uuid NOT NULL REFERENCES users (id),
			id uuid NOT NULL,
			issuer text NOT NULL,
			subject text NOT NULL,
			provider text NOT NULL,
			email text NOT NULL,
			linked_at timestamptz NOT NULL,
			last_used_at timestamptz,
			PRIMARY KEY (user_id, id),
			CONSTRAINT user_identities_of_one_account UNIQUE (issuer, subject)
		)`, `DROP TABLE user_identities`),
	}
}
