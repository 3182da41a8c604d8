package revocation

import (
	"context"
	"fmt"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
	"guildhall/platform/schema"
)

// Name is the name of this package's migrations.
const Name = "revocation"

// Migrations returns the migrations of the table. It has no foreign keys, because marks
// outlive the rows that they are about.
func Migrations() []migrate.Migration {
	return []migrate.Migration{
		migrate.One("202611292200_revocation_marks", `CREATE TABLE revocations (
			id uuid NOT NULL PRIMARY KEY,
			at timestamptz NOT NULL,
			session_id uuid,
			user_id uuid,
			organization_id uuid
		)`, `DROP TABLE revocations`),
		migrate.One("202611292201_revocation_by_time", `CREATE INDEX revocations_by_time ON revocations (at)`, `DROP INDEX revocations_by_time`),
		{
			ID: "202611292202_revocation_row_security",
			Up: func(driver database.Driver) []string {
				return database.TenantPolicy(driver, "revocations", "organization_id = "+database.TenantOrganization)
			},
			Down: func(driver database.Driver) []string {
				if driver != database.Postgres {
					return nil
				}
				return []string{"DROP POLICY tenant ON revocations"}
			},
		},
	}
}

// Tables declares the table of this package.
func (f *Feed) Tables() []schema.Table {
	return []schema.Table{{
		Name: "revocations", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Unread(), Tenants: schema.Isolated(),
		Archive:    schema.NotExported("they are about the tokens of this server"),
		Erasure:    schema.Remains("it has only ids, and is swept when the tokens have expired"),
		Copy:       schema.NotCopied("activity says which sessions ended"),
		Retention:  schema.Swept("revocations", "a minute after the last token that they are about has expired", f.sweep),
		Sample:     schema.NoSample("the sample data has no tokens"),
		Invariants: schema.ByConstraints(),
	}}
}

const sweepBatch = 1000

// sweep deletes a batch of the marks that do not matter any more.
func (f *Feed) sweep(ctx context.Context) (swept int64, err error) {
	err = f.db.InTx(ctx, func(ctx context.Context) error {
		swept, err = f.db.Exec(ctx, "DELETE FROM revocations WHERE id IN (SELECT id FROM revocations WHERE at < ? ORDER BY at LIMIT ?)", f.now().Add(-f.kept()), sweepBatch) // mutant: revocation-retention
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete revocations: %w", err)
	}
	return swept, nil
}
