package signing

import (
	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

// Name is the name of this package's migrations.
const Name = "signing"

// Migrations returns the migrations of the table. A database that has people goes on with
// HS256: programs may verify their tokens with the secret.
func Migrations() []migrate.Migration {
	return []migrate.Migration{{
		ID: "202611291700_signing_keys",
		Up: func(database.Driver) []string {
			return []string{`CREATE TABLE signing_keys (
				id text NOT NULL PRIMARY KEY,
				algorithm text NOT NULL CONSTRAINT signing_keys_algorithm CHECK (algorithm IN ('HS256', 'ES256', 'RS256')),
				private_key text,
				created_at timestamptz NOT NULL,
				signs_from timestamptz NOT NULL,
				ended_at timestamptz,
				CONSTRAINT signing_keys_private CHECK ((algorithm = 'HS256') = (private_key IS NULL))
			)`}
		},
		Down: func(database.Driver) []string { return []string{`DROP TABLE signing_keys`} },
	}, {
		ID: "202611291701_signing_keys_hs256",
		Up: func(database.Driver) []string {
			return []string{`INSERT INTO signing_keys (id, algorithm, created_at, signs_from)
				SELECT 'hs256', 'HS256', MIN(created_at), MIN(created_at) FROM users HAVING COUNT(*) > 0`}
		},
		Down: func(database.Driver) []string { return []string{`DELETE FROM signing_keys WHERE id = 'hs256'`} },
	}}
}
