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
	}
}
