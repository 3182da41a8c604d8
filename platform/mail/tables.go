package mail

import (
	"context"
	"time"

	"guildhall/platform/migrate"
	"guildhall/platform/schema"
)

// Name is the name of this package's migrations.
const Name = "mail"

// retention is how long the outbox keeps what became of a mail, without its content.
const retention = 14 * 24 * time.Hour

const sweepBatch = 1000

// Migrations returns the migrations of the outbox's tables.
func Migrations() []migrate.Migration {
	return []migrate.Migration{
		migrate.One("202611290300_mail_outbox", `CREATE TABLE mail_outbox (
			id uuid NOT NULL PRIMARY KEY,
			recipient text,
			kind text NOT NULL,
			locale text NOT NULL,
			payload text,
			state text NOT NULL CONSTRAINT mail_outbox_state_known
				CHECK (state IN ('pending', 'sent', 'failed', 'suppressed', 'kept', 'decoy')),
			created_at timestamptz NOT NULL,
			not_after timestamptz NOT NULL,
			next_at timestamptz NOT NULL,
			attempts bigint NOT NULL,
			lease uuid,
			last_code text,
			CONSTRAINT mail_outbox_recipient_known CHECK ((recipient IS NULL) = (state = 'decoy'))
		)`, `DROP TABLE mail_outbox`),
		migrate.One("202611290301_mail_outbox_due", `CREATE INDEX mail_outbox_due ON mail_outbox (next_at) WHERE state = 'pending'`, `DROP INDEX mail_outbox_due`),
		migrate.One("202611290302_mail_outbox_by_age", `CREATE INDEX mail_outbox_by_age ON mail_outbox (created_at)`, `DROP INDEX mail_outbox_by_age`),
		migrate.One("202611290303_mail_suppressions", `CREATE TABLE mail_suppressions (
			address text NOT NULL PRIMARY KEY,
			code text NOT NULL,
			created_at timestamptz NOT NULL
		)`, `DROP TABLE mail_suppressions`),
		migrate.One("202611290304_mail_outbox_by_state", `CREATE INDEX mail_outbox_by_state ON mail_outbox (state, created_at)`, `DROP INDEX mail_outbox_by_state`),
	}
}

// Tables declares the tables of this package.
func (o *Outbox) Tables() []schema.Table {
	return []schema.Table{{
		Name: "mail_outbox", Owner: schema.Unowned("a mail may go to somebody without an account"), Standing: schema.Unread(),
		Tenants: schema.Shared("workers send the mails of all organizations; contents are encrypted"),
		Archive: schema.NotExported("another server must not send the mails again"),
		Erasure: schema.RowsGo("mail_outbox", "lower(recipient) = "+schema.OwnAddress+" OR state <> 'pending' AND lower(recipient) = "+schema.Address),
		Copy: schema.Copied("mails", "lower(recipient) = "+schema.OwnAddress, "kind", "locale", "state", "created_at", "attempts").
			Omitting("the content is encrypted until it is sent, and then deleted; the rest is how it is sent", "id", "recipient", "payload", "not_after", "next_at", "lease", "last_code"),
		Retention: schema.Swept("mails", "14 days after they were written", o.sweep),
		Sample:    schema.NoSample("the sample data sends no mail"),
		Invariants: schema.Require(schema.Invariant{
			Name:   "I15 the content of a mail that was sent is deleted",
			Query:  `SELECT id FROM mail_outbox WHERE payload IS NOT NULL AND state NOT IN ('pending', 'kept', 'decoy')`,
			Remedy: "UPDATE mail_outbox SET payload = NULL WHERE state IN ('sent', 'failed', 'suppressed')",
		}),
	}, {
		Name: "mail_suppressions", Owner: schema.Unowned("an address may have no account"), Standing: schema.Unread(),
		Tenants:    schema.Shared("an address is undeliverable for all organizations"),
		Archive:    schema.NotExported("another server may deliver what this one can't"),
		Erasure:    schema.RowsGo("mail_suppressions", "address = "+schema.Address),
		Copy:       schema.Copied("undeliverable", "address = "+schema.OwnAddress, "address", "code", "created_at"),
		Retention:  schema.Kept("until `guildhall mail allow ADDRESS`"),
		Sample:     schema.NoSample("the sample data sends no mail"),
		Invariants: schema.ByConstraints(),
	}}
}

// sweep deletes one batch of old mails. None of them is pending: not_after is earlier.
func (o *Outbox) sweep(ctx context.Context) (rows int64, err error) {
	err = o.db.InTx(ctx, func(ctx context.Context) error {
		rows, err = o.db.Exec(ctx, `DELETE FROM mail_outbox WHERE id IN (
			SELECT id FROM mail_outbox WHERE created_at < ? ORDER BY created_at LIMIT ?)`, o.now().Add(-retention), sweepBatch)
		return err
	})
	return rows, err
}
