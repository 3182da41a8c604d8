package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// link is what the next event needs of an event.
type link struct {
	sequence int64
	hash     string
}

// head is the end of a chain and the beginning of its stored part: retention deletes
// older events.
type head struct {
	last          link
	firstSequence int64  // of the first stored event; of the next one if there is none
	firstHash     string // of the event before that
}

// forgotten returns the last deleted event, or a zero link.
func (h head) forgotten() link { return link{h.firstSequence - 1, h.firstHash} }

// endsWith returns an error if the last stored event is not the one of the head.
func (h head) endsWith(at link) error {
	if at != h.last {
		return fmt.Errorf("it ends with event %d, but %d were written", at.sequence, h.last.sequence)
	}
	return nil
}

// lock locks the head of a chain for the rest of the transaction. Adding events and
// deleting them both begin with it.
func (t *Trail) lock(ctx context.Context, chainID uuid.UUID) (h head, err error) {
	// mutant: chain-lock
	err = t.db.Row(database.BypassQueue(ctx), "SELECT sequence, hash, first_sequence, first_hash FROM audit_chains WHERE id = ?"+t.db.ForUpdate(), chainID).
		Scan(&h.last.sequence, &h.last.hash, &h.firstSequence, &h.firstHash)
	return h, err
}

// begin creates the head of a chain, unless another transaction just did, and locks it.
func (t *Trail) begin(ctx context.Context, chainID uuid.UUID, at time.Time) (h head, err error) {
	_, err = t.db.Exec(ctx, "INSERT INTO audit_chains (id, sequence, hash, oldest_at) VALUES (?, 0, '', ?) ON CONFLICT (id) DO NOTHING", chainID, at)
	if err != nil {
		return h, err
	}
	return t.lock(ctx, chainID)
}
