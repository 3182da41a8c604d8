package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// link is an event as the next one refers to it.
type link struct {
	sequence int64
	hash     string
}

// head is where a chain ends, and where the part of it begins that is kept.
type head struct {
	last          link
	firstSequence int64  // of the first event that is kept, or will be
	firstHash     string // of the event before that
}

// forgotten is the last event that is not kept, or none.
func (h head) forgotten() link { return link{h.firstSequence - 1, h.firstHash} }

// endsWith says what is wrong where no event stands behind one.
func (h head) endsWith(at link) error {
	if at != h.last {
		return fmt.Errorf("it ends with event %d, but %d were written", at.sequence, h.last.sequence)
	}
	return nil
}

// lock holds the head of a chain for the rest of the transaction. Whoever adds
// to a chain and whoever forgets of it begins here.
func (t *Trail) lock(ctx context.Context, chainID uuid.UUID) (h head, err error) {
	// mutant: chain-lock
	err = t.db.Row(database.BypassQueue(ctx), "SELECT sequence, hash, first_sequence, first_hash FROM audit_chains WHERE id = ?"+t.db.ForUpdate(), chainID).
		Scan(&h.last.sequence, &h.last.hash, &h.firstSequence, &h.firstHash)
	return h, err
}

// begin makes the head of a chain, if nobody else has by now, and holds it.
func (t *Trail) begin(ctx context.Context, chainID uuid.UUID, at time.Time) (h head, err error) {
	_, err = t.db.Exec(ctx, "INSERT INTO audit_chains (id, sequence, hash, oldest_at) VALUES (?, 0, '', ?) ON CONFLICT (id) DO NOTHING", chainID, at)
	if err != nil {
		return h, err
	}
	return t.lock(ctx, chainID)
}
