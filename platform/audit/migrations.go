package audit

import (
	"slices"

	"guildhall/platform/database"
)

// Name is that of the trail's migrations.
const Name = "audit"

// Migrations of the trail. Its events refer to no other table: they outlive what
// they are about.
func Migrations() []database.Migration {
	return []database.Migration{{
		ID: "202611241300_audit_events",
		Up: func(driver database.Driver) []string {
			return append([]string{
				`CREATE TABLE audit_chains (
					id uuid NOT NULL PRIMARY KEY,
					sequence bigint NOT NULL,
					hash text NOT NULL
				)`,
				`CREATE TABLE audit_events (
					chain_id uuid NOT NULL REFERENCES audit_chains (id),
					sequence bigint NOT NULL CONSTRAINT audit_events_sequence_positive CHECK (sequence >= 1),
					id uuid NOT NULL,
					occurred_at timestamptz NOT NULL,
					action text NOT NULL,
					organization_id uuid,
					user_id uuid,
					actor_user_id uuid,
					actor_role text NOT NULL,
					session_id uuid,
					address text NOT NULL,
					client text NOT NULL,
					request_id text NOT NULL,
					details text NOT NULL,
					hash text NOT NULL,
					PRIMARY KEY (chain_id, sequence)
				)`,
				`CREATE INDEX audit_events_by_action ON audit_events (chain_id, action, sequence)`,
				`CREATE INDEX audit_events_by_actor ON audit_events (chain_id, actor_user_id, sequence)`,
			}, appendOnly(driver)...)
		},
		Down: func(driver database.Driver) []string {
			statements := []string{`DROP TABLE audit_events`, `DROP TABLE audit_chains`}
			if driver == database.Postgres {
				statements = append(statements, `DROP FUNCTION audit_events_append_only()`)
			}
			return statements
		},
	}, {
		ID: "202611241355_audit_row_security",
		Up: func(driver database.Driver) []string {
			return slices.Concat(
				database.TenantPolicy(driver, "audit_events",
					"organization_id = "+database.TenantOrganization+" OR organization_id IS NULL AND (user_id IS NULL OR user_id = "+database.TenantUser+")"),
			)
		},
		Down: func(driver database.Driver) []string {
			return slices.Concat(
				database.DropTenantPolicy(driver, "audit_events"),
			)
		},
	}}
}

// appendOnly makes the database refuse what would rewrite history.
func appendOnly(driver database.Driver) []string {
	if driver == database.Postgres {
		return []string{
			`CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
				BEGIN RAISE EXCEPTION 'audit events are never changed'; END $$`,
			`CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
				FOR EACH ROW EXECUTE FUNCTION audit_events_append_only()`,
		}
	}
	return []string{
		`CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
			BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END`,
		`CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
			BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END`,
	}
}
