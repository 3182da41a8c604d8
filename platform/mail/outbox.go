package mail

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// The states of a mail. Only a pending one is sent; only pending and kept ones have a
// payload.
const (
	pending    = "pending"
	sent       = "sent"
	failed     = "failed"     // refused for good, or too late
	suppressed = "suppressed" // an earlier mail to the address was refused for good
	kept       = "kept"       // in the development mailbox
	decoy      = "decoy"
)

// canonical is the form of an address by which it is suppressed.
func canonical(address string) string { return strings.ToLower(address) }

// insert stores a mail. A suppressed address costs the same.
func (o *Outbox) insert(ctx context.Context, id uuid.UUID, state string, m Mail, payload string, now time.Time) error {
	recipient := any(m.To)
	if m.To == "" {
		recipient = nil
	}
	db := o.db
	return db.Queue(ctx, `INSERT INTO mail_outbox (id, recipient, kind, locale, payload, state, created_at, not_after, next_at, attempts)
		SELECT k.id, k.recipient, k.kind, k.locale, CASE WHEN x.address IS NULL THEN k.payload END,
			CASE WHEN x.address IS NULL THEN k.state ELSE '`+suppressed+`' END, k.now, k.not_after, k.now, 0
		FROM (SELECT `+db.Param("uuid")+` AS id, `+db.Param("text")+` AS recipient, `+db.Param("text")+` AS address, `+db.Param("text")+` AS kind, `+
		db.Param("text")+` AS locale, `+db.Param("text")+` AS payload, `+db.Param("text")+` AS state, `+
		db.Param("timestamptz")+` AS now, `+db.Param("timestamptz")+` AS not_after) k
		LEFT JOIN mail_suppressions x ON x.address = k.address`,
		id, recipient, canonical(m.To), string(m.Kind), m.Locale, payload, state, now, m.NotAfter)
}

// claimed is a mail that this worker has leased.
type claimed struct {
	id                uuid.UUID
	recipient, locale string
	kind              Kind
	payload           *string
	created, notAfter time.Time
	attempts          int
	lease             uuid.UUID
	leasedUntil       time.Time
}

// claim leases up to n mails that are due. If the process dies, they come due again when
// the lease ends: that is their next attempt.
func (o *Outbox) claim(ctx context.Context, n int) (list []claimed, err error) {
	ctx = database.ForAll(ctx)
	now := o.now()
	lease, until := uuid.New(), now.Add(leaseTime)
	err = o.db.InTx(ctx, func(ctx context.Context) error {
		skip := ""
		if lock := o.db.ForUpdate(); lock != "" {
			skip = lock + " SKIP LOCKED" // other replicas take other mails
		}
		// mutant: mail-lease
		rows, err := o.db.Rows(database.OnPrimary(ctx), `UPDATE mail_outbox SET lease = ?, next_at = ?, attempts = attempts + 1
			WHERE id IN (SELECT id FROM mail_outbox WHERE state = '`+pending+`' AND next_at <= ? ORDER BY next_at LIMIT ?`+skip+`)
			RETURNING id, recipient, kind, locale, payload, created_at, not_after, attempts`, lease, until, now, n)
		if err != nil {
			return err
		}
		list, err = database.Collect(rows, func(scan func(...any) error) (c claimed, err error) {
			c.lease, c.leasedUntil = lease, until
			return c, scan(&c.id, &c.recipient, &c.kind, &c.locale, &c.payload, &c.created, &c.notAfter, &c.attempts)
		})
		return err
	})
	return list, err
}

// finish records that a mail was sent or failed for good, and deletes its content.
func (o *Outbox) finish(ctx context.Context, c claimed, state, code string) error {
	return o.settle(ctx, `UPDATE mail_outbox SET state = ?, last_code = ?, payload = NULL, lease = NULL WHERE id = ? AND lease = ?`,
		state, code, c.id, c.lease)
}

// postpone records a failed attempt after which another one follows.
func (o *Outbox) postpone(ctx context.Context, c claimed, next time.Time, code string) error {
	return o.settle(ctx, `UPDATE mail_outbox SET next_at = ?, last_code = ?, lease = NULL WHERE id = ? AND lease = ?`, next, code, c.id, c.lease)
}

// giveBack makes a mail due again that was not tried.
func (o *Outbox) giveBack(ctx context.Context, c claimed) error {
	return o.settle(ctx, `UPDATE mail_outbox SET next_at = ?, attempts = attempts - 1, lease = NULL WHERE id = ? AND lease = ?`, o.now(), c.id, c.lease) // mutant: mail-given-back
}

// settle writes only while this worker has the lease.
func (o *Outbox) settle(ctx context.Context, statement string, args ...any) error {
	return o.db.InTx(database.ForAll(ctx), func(ctx context.Context) error {
		_, err := o.db.Exec(ctx, statement, args...)
		return err
	})
}

// suppress ends all mail to an address that the server refused for good.
func (o *Outbox) suppress(ctx context.Context, address, code string) error {
	return o.db.InTx(database.ForAll(ctx), func(ctx context.Context) error {
		_, err := o.db.Exec(ctx, `INSERT INTO mail_suppressions (address, code, created_at) VALUES (?, ?, ?) ON CONFLICT (address) DO NOTHING`,
			canonical(address), code, o.now())
		return err
	})
}
