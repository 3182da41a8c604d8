package mail

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// Try sends a test mail now, in the way that all mails go. Its error is a *DeliveryError
// that names the stage at which the delivery failed.
func (o *Outbox) Try(ctx context.Context, to, locale string) error {
	now := o.now()
	data := Data{At: now, Expires: now}
	if o.options.Transport != SMTP {
		return o.Send(ctx, Mail{To: to, Kind: Test, Locale: locale, Data: data, NotAfter: now.Add(time.Hour)})
	}
	id := uuid.Must(uuid.NewV7())
	payload, err := o.seal(id, data)
	if err != nil {
		return err
	}
	message, err := o.compose(claimed{id: id, recipient: to, kind: Test, locale: locale, payload: &payload, created: now})
	if err != nil {
		return err
	}
	c, err := o.options.Server.dial(ctx, o.from)
	if err != nil {
		return err
	}
	defer c.close()
	return c.send(message)
}

// Queue is the state of the outbox.
type Queue struct {
	Pending    int64      `json:"pending"`
	Failed     int64      `json:"failed"`     // in the last 14 days
	Suppressed int64      `json:"suppressed"` // addresses to which nothing is sent
	Oldest     *time.Time `json:"oldest"`     // when the oldest pending mail was written
	Troubled   []Troubled `json:"troubled"`   // pending mails whose last attempt failed, and failed mails; the newest 50
}

const mostTroubled = 50

// Troubled is a mail that could not be sent, or not yet.
type Troubled struct {
	ID        uuid.UUID `json:"id"`
	Recipient string    `json:"recipient"`
	Kind      Kind      `json:"kind"`
	State     string    `json:"state"`
	Attempts  int       `json:"attempts"`
	Problem   string    `json:"problem"`
	CreatedAt time.Time `json:"created_at"`
	NextAt    time.Time `json:"next_at"`
}

// State returns the state of the outbox.
func (o *Outbox) State(ctx context.Context) (q Queue, err error) {
	ctx = database.ForAll(ctx)
	if q.Pending, q.Oldest, err = o.due(ctx); err != nil {
		return q, fmt.Errorf("read the outbox: %w", err)
	}
	for into, query := range map[*int64]string{
		&q.Failed:     "SELECT COUNT(*) FROM mail_outbox WHERE state = '" + failed + "'",
		&q.Suppressed: "SELECT COUNT(*) FROM mail_suppressions",
	} {
		if err := o.db.Row(ctx, query).Scan(into); err != nil {
			return q, fmt.Errorf("read the outbox: %w", err)
		}
	}
	for _, which := range []string{"'" + failed + "'", "'" + pending + "' AND last_code IS NOT NULL"} {
		some, err := o.troubled(ctx, which)
		if err != nil {
			return q, fmt.Errorf("read the outbox: %w", err)
		}
		q.Troubled = append(q.Troubled, some...)
	}
	slices.SortStableFunc(q.Troubled, func(a, b Troubled) int { return b.CreatedAt.Compare(a.CreatedAt) })
	q.Troubled = q.Troubled[:min(mostTroubled, len(q.Troubled))]
	return q, nil
}

// troubled returns the newest mails in a state.
func (o *Outbox) troubled(ctx context.Context, state string) ([]Troubled, error) {
	rows, err := o.db.Rows(ctx, `SELECT id, recipient, kind, state, attempts, COALESCE(last_code, ''), created_at, next_at FROM mail_outbox
		WHERE state = `+state+` ORDER BY created_at DESC LIMIT ?`, mostTroubled)
	if err != nil {
		return nil, err
	}
	return database.Collect(rows, func(scan func(...any) error) (m Troubled, err error) {
		err = scan(&m.ID, &m.Recipient, &m.Kind, &m.State, &m.Attempts, &m.Problem, &m.CreatedAt, &m.NextAt)
		m.CreatedAt, m.NextAt = m.CreatedAt.UTC(), m.NextAt.UTC()
		return m, err
	})
}

// Waiting returns how many mails are pending, and the age of the oldest.
func (o *Outbox) Waiting(ctx context.Context) (n int64, age time.Duration, err error) {
	n, oldest, err := o.due(database.ForAll(ctx))
	if oldest != nil {
		age = o.now().Sub(*oldest)
	}
	return n, age, err
}

// due returns how many mails are pending, and since when.
func (o *Outbox) due(ctx context.Context) (n int64, oldest *time.Time, err error) {
	if err := o.db.Row(ctx, "SELECT COUNT(*) FROM mail_outbox WHERE state = '"+pending+"'").Scan(&n); err != nil || n == 0 {
		return n, nil, err
	}
	var at time.Time
	err = o.db.Row(ctx, "SELECT created_at FROM mail_outbox WHERE state = '"+pending+"' ORDER BY created_at LIMIT 1").Scan(&at)
	if database.IsNotFound(err) {
		return 0, nil, nil
	}
	at = at.UTC()
	return n, &at, err
}

// Allow sends mail to an address again that a server refused. It reports whether the
// address was suppressed.
func (o *Outbox) Allow(ctx context.Context, address string) (was bool, err error) {
	err = o.db.InTx(database.ForAll(ctx), func(ctx context.Context) error {
		n, err := o.db.Exec(ctx, "DELETE FROM mail_suppressions WHERE address = ?", canonical(address))
		was = n > 0
		return err
	})
	return was, err
}
