package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"guildhall/platform/database"
)

// Retention deletes the events that are older than it. The head of each chain records
// where the stored part begins, so that it can still be verified. The database refuses to
// delete any event of that part.
type Retention struct {
	trail *Trail
	keep  time.Duration
}

// NewRetention returns a Retention. One of 0 keeps all events forever.
func NewRetention(t *Trail, keep time.Duration) *Retention { return &Retention{trail: t, keep: keep} }

// Check refuses a retention if the database role may not delete events.
func (r *Retention) Check(ctx context.Context) error {
	if r.keep == 0 || r.trail.db.Driver() != database.Postgres {
		return nil
	}
	var may bool
	if err := r.trail.db.Row(ctx, "SELECT has_table_privilege('audit_events', 'DELETE')").Scan(&may); err != nil {
		return fmt.Errorf("check the privilege to delete audit events: %w", err)
	}
	if !may {
		return errors.New("AUDIT_RETENTION_DAYS is set, but the role in DATABASE_URL may not delete audit events: set it to 0 here, and run `guildhall sweep` with the retention as the owner of the tables")
	}
	return nil
}

// errBroken is returned for a broken chain. None of its events are deleted, so that the
// damage can still be investigated.
var errBroken = errors.New("the chain is broken, so no events of it are deleted")

// Sweep deletes the old events of every chain. It skips broken chains; the error names the
// first of them.
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
			n, err := r.trail.pruneChain(ctx, at.chainID, before)
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
