package ratelimit

import (
	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

// Name is the name of this package's migrations.
const Name = "ratelimit"

// Migrations returns the migrations of the rate limits' table.
func Migrations() []migrate.Migration {
	return []migrate.Migration{{
		ID: "202611241320_ratelimit_limits",
		Up: func(database.Driver) []string {
			return []string{
				`CREATE TABLE rate_limits (
					key text NOT NULL PRIMARY KEY,
					tat bigint NOT NULL,
					admitted boolean NOT NULL
				)`,
				`CREATE INDEX rate_limits_by_time ON rate_limits (tat)`,
			}
		},
		Down: func(database.Driver) []string { return []string{`DROP TABLE rate_limits`} },
	}}
}
