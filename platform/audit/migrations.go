package audit

import (
	"slices"
	"strings"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

// Name is the name of this package's migrations.
const Name = "audit"

// Migrations returns the migrations of the audit log. Its tables have no foreign keys to
// others, because events outlive the rows that they are about.
func Migrations() []migrate.Migration {
	return []migrate.Migration{{
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
	}, {
		// In existing chains oldest_at is too early, so the first sweep looks at all of
		// them once. Roll back only if no event was deleted: the version before would
		// report deleted events as removed by an attacker.
		ID: "202611250710_audit_retention",
		Up: func(driver database.Driver) []string {
			return eachColumn(driver, "ADD COLUMN first_sequence bigint NOT NULL DEFAULT 1", "ADD COLUMN first_hash text NOT NULL DEFAULT ''",
				"ADD COLUMN oldest_at timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00:00'")
		},
		Down: func(driver database.Driver) []string {
			return eachColumn(driver, "DROP COLUMN oldest_at", "DROP COLUMN first_hash", "DROP COLUMN first_sequence")
		},
	}, {
		ID: "202611250711_audit_chains_by_oldest",
		Up: func(database.Driver) []string {
			return []string{`CREATE INDEX audit_chains_by_oldest ON audit_chains (oldest_at, id)`}
		},
		Down: func(database.Driver) []string { return []string{`DROP INDEX audit_chains_by_oldest`} },
	}, {
		ID:   "202611250712_audit_given_up",
		Up:   deletableOnceGivenUp,
		Down: neverDeletable,
	}, {
		// SQLite's INSERT OR REPLACE deletes rows without firing DELETE triggers.
		ID: "202611250720_audit_replacement",
		Up: func(driver database.Driver) []string {
			if driver == database.Postgres {
				return nil
			}
			return []string{`CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events
				WHEN EXISTS (SELECT 1 FROM audit_events e WHERE e.chain_id = NEW.chain_id AND e.sequence = NEW.sequence)
				BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END`}
		},
		Down: func(driver database.Driver) []string {
			if driver == database.Postgres {
				return nil
			}
			return []string{`DROP TRIGGER audit_events_no_replace`}
		},
	}}
}

// appendOnly makes the database refuse to change or delete events.
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

// eachColumn changes audit_chains in one statement if the database supports that.
func eachColumn(driver database.Driver, changes ...string) []string {
	const table = "ALTER TABLE audit_chains "
	if driver == database.Postgres {
		return []string{table + strings.Join(changes, ", ")}
	}
	for i, c := range changes {
		changes[i] = table + c
	}
	return changes
}

// deletableOnceGivenUp allows the deletion of events before the first sequence number in
// the head of their chain.
func deletableOnceGivenUp(driver database.Driver) []string {
	if driver == database.Postgres {
		// mutant: event-deletion-postgres
		return []string{`CREATE OR REPLACE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN
				IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM audit_chains c WHERE c.id = OLD.chain_id AND c.first_sequence > OLD.sequence) THEN
					RETURN OLD;
				END IF;
				RAISE EXCEPTION 'audit events are never changed';
			END $$`}
	}
	return []string{
		`DROP TRIGGER audit_events_no_delete`,
		// mutant: event-deletion-sqlite
		`CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
			WHEN NOT EXISTS (SELECT 1 FROM audit_chains c WHERE c.id = OLD.chain_id AND c.first_sequence > OLD.sequence)
			BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END`,
	}
}

// neverDeletable reverts deletableOnceGivenUp.
func neverDeletable(driver database.Driver) []string {
	if driver == database.Postgres {
		return []string{`CREATE OR REPLACE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN RAISE EXCEPTION 'audit events are never changed'; END $$`}
	}
	return []string{
		`DROP TRIGGER audit_events_no_delete`,
		`CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
			BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END`,
	}
}
