package machine

import (
	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

func migrations() []migrate.Migration {
	return []migrate.Migration{
		migrate.One("202611291450_machine_service_accounts", `CREATE TABLE service_accounts (
			user_id uuid NOT NULL PRIMARY KEY REFERENCES users (id),
			organization_id uuid REFERENCES organizations (id),
			description text CONSTRAINT service_accounts_description_length CHECK (length(description) <= 2000)
		)`, `DROP TABLE service_accounts`),
		migrate.One("202611291451_machine_of_organization", `CREATE INDEX service_accounts_of_organization ON service_accounts (organization_id, user_id)`, `DROP INDEX service_accounts_of_organization`),
		{
			ID: "202611291452_machine_row_security",
			Up: func(driver database.Driver) []string {
				return database.TenantPolicy(driver, "service_accounts", "organization_id = "+database.TenantOrganization)
			},
			Down: func(driver database.Driver) []string {
				if driver != database.Postgres {
					return nil
				}
				return []string{"DROP POLICY tenant ON service_accounts"}
			},
		},
		migrate.One("202611292200_machine_apis", `CREATE TABLE apis (
			id uuid NOT NULL PRIMARY KEY REFERENCES service_accounts (user_id),
			identifier text NOT NULL CONSTRAINT apis_identifier_length CHECK (length(identifier) BETWEEN 1 AND 255),
			token_seconds bigint NOT NULL CONSTRAINT apis_token_seconds CHECK (token_seconds BETWEEN 60 AND 3600),
			claims text NOT NULL CONSTRAINT apis_claims CHECK (claims IN ('none', 'role')),
			session_tokens boolean NOT NULL,
			created_at timestamptz NOT NULL
		)`, `DROP TABLE apis`),
		migrate.One("202611292201_machine_apis_by_identifier", `CREATE UNIQUE INDEX apis_by_identifier ON apis (identifier)`, `DROP INDEX apis_by_identifier`),
		migrate.One("202611292202_machine_api_scopes", `CREATE TABLE api_scopes (
			api_id uuid NOT NULL REFERENCES apis (id),
			name text NOT NULL CONSTRAINT api_scopes_name_length CHECK (length(name) BETWEEN 1 AND 64),
			least_role text NOT NULL CONSTRAINT api_scopes_role CHECK (least_role IN ('member', 'admin', 'owner')),
			PRIMARY KEY (api_id, name)
		)`, `DROP TABLE api_scopes`),
	}
}
