package invitation

import (
	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

func migrations() []migrate.Migration {
	return []migrate.Migration{
		migrate.One("202611290700_invitation_invitations", `CREATE TABLE organization_invitations (
			organization_id uuid NOT NULL REFERENCES organizations (id),
			id uuid NOT NULL,
			email text NOT NULL,
			email_canonical text NOT NULL,
			role text NOT NULL CONSTRAINT organization_invitations_role_known CHECK (role IN ('member', 'admin')),
			token_hash text NOT NULL,
			delivered boolean NOT NULL,
			invited_by uuid NOT NULL REFERENCES users (id),
			created_at timestamptz NOT NULL,
			expires_at timestamptz NOT NULL,
			closed_at timestamptz,
			closed_as text CONSTRAINT organization_invitations_end_known CHECK (closed_as IN ('accepted', 'declined', 'revoked', 'expired')),
			PRIMARY KEY (organization_id, id),
			CONSTRAINT organization_invitations_whole_end CHECK ((closed_at IS NULL) = (closed_as IS NULL))
		)`, `DROP TABLE organization_invitations`),
		// mutant: one-open-invitation
		migrate.One("202611290701_invitation_one_open", `CREATE UNIQUE INDEX organization_invitations_one_open ON organization_invitations (organization_id, email_canonical) WHERE closed_at IS NULL`, `DROP INDEX organization_invitations_one_open`),
		migrate.One("202611290702_invitation_by_token", `CREATE INDEX organization_invitations_by_token ON organization_invitations (token_hash)`, `DROP INDEX organization_invitations_by_token`),
		migrate.One("202611290703_invitation_of_email", `CREATE INDEX organization_invitations_of_email ON organization_invitations (email_canonical)`, `DROP INDEX organization_invitations_of_email`),
		migrate.One("202611290704_invitation_of_inviter", `CREATE INDEX organization_invitations_of_inviter ON organization_invitations (invited_by) WHERE closed_at IS NULL`, `DROP INDEX organization_invitations_of_inviter`),
		migrate.One("202611290705_invitation_by_end", `CREATE INDEX organization_invitations_by_end ON organization_invitations (COALESCE(closed_at, expires_at))`, `DROP INDEX organization_invitations_by_end`),
		migrate.One("202611290706_invitation_links", `CREATE TABLE invitation_links (
			organization_id uuid NOT NULL REFERENCES organizations (id),
			id uuid NOT NULL,
			domains text NOT NULL,
			max_uses bigint CONSTRAINT invitation_links_limit_positive CHECK (max_uses > 0),
			uses bigint NOT NULL CONSTRAINT invitation_links_within_limit CHECK (uses <= max_uses),
			token_hash text NOT NULL,
			invited_by uuid NOT NULL REFERENCES users (id),
			created_at timestamptz NOT NULL,
			expires_at timestamptz NOT NULL,
			closed_at timestamptz,
			PRIMARY KEY (organization_id, id)
		)`, `DROP TABLE invitation_links`),
		migrate.One("202611290707_invitation_links_by_token", `CREATE INDEX invitation_links_by_token ON invitation_links (token_hash)`, `DROP INDEX invitation_links_by_token`),
		migrate.One("202611290708_invitation_links_of_inviter", `CREATE INDEX invitation_links_of_inviter ON invitation_links (invited_by) WHERE closed_at IS NULL`, `DROP INDEX invitation_links_of_inviter`),
		migrate.One("202611290709_invitation_links_by_end", `CREATE INDEX invitation_links_by_end ON invitation_links (COALESCE(closed_at, expires_at))`, `DROP INDEX invitation_links_by_end`),
		isolated("202611290710_invitation_row_security", "organization_invitations"),
		isolated("202611290711_invitation_links_row_security", "invitation_links"),
	}
}

func isolated(id, table string) migrate.Migration {
	return migrate.Migration{
		ID: id,
		Up: func(driver database.Driver) []string {
			return database.TenantPolicy(driver, table, "organization_id = "+database.TenantOrganization)
		},
		Down: func(driver database.Driver) []string {
			if driver != database.Postgres {
				return nil
			}
			return []string{"DROP POLICY tenant ON " + table}
		},
	}
}
