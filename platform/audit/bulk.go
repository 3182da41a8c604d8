package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// Bulk records the events of an import, thousands at once.
type Bulk struct {
	trail          *Trail
	chains, events database.Table
}

// Bulk returns a Bulk. The tables are those of the database.
func (t *Trail) Bulk(tables map[string]database.Table) (*Bulk, error) {
	chains, err := tables["audit_chains"].Only("id", "sequence", "hash", "oldest_at")
	if err != nil {
		return nil, err
	}
	events, err := tables["audit_events"].Only("chain_id", "sequence", "id", "occurred_at", "action", "organization_id", "user_id", "actor_user_id", "actor_role",
		"session_id", "address", "client", "request_id", "details", "hash")
	return &Bulk{t, chains, events}, err
}

// Record writes events in the context's transaction. Those of one chain stay in their order.
func (b *Bulk) Record(ctx context.Context, events []Event) error {
	chains := map[uuid.UUID][]*entry{}
	for _, e := range events {
		x, err := b.trail.entryOf(ctx, e)
		if err != nil {
			return err
		}
		chains[x.ChainID] = append(chains[x.ChainID], x)
	}
	ids := make([]uuid.UUID, 0, len(chains))
	for id := range chains {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	heads, err := b.heads(ctx, ids, chains)
	if err != nil {
		return fmt.Errorf("write audit events: %w", err)
	}
	var begun, continued, rows [][]any
	for _, id := range ids {
		last := heads[id]
		for _, x := range chains[id] {
			x.Sequence = last.sequence + 1
			x.Hash = x.hash(last.hash)
			last = link{x.Sequence, x.Hash}
			rows = append(rows, x.row())
		}
		head := []any{id.String(), last.sequence, last.hash, chains[id][0].OccurredAt}
		if chains[id][0].first {
			begun = append(begun, head)
		} else {
			continued = append(continued, head)
		}
	}
	if err := b.trail.revoke(ctx, events...); err != nil { // mutant: bulk-revocations
		return err
	}
	if err := b.trail.db.InsertAll(ctx, b.chains, begun); err != nil {
		return err
	}
	if err := b.trail.db.Upsert(ctx, b.chains, continued, "sequence", "hash"); err != nil {
		return err
	}
	b.trail.db.AfterCommit(ctx, func() {
		for _, e := range events {
			b.trail.recorded(e.Action)
		}
	})
	return b.trail.db.InsertAll(ctx, b.events, rows)
}

// Lock locks the heads of chains until the transaction ends. Nobody else adds an event to one
// of them meanwhile.
func (b *Bulk) Lock(ctx context.Context, ids []uuid.UUID) error {
	_, err := b.locked(ctx, ids)
	if err != nil {
		return fmt.Errorf("lock audit chains: %w", err)
	}
	return nil
}

// heads locks the heads of the chains that exist, in the order of their ids, as append does.
func (b *Bulk) heads(ctx context.Context, ids []uuid.UUID, chains map[uuid.UUID][]*entry) (map[uuid.UUID]link, error) {
	var existing []uuid.UUID
	for _, id := range ids {
		if !chains[id][0].first {
			existing = append(existing, id)
		}
	}
	heads, err := b.locked(ctx, existing)
	if err != nil {
		return nil, err
	}
	for _, id := range existing {
		if _, found := heads[id]; found {
			continue
		}
		h, err := b.trail.begin(ctx, id, chains[id][0].OccurredAt)
		if err != nil {
			return nil, err
		}
		heads[id] = h.last
	}
	return heads, nil
}

// locked locks and returns the heads of the chains that exist, in the order of their ids.
func (b *Bulk) locked(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]link, error) {
	heads := map[uuid.UUID]link{}
	if len(ids) == 0 {
		return heads, nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	db := b.trail.db
	rows, err := db.Rows(ctx, "SELECT id, sequence, hash FROM audit_chains WHERE "+db.Among("id", "uuid")+" ORDER BY id"+db.ForUpdate(), string(list))
	if err != nil {
		return nil, err
	}
	_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		var id uuid.UUID
		var last link
		err = scan(&id, &last.sequence, &last.hash)
		heads[id] = last
		return none, err
	})
	return heads, err
}

// row returns the values of an event's columns, in the order of Bulk.events.
func (x *entry) row() []any {
	return []any{
		x.ChainID.String(), x.Sequence, x.ID.String(), x.OccurredAt, string(x.Action), orNil(x.OrganizationID), orNil(x.UserID), orNil(x.ActorUserID), x.ActorRole,
		orNil(x.SessionID), x.Address, x.Client, x.RequestID, x.Details, x.Hash,
	}
}

func orNil(id uuid.NullUUID) any {
	if !id.Valid {
		return nil
	}
	return id.UUID.String()
}
