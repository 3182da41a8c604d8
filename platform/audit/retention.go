package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"guildhall/platform/database"
)

// Retention forgets the events that are older than it. The head of each chain
// says where the part that is kept begins, so that it can still be verified, and
// the database deletes nothing but what a head has given up.
type Retention struct {
	trail *Trail
	keep  time.Duration
}

// NewRetention returns a Retention; one of 0 keeps everything for ever.
func NewRetention(t *Trail, keep time.Duration) *Retention { return &Retention{trail: t, keep: keep} }

// Check refuses a retention that the role of the database may not carry out.
func (r *Retention) Check(ctx context.Context) error {
	if r.keep == 0 || r.trail.db.Driver() != database.Postgres {
		return nil
	}
	var may bool
	if err := r.trail.db.Row(ctx, "SELECT has_table_privilege('audit_events', 'DELETE')").Scan(&may); err != nil {
		return fmt.Errorf("look at the right to delete audit events: %w", err)
	}
	if !may {
		return errors.New("AUDIT_RETENTION_DAYS is set, but the role in DATABASE_URL may not delete audit events: leave it 0 here and run `guildhall sweep` with it as the tables' owner")
	}
	return nil
}

// errBroken is that of a chain of which nothing is forgotten, so that what was
// done to it can still be looked into.
var errBroken = errors.New("a broken chain is kept as it is")

// Sweep forgets what is too old in every chain. Broken ones are passed over; the
// error names the first.
func (r *Retention) Sweep(ctx context.Context) (forgotten int64, err error) {
	if r.keep == 0 {
		return 0, nil
	}
	var broken error
	var at candidate
	before := r.trail.now().Add(-r.keep)
	for {
		list, err := r.trail.candidates(ctx, before, at)
		if err != nil {
			return forgotten, err
		}
		if len(list) == 0 {
			return forgotten, broken
		}
		for _, at = range list {
			n, err := r.trail.forgetAll(ctx, at.chainID, before)
			forgotten += n
			switch {
			case errors.Is(err, errBroken):
				broken = cmp.Or(broken, err)
			case err != nil:
				return forgotten, err
			}
		}
	}
}
