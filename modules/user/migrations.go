package user

import (
	"slices"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/roster"
)

func migrations() []migrate.Migration {
	return slices.Concat([]migrate.Migration{
		{
			ID: "202611240100_user_accounts",
			Up: func(database.Driver) []string {
				return []string{
					`CREATE TABLE users (
						id uuid NOT NULL PRIMARY KEY,
						email text NOT NULL,
						email_canonical text NOT NULL CONSTRAINT users_email_canonical_key UNIQUE,
						created_at timestamptz NOT NULL,
						updated_at timestamptz NOT NULL
					)`,
					`CREATE TABLE user_profile (
						user_id uuid NOT NULL PRIMARY KEY REFERENCES users (id),
						name text NOT NULL CONSTRAINT user_profile_name_length CHECK (length(name) BETWEEN 1 AND 255),
						bio text CONSTRAINT user_profile_bio_length CHECK (length(bio) <= 2000),
						avatar_url text CONSTRAINT user_profile_avatar_url_length CHECK (length(avatar_url) <= 2048)
					)`,
				}
			},
			Down: func(database.Driver) []string {
				return []string{`DROP TABLE user_profile`, `DROP TABLE users`}
			},
		},
		{
			// After the organizations, to which the standing of members refers.
			ID: "202611240300_user_standing",
			Up: func(database.Driver) []string {
				return []string{
					`CREATE TABLE user_active_status (
						id uuid NOT NULL PRIMARY KEY,
						user_id uuid NOT NULL REFERENCES users (id),
						organization_id uuid REFERENCES organizations (id),
						activated_at timestamptz NOT NULL,
						activated_by uuid REFERENCES users (id),
						deactivated_at timestamptz,
						deactivated_by uuid REFERENCES users (id)
					)`,
					`CREATE UNIQUE INDEX user_active_status_open_account ON user_active_status (user_id)
						WHERE organization_id IS NULL AND deactivated_at IS NULL`,
					`CREATE UNIQUE INDEX user_active_status_open_membership ON user_active_status (user_id, organization_id)
						WHERE organization_id IS NOT NULL AND deactivated_at IS NULL`,
					`CREATE INDEX user_active_status_history ON user_active_status (user_id, organization_id)`,
					`CREATE TABLE user_suspensions (
						id uuid NOT NULL PRIMARY KEY,
						user_id uuid NOT NULL REFERENCES users (id),
						organization_id uuid REFERENCES organizations (id),
						reason text NOT NULL CONSTRAINT user_suspensions_reason_length CHECK (length(reason) BETWEEN 1 AND 1000),
						suspended_at timestamptz NOT NULL,
						suspended_by uuid NOT NULL REFERENCES users (id),
						suspended_until timestamptz,
						lifted_at timestamptz,
						lifted_by uuid REFERENCES users (id)
					)`,
					`CREATE UNIQUE INDEX user_suspensions_open_account ON user_suspensions (user_id)
						WHERE organization_id IS NULL AND lifted_at IS NULL`,
					// mutant: one-open-suspension
					`CREATE UNIQUE INDEX user_suspensions_open_membership ON user_suspensions (user_id, organization_id)
						WHERE organization_id IS NOT NULL AND lifted_at IS NULL`,
					`CREATE TABLE user_archives (
						id uuid NOT NULL PRIMARY KEY,
						user_id uuid NOT NULL REFERENCES users (id),
						reason text NOT NULL CONSTRAINT user_archives_reason_length CHECK (length(reason) BETWEEN 1 AND 1000),
						archived_at timestamptz NOT NULL,
						archived_by uuid NOT NULL REFERENCES users (id),
						restored_at timestamptz,
						restored_by uuid REFERENCES users (id),
						restore_reason text
					)`,
					`CREATE UNIQUE INDEX user_archives_open ON user_archives (user_id) WHERE restored_at IS NULL`,
				}
			},
			Down: func(database.Driver) []string {
				return []string{`DROP TABLE user_archives`, `DROP TABLE user_suspensions`, `DROP TABLE user_active_status`}
			},
		},
		{
			ID: "202611241350_user_row_security",
			Up: func(driver database.Driver) []string {
				return slices.Concat(
					database.TenantPolicy(driver, "user_active_status", "organization_id IS NULL OR organization_id = "+database.TenantOrganization, "user_id = "+database.TenantUser),
					database.TenantPolicy(driver, "user_suspensions", "organization_id IS NULL OR organization_id = "+database.TenantOrganization, "user_id = "+database.TenantUser),
				)
			},
			Down: func(driver database.Driver) []string {
				return slices.Concat(
					database.DropTenantPolicy(driver, "user_active_status"),
					database.DropTenantPolicy(driver, "user_suspensions"),
				)
			},
		},
		migrate.KeyedBy("202611250404_user_active_status_key", "user_active_status", "user_id"),
		migrate.KeyedBy("202611250405_user_suspensions_key", "user_suspensions", "user_id"),
		migrate.KeyedBy("202611250406_user_archives_key", "user_archives", "user_id"),
	},
		// The command line has no account.
		migrate.Optional("202611252201_user_suspensions_by_nobody", "202611252202_user_suspensions_by_nobody_back",
			"user_suspensions", "suspended_by", "users (id)", "user_id"),
		migrate.Optional("202611252203_user_archives_by_nobody", "202611252204_user_archives_by_nobody_back",
			"user_archives", "archived_by", "users (id)", "user_id"),
		[]migrate.Migration{
			migrate.ListedBy("202611290201_user_suspensions_history", "user_suspensions", "user_id", "organization_id"),
			{
				// Reasons were written for admins only, and so are those that the release
				// before this migration still writes.
				ID: "202611290202_user_suspensions_reason_shared",
				Up: func(database.Driver) []string {
					return []string{`ALTER TABLE user_suspensions ADD COLUMN reason_shared boolean NOT NULL DEFAULT false`}
				},
				Down: func(database.Driver) []string {
					return []string{`ALTER TABLE user_suspensions DROP COLUMN reason_shared`}
				},
			},
			migrate.Added("202611290600_user_email_verified", "users", "email_verified_at", "timestamptz"),
			migrate.Added("202611290601_user_locale", "users", "locale", "text"),
			// NULL: not stored yet. A worker stores the terms of the existing accounts, and of
			// those that the release before this one writes meanwhile.
			migrate.Added("202611290700_user_terms_at", "users", "terms_at", "timestamptz"),
			migrate.One("202611290701_user_without_terms", "CREATE INDEX users_without_terms ON users (id) WHERE "+withoutTerms, "DROP INDEX users_without_terms"),
			roster.EverybodysTerms.Created("202611290702_user_terms", "FOREIGN KEY (user_id) REFERENCES users (id)"),
			roster.EverybodysTerms.Indexed("202611290703_user_terms_found"),
			roster.MembersTerms.Created("202611290704_user_member_terms",
				"FOREIGN KEY (organization_id, user_id) REFERENCES organization_members (organization_id, user_id) ON DELETE CASCADE"),
			roster.MembersTerms.Indexed("202611290705_user_member_terms_found"),
			roster.MembersTerms.Isolated("202611290706_user_member_terms_row_security"),
			migrate.One("202611291122_user_was_inactive", "CREATE INDEX user_active_status_ended ON user_active_status (user_id) WHERE deactivated_at IS NOT NULL",
				"DROP INDEX user_active_status_ended"),
			migrate.One("202611291123_user_has_suspension", "CREATE INDEX user_suspensions_open ON user_suspensions (user_id) WHERE lifted_at IS NULL",
				"DROP INDEX user_suspensions_open"),
			// A worker stores the terms again, with the whole name.
			migrate.One("202611291124_user_terms_again", storeAllAgain, storeAllAgain),
			migrate.Added("202611291300_user_external_id", "users", "external_id", "text"),
			migrate.One("202611291301_user_by_external_id", "CREATE UNIQUE INDEX users_by_external_id ON users (external_id) WHERE external_id IS NOT NULL",
				"DROP INDEX users_by_external_id"),
			migrate.Added("202611300300_user_factor_enrolled", "users", "factor_enrolled_at", "timestamptz"),
			migrate.Added("202611301000_user_erase_at", "users", "erase_at", "timestamptz"),
			migrate.Added("202611301001_user_erased_at", "users", "erased_at", "timestamptz"),
			migrate.One("202611301002_user_due_for_erasure", "CREATE INDEX users_due_for_erasure ON users (erase_at) WHERE erase_at IS NOT NULL", "DROP INDEX users_due_for_erasure"),
			migrate.One("202611301003_user_by_erasure", "CREATE INDEX users_by_erasure ON users (erased_at) WHERE erased_at IS NOT NULL", "DROP INDEX users_by_erasure"),
		},
	)
}
