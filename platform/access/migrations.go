package access

import (
	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

// Name is the name of this package's migrations.
const Name = "access"

// Migrations returns the migrations of the gate's own tables. They refer to users and
// sessions, whose migrations run before.
func Migrations() []migrate.Migration {
	return []migrate.Migration{{
		ID: "202611240500_access_platform_administrators",
		Up: func(database.Driver) []string {
			return []string{`CREATE TABLE platform_administrators (
				user_id uuid NOT NULL PRIMARY KEY REFERENCES users (id),
				granted_at timestamptz NOT NULL
			)`}
		},
		Down: func(database.Driver) []string {
			return []string{`DROP TABLE platform_administrators`}
		},
	}, {
		ID: "202611250201_access_session_writes",
		Up: func(database.Driver) []string {
			return []string{`CREATE TABLE session_writes (
				session_id uuid NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
				transaction_id bigint NOT NULL
			)`}
		},
		Down: func(database.Driver) []string {
			return []string{`DROP TABLE session_writes`}
		},
	}}
}
