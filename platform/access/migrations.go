package access

import "guildhall/platform/database"

// Name is that of the kernel's own migrations.
const Name = "access"

// Migrations of the kernel's one table. It refers to users, which comes before it.
func Migrations() []database.Migration {
	return []database.Migration{{
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
	}}
}
