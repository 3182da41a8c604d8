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
	}}
}
