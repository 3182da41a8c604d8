package organization

import (
	"slices"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

// ofTenant selects the organizations of which the person is a member.
const ofTenant = "(SELECT m.organization_id FROM organization_members m WHERE m.user_id = " + database.TenantUser + ")"

// ofOwner selects the owner of a row's organization. A rollback sets it where the newer
// schema allowed NULL.
func ofOwner(table string) string {
	return "(SELECT w.user_id FROM organization_owners w WHERE w.organization_id = " + table + ".organization_id)"
}

func migrations() []migrate.Migration {
	return slices.Concat([]migrate.Migration{{
		ID: "202611240200_organization_organizations",
		Up: func(driver database.Driver) []string {
			// Every organization has an owner, which is checked at commit. SQLite can't add
			// a constraint later, so here it refers to a table that module membership
			// creates later. On PostgreSQL that module's migration adds the constraint.
			hasOwner := ""
			if driver == database.SQLite {
				hasOwner = `,
						CONSTRAINT organizations_has_owner FOREIGN KEY (id)
							REFERENCES organization_owners (organization_id) DEFERRABLE INITIALLY DEFERRED`
			}
			return []string{
				`CREATE TABLE organizations (
						id uuid NOT NULL PRIMARY KEY,
						name text NOT NULL CONSTRAINT organizations_name_length CHECK (length(name) BETWEEN 1 AND 255),
						created_at timestamptz NOT NULL,
						updated_at timestamptz NOT NULL` + hasOwner + `
					)`,
				`CREATE TABLE organization_active_status (
						id uuid NOT NULL PRIMARY KEY,
						organization_id uuid NOT NULL REFERENCES organizations (id),
						activated_at timestamptz NOT NULL,
						activated_by uuid NOT NULL REFERENCES users (id),
						deactivated_at timestamptz,
						deactivated_by uuid REFERENCES users (id)
					)`,
				`CREATE UNIQUE INDEX organization_active_status_open ON organization_active_status (organization_id)
						WHERE deactivated_at IS NULL`,
				`CREATE TABLE organization_suspensions (
						id uuid NOT NULL PRIMARY KEY,
						organization_id uuid NOT NULL REFERENCES organizations (id),
						reason text NOT NULL CONSTRAINT organization_suspensions_reason_length CHECK (length(reason) BETWEEN 1 AND 1000),
						by_operator boolean NOT NULL,
						suspended_at timestamptz NOT NULL,
						suspended_by uuid NOT NULL REFERENCES users (id),
						suspended_until timestamptz,
						lifted_at timestamptz,
						lifted_by uuid REFERENCES users (id)
					)`,
				`CREATE UNIQUE INDEX organization_suspensions_open ON organization_suspensions (organization_id)
						WHERE lifted_at IS NULL`,
				`CREATE TABLE organization_archives (
						id uuid NOT NULL PRIMARY KEY,
						organization_id uuid NOT NULL REFERENCES organizations (id),
						reason text NOT NULL CONSTRAINT organization_archives_reason_length CHECK (length(reason) BETWEEN 1 AND 1000),
						archived_at timestamptz NOT NULL,
						archived_by uuid NOT NULL REFERENCES users (id),
						restored_at timestamptz,
						restored_by uuid REFERENCES users (id),
						restore_reason text
					)`,
				`CREATE UNIQUE INDEX organization_archives_open ON organization_archives (organization_id)
						WHERE restored_at IS NULL`,
			}
		},
		Down: func(database.Driver) []string {
			return []string{
				`DROP TABLE organization_archives`, `DROP TABLE organization_suspensions`,
				`DROP TABLE organization_active_status`, `DROP TABLE organizations`,
			}
		},
	}, {
		ID: "202611241345_organization_row_security",
		Up: func(driver database.Driver) []string {
			return slices.Concat(
				database.TenantPolicy(driver, "organizations", "id = "+database.TenantOrganization, "id IN "+ofTenant),
				database.TenantPolicy(driver, "organization_active_status", "organization_id = "+database.TenantOrganization, "organization_id IN "+ofTenant),
				database.TenantPolicy(driver, "organization_suspensions", "organization_id = "+database.TenantOrganization, "organization_id IN "+ofTenant),
				database.TenantPolicy(driver, "organization_archives", "organization_id = "+database.TenantOrganization, "organization_id IN "+ofTenant),
			)
		},
		Down: func(driver database.Driver) []string {
			return slices.Concat(
				database.DropTenantPolicy(driver, "organizations"),
				database.DropTenantPolicy(driver, "organization_active_status"),
				database.DropTenantPolicy(driver, "organization_suspensions"),
				database.DropTenantPolicy(driver, "organization_archives"),
			)
		},
	},
		migrate.KeyedBy("202611250401_organization_active_status_key", "organization_active_status", "organization_id"),
		migrate.KeyedBy("202611250402_organization_suspensions_key", "organization_suspensions", "organization_id"),
		migrate.KeyedBy("202611250403_organization_archives_key", "organization_archives", "organization_id"),
	},
		// The command line has no account.
		migrate.Optional("202611252205_organization_active_status_by_nobody", "202611252206_organization_active_status_by_nobody_back",
			"organization_active_status", "activated_by", "users (id)", ofOwner("organization_active_status")),
		migrate.Optional("202611252207_organization_suspensions_by_nobody", "202611252208_organization_suspensions_by_nobody_back",
			"organization_suspensions", "suspended_by", "users (id)", ofOwner("organization_suspensions")),
		migrate.Optional("202611252209_organization_archives_by_nobody", "202611252210_organization_archives_by_nobody_back",
			"organization_archives", "archived_by", "users (id)", ofOwner("organization_archives")),
		[]migrate.Migration{
			migrate.ListedBy("202611290203_organization_suspensions_history", "organization_suspensions", "organization_id"),
			// NULL: not stored yet. A worker stores the terms of the existing organizations, and of
			// those that the release before this one writes meanwhile.
			migrate.Added("202611290709_organization_terms_at", "organizations", "terms_at", "timestamptz"),
			migrate.One("202611290710_organization_without_terms", "CREATE INDEX organizations_without_terms ON organizations (id) WHERE "+withoutTerms, "DROP INDEX organizations_without_terms"),
			organizationsTerms.Created("202611290711_organization_terms", "FOREIGN KEY (organization_id) REFERENCES organizations (id)"),
			organizationsTerms.Indexed("202611290712_organization_terms_found"),
			organizationsTerms.Isolated("202611290713_organization_terms_row_security"),
			migrate.Added("202611291302_organization_external_id", "organizations", "external_id", "text"),
			migrate.One("202611291303_organization_by_external_id", "CREATE UNIQUE INDEX organizations_by_external_id ON organizations (external_id) WHERE external_id IS NOT NULL",
				"DROP INDEX organizations_by_external_id"),
			migrate.Added("202611300301_organization_mfa", "organizations", "mfa", "text NOT NULL DEFAULT 'off' CONSTRAINT organizations_mfa_known CHECK (mfa IN ('off', 'admins', 'everyone'))"),
			migrate.Added("202611300302_organization_mfa_from", "organizations", "mfa_from", "timestamptz"),
			migrate.Added("202611300303_organization_mfa_before", "organizations", "mfa_before", "text NOT NULL DEFAULT 'off' CONSTRAINT organizations_mfa_before_known CHECK (mfa_before IN ('off', 'admins', 'everyone'))"),
		},
	)
}
