package idempotency

import (
	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

// Name is the name of this package's migrations.
const Name = "idempotency"

// Migrations returns the migrations of the keys' table.
func Migrations() []migrate.Migration {
	return []migrate.Migration{{
		ID: "202611241330_idempotency_keys",
		Up: func(database.Driver) []string {
			return []string{
				`CREATE TABLE idempotency_keys (
					id text NOT NULL PRIMARY KEY,
					fingerprint text NOT NULL,
					lock uuid NOT NULL,
					locked_until timestamptz NOT NULL,
					created_at timestamptz NOT NULL,
					answer text
				)`,
				`CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at)`,
			}
		},
		Down: func(database.Driver) []string { return []string{`DROP TABLE idempotency_keys`} },
	}}
}
