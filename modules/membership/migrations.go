package membership

import (
	"slices"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

func migrations() []migrate.Migration {
	return slices.Concat([]migrate.Migration{{
		ID: "202611240400_membership_roles",
		Up: func(driver database.Driver) []string {
			clustered := "" // by the primary key, because lists are read in its order
			if driver == database.SQLite {
				clustered = " WITHOUT ROWID"
			}
			statements := []string{
				`CREATE TABLE organization_members (
						organization_id uuid NOT NULL REFERENCES organizations (id),
						user_id uuid NOT NULL REFERENCES users (id),
						joined_at timestamptz NOT NULL,
						PRIMARY KEY (organization_id, user_id)
					)` + clustered,
				`CREATE UNIQUE INDEX organization_members_of_user ON organization_members (user_id, organization_id)`,
				// mutant: admins-are-members
				`CREATE TABLE organization_admins (
						organization_id uuid NOT NULL,
						user_id uuid NOT NULL,
						granted_at timestamptz NOT NULL,
						granted_by uuid NOT NULL REFERENCES users (id),
						PRIMARY KEY (organization_id, user_id),
						CONSTRAINT organization_admins_are_members FOREIGN KEY (organization_id, user_id)
							REFERENCES organization_members (organization_id, user_id) ON DELETE CASCADE
					)` + clustered,
				`CREATE TABLE organization_owners (
						organization_id uuid NOT NULL PRIMARY KEY,
						user_id uuid NOT NULL,
						since timestamptz NOT NULL,
						CONSTRAINT organization_owners_are_members FOREIGN KEY (organization_id, user_id)
							REFERENCES organization_members (organization_id, user_id)
					)` + clustered,
				`CREATE INDEX organization_owners_of_user ON organization_owners (user_id)`,
			}
			if driver == database.Postgres {
				statements = append(statements, `ALTER TABLE organizations ADD CONSTRAINT organizations_has_owner
					FOREIGN KEY (id) REFERENCES organization_owners (organization_id) DEFERRABLE INITIALLY DEFERRED`)
			}
			return statements
		},
		Down: func(driver database.Driver) []string {
			var statements []string
			if driver == database.Postgres {
				statements = append(statements, `ALTER TABLE organizations DROP CONSTRAINT organizations_has_owner`)
			}
			return append(statements, `DROP TABLE organization_owners`, `DROP TABLE organization_admins`, `DROP TABLE organization_members`)
		},
	}, {
		ID: "202611241340_membership_row_security",
		Up: func(driver database.Driver) []string {
			return slices.Concat(
				database.TenantPolicy(driver, "organization_members", "organization_id = "+database.TenantOrganization, "user_id = "+database.TenantUser), // mutant: member-policy
				database.TenantPolicy(driver, "organization_admins", "organization_id = "+database.TenantOrganization, "user_id = "+database.TenantUser),
				database.TenantPolicy(driver, "organization_owners", "organization_id = "+database.TenantOrganization, "user_id = "+database.TenantUser),
			)
		},
		Down: func(driver database.Driver) []string {
			return slices.Concat(
				database.DropTenantPolicy(driver, "organization_members"),
				database.DropTenantPolicy(driver, "organization_admins"),
				database.DropTenantPolicy(driver, "organization_owners"),
			)
		},
	}},
		// The command line can transfer the ownership, and it has no account.
		migrate.Optional("202611252211_membership_admins_by_nobody", "202611252212_membership_admins_by_nobody_back",
			"organization_admins", "granted_by", "users (id)",
			"(SELECT w.user_id FROM organization_owners w WHERE w.organization_id = organization_admins.organization_id)"),
		[]migrate.Migration{
			// False: the terms are not stored yet, as of members whom the release before this one
			// adds meanwhile. A worker stores them.
			migrate.Added("202611290707_membership_searchable", "organization_members", "searchable", "boolean NOT NULL DEFAULT FALSE"),
			migrate.One("202611290708_membership_not_searchable", "CREATE INDEX organization_members_not_searchable ON organization_members (user_id) WHERE NOT searchable",
				"DROP INDEX organization_members_not_searchable"),
			migrate.One("202611291120_membership_by_joining", "CREATE INDEX organization_members_by_joining ON organization_members (organization_id, joined_at, user_id)",
				"DROP INDEX organization_members_by_joining"),
		},
	)
}
