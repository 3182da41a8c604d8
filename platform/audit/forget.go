package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// How many events of a chain are forgotten in one transaction, in which nothing
// is added to it, and how many chains are looked for at once.
const (
	forgetBatch = 200
	chainBatch  = 100
)

// candidate is a chain that may have something to forget. No event that is kept
// of it is older than oldestAt: that is when its first was written, or when it was
// found empty, or too early where nobody has looked yet.
type candidate struct {
	chainID  uuid.UUID
	oldestAt time.Time
}

// candidates finds some by an index of the chains, behind one: one of the events
// would cost every event.
func (t *Trail) candidates(ctx context.Context, before time.Time, behind candidate) ([]candidate, error) {
	rows, err := t.db.Conn(ctx).Raw(`SELECT id, oldest_at FROM audit_chains WHERE oldest_at < ? AND (oldest_at, id) > (?, ?)
		ORDER BY oldest_at, id LIMIT ?`, before, behind.oldestAt, behind.chainID, chainBatch).Rows()
	if err != nil {
		return nil, fmt.Errorf("find old audit events: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (c candidate, err error) {
		err = scan(&c.chainID, &c.oldestAt)
		c.oldestAt = c.oldestAt.UTC()
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("find old audit events: %w", err)
	}
	return list, nil
}

// forgetAll forgets what is too old in one chain, a batch after the other.
func (t *Trail) forgetAll(ctx context.Context, chainID uuid.UUID, before time.Time) (forgotten int64, err error) {
	for {
		var n int64
		err := t.db.InTx(ctx, func(ctx context.Context) (err error) {
			n, err = t.forget(ctx, chainID, before)
			return err
		})
		if err != nil {
			return forgotten, fmt.Errorf("forget events of chain %s: %w", chainID, err)
		}
		forgotten += n
		if n < forgetBatch {
			return forgotten, nil
		}
	}
}

// forget takes away a chain's oldest events up to the first that is to be kept,
// or a batch of them: first the head gives them up, then they are deleted.
func (t *Trail) forget(ctx context.Context, chainID uuid.UUID, before time.Time) (forgotten int64, err error) {
	h, err := t.lock(ctx, chainID)
	if err != nil {
		return 0, err
	}
	conn := t.db.Conn(ctx)
	var events []entry
	err = conn.Where("chain_id = ? AND sequence >= ?", chainID, h.firstSequence).Order("sequence").Limit(forgetBatch + 1).Find(&events).Error
	if err != nil {
		return 0, err
	}
	last, oldestAt := h.forgotten(), t.now()
	for i, x := range events {
		if err := x.follows(last); err != nil { // mutant: forgotten-events-verified
			return 0, fmt.Errorf("%w: %w", errBroken, err)
		}
		if i == forgetBatch || !x.OccurredAt.Before(before) { // mutant: forget-batch
			oldestAt = x.OccurredAt
			break
		}
		last = link{x.Sequence, x.Hash}
	}
	forgotten = last.sequence - h.forgotten().sequence
	if forgotten == int64(len(events)) { // none is kept
		if err := h.endsWith(last); err != nil {
			return 0, fmt.Errorf("%w: %w", errBroken, err)
		}
	}
	err = conn.Exec("UPDATE audit_chains SET first_sequence = ?, first_hash = ?, oldest_at = ? WHERE id = ?",
		last.sequence+1, last.hash, oldestAt.UTC(), chainID).Error
	if err != nil || forgotten == 0 {
		return 0, err
	}
	r := conn.Exec("DELETE FROM audit_events WHERE chain_id = ? AND sequence >= ? AND sequence <= ?", chainID, h.firstSequence, last.sequence)
	if r.Error == nil && r.RowsAffected != forgotten {
		return 0, fmt.Errorf("%d of %d were deleted", r.RowsAffected, forgotten)
	}
	return forgotten, r.Error
}
