package transfer

import (
	"time"

	"github.com/google/uuid"

	"guildhall/platform/audit"
)

// chain is the state of the audit chain as far as it has been read.
type chain struct {
	sequence int64
	hash     string
	oldestAt time.Time // the time of the oldest event in the archive
	erasures audit.Erasures
}

// beginChain continues after the events that retention has deleted. The first event's
// hash covers both values. If the chain has lost all its events, nothing covers them;
// and early events that were removed look like deleted ones, as they do to `guildhall
// audit verify`.
func (r *reading) beginChain(e entry) error {
	first, hash := e.value("first_sequence").(int64), e.text("first_hash")
	switch {
	case first == 0:
		return wrong("first_sequence: must be a whole number from 1")
	case (first == 1) != (hash == ""):
		return wrong("first_hash: must be null where first_sequence is 1, and only there")
	}
	r.chain.sequence, r.chain.hash = first-1, hash // mutant: archive-chain-start
	return nil
}

// link verifies that an event is unchanged and follows the previous one.
func (r *reading) link(e entry) error {
	recorded := audit.Recorded{
		Sequence: e.value("sequence").(int64), ID: e.id("id"), OccurredAt: e.value("occurred_at").(time.Time),
		Action: audit.Action(e.text("action")), OrganizationID: audit.In(r.organizationID),
		UserID: maybe(e.id("user_id")), ActorUserID: maybe(e.id("actor_user_id")), ActorRole: e.text("actor_role"),
		SessionID: maybe(e.id("session_id")), Address: e.text("address"), Client: e.text("client"), RequestID: e.text("request_id"),
		Details: e.text("details"), Hash: e.text("hash"),
	}
	if err := recorded.CheckAfter(r.organizationID, r.chain.sequence, r.chain.hash); err != nil { // mutant: archive-chain
		return wrong("%v", err)
	}
	if err := r.chain.erasures.Add(r.organizationID, recorded); err != nil {
		return wrong("%v", err)
	}
	if r.count(eventLine) == 1 {
		r.chain.oldestAt = recorded.OccurredAt
	}
	r.chain.sequence, r.chain.hash = recorded.Sequence, recorded.Hash
	return nil
}

func maybe(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: id != uuid.Nil} }
