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
	},
		// The indexes of ReadAll, which no chain's list needs. They lack the id, because each event
		// costs their size and few have the same time.
		migrate.One("202611291110_audit_events_by_time", `CREATE INDEX audit_events_by_time ON audit_events (occurred_at)`, `DROP INDEX audit_events_by_time`),
		migrate.One("202611291111_audit_events_by_actor_and_time", `CREATE INDEX audit_events_by_actor_and_time ON audit_events (actor_user_id, occurred_at)
			WHERE actor_user_id IS NOT NULL`, `DROP INDEX audit_events_by_actor_and_time`),
		migrate.One("202611291112_audit_events_by_user_and_time", `CREATE INDEX audit_events_by_user_and_time ON audit_events (user_id, occurred_at)
			WHERE user_id IS NOT NULL`, `DROP INDEX audit_events_by_user_and_time`),
		// Roll back only before anybody was erased: the version before would report erased
		// events as changed by an attacker.
		{ID: "202611301000_audit_erasures", Up: erasable, Down: dropErasable},
		{ID: "202611301001_audit_erasures_allowed", Up: guardButErasures, Down: dropGuardButErasures},
		{ID: "202611301002_audit_guard_against_all", Up: dropGuardAgainstAll, Down: guardAgainstAll},
	}
}

// appendOnly makes the database refuse to change or delete events.
func appendOnly(driver database.Driver) []string {
	if driver == database.Postgres {
		return append([]string{`CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
				BEGIN RAISE EXCEPTION 'audit events are never changed'; END $$`}, guardAgainstAll(driver)...)
	}
	return append(guardAgainstAll(driver), `CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
			BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END`)
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

// isErasure is the condition of a trigger that an update erases parts of an event, and changes
// nothing else of it.
//
// mutant: event-erasure
const isErasure = `NEW.chain_id = OLD.chain_id AND NEW.sequence = OLD.sequence AND NEW.id = OLD.id AND NEW.occurred_at = OLD.occurred_at
	AND NEW.action = OLD.action AND NEW.organization_id IS NOT DISTINCT FROM OLD.organization_id AND NEW.user_id IS NOT DISTINCT FROM OLD.user_id
	AND NEW.actor_user_id IS NOT DISTINCT FROM OLD.actor_user_id AND NEW.actor_role = OLD.actor_role
	AND NEW.session_id IS NOT DISTINCT FROM OLD.session_id AND NEW.request_id = OLD.request_id AND NEW.hash = OLD.hash
	AND (NEW.address = OLD.address AND NEW.client = OLD.client OR NEW.address = 'erased' AND NEW.client = '')
	AND (NEW.details = OLD.details OR NEW.details = '{"erased":"true"}')`

// erasable creates the function of the trigger on PostgreSQL. The former one stays: to create it
// again, a roll-back would need a privilege that the owner of the tables may lack.
func erasable(driver database.Driver) []string {
	if driver != database.Postgres {
		return nil
	}
	// mutant: event-deletion-postgres
	return []string{`CREATE FUNCTION audit_events_append_or_erase() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM audit_chains c WHERE c.id = OLD.chain_id AND c.first_sequence > OLD.sequence) THEN
				RETURN OLD;
			END IF;
			IF TG_OP = 'UPDATE' AND (` + isErasure + `) THEN
				RETURN NEW;
			END IF;
			RAISE EXCEPTION 'audit events are never changed';
		END $$`}
}

func dropErasable(driver database.Driver) []string {
	if driver != database.Postgres {
		return nil
	}
	return []string{`DROP FUNCTION audit_events_append_or_erase()`}
}

// guardButErasures guards events against all changes but those of isErasure and, on PostgreSQL,
// deletableOnceGivenUp. Until dropGuardAgainstAll, the former guard still refuses erasures.
func guardButErasures(driver database.Driver) []string {
	if driver == database.Postgres {
		return []string{`CREATE TRIGGER audit_events_append_or_erase BEFORE UPDATE OR DELETE ON audit_events
			FOR EACH ROW EXECUTE FUNCTION audit_events_append_or_erase()`}
	}
	return []string{`CREATE TRIGGER audit_events_only_erased BEFORE UPDATE ON audit_events
		WHEN NOT (` + isErasure + `)
		BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END`}
}

func dropGuardButErasures(driver database.Driver) []string {
	if driver == database.Postgres {
		return []string{`DROP TRIGGER audit_events_append_or_erase ON audit_events`}
	}
	return []string{`DROP TRIGGER audit_events_only_erased`}
}

func dropGuardAgainstAll(driver database.Driver) []string {
	if driver == database.Postgres {
		return []string{`DROP TRIGGER audit_events_append_only ON audit_events`}
	}
	return []string{`DROP TRIGGER audit_events_no_update`}
}

// guardAgainstAll guards events against changes and, on PostgreSQL, deletions.
func guardAgainstAll(driver database.Driver) []string {
	if driver == database.Postgres {
		return []string{`CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
				FOR EACH ROW EXECUTE FUNCTION audit_events_append_only()`}
	}
	return []string{`CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events
			BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END`}
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
