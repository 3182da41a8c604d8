package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// pruneBatch is how many events of a chain are deleted in one transaction, which blocks
// new events in the chain. chainBatch is how many chains are looked up at once.
const (
	pruneBatch = 200
	chainBatch = 100
)

// candidate is a chain that may have events to delete. No event of the chain is older
// than oldestAt: the time of its first event, the time at which the chain was found
// empty, or an earlier time if no sweep has looked at the chain yet.
type candidate struct {
	chainID  uuid.UUID
	oldestAt time.Time
}

// candidates returns a batch of candidates after the given one. It uses an index on the
// chains; an index on the events would cost something for every event.
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

// pruneChain deletes the old events of one chain, in batches.
func (t *Trail) pruneChain(ctx context.Context, chainID uuid.UUID, before time.Time) (forgotten int64, err error) {
	for {
		var n int64
		err := t.db.InTx(ctx, func(ctx context.Context) (err error) {
			n, err = t.prune(ctx, chainID, before)
			return err
		})
		if err != nil {
			return forgotten, fmt.Errorf("delete old events of chain %s: %w", chainID, err)
		}
		forgotten += n
		if n < pruneBatch {
			return forgotten, nil
		}
	}
}

// prune deletes a batch of the chain's events that are older than a time. It first moves
// the head's first sequence number past them, because the database refuses to delete
// events from there on.
func (t *Trail) prune(ctx context.Context, chainID uuid.UUID, before time.Time) (forgotten int64, err error) {
	h, err := t.lock(ctx, chainID)
	if err != nil {
		return 0, err
	}
	conn := t.db.Conn(ctx)
	var events []entry
	err = conn.Where("chain_id = ? AND sequence >= ?", chainID, h.firstSequence).Order("sequence").Limit(pruneBatch + 1).Find(&events).Error
	if err != nil {
		return 0, err
	}
	last, oldestAt := h.forgotten(), t.now()
	for i, x := range events {
		if err := x.follows(last); err != nil { // mutant: forgotten-events-verified
			return 0, fmt.Errorf("%w: %w", errBroken, err)
		}
		if i == pruneBatch || !x.OccurredAt.Before(before) { // mutant: forget-batch
			oldestAt = x.OccurredAt
			break
		}
		last = link{x.Sequence, x.Hash}
	}
	forgotten = last.sequence - h.forgotten().sequence
	if forgotten == int64(len(events)) { // the chain becomes empty
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
