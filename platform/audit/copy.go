package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// OwnEvent is an event as the export of a person has it: without the ids of others, and with
// an address and a client only of what the person did.
type OwnEvent struct {
	OccurredAt     time.Time         `json:"occurred_at"`
	Action         Action            `json:"action"`
	OrganizationID *uuid.UUID        `json:"organization_id"`
	ByYou          bool              `json:"by_you"`
	AboutYou       bool              `json:"about_you"`
	SessionID      *uuid.UUID        `json:"session_id"`
	Address        string            `json:"address,omitempty"`
	Client         string            `json:"client,omitempty"`
	Details        map[string]string `json:"details"`
}

// ownDetails are the details that say nothing of another person. Any other one stays out of
// exports.
var ownDetails = map[string]bool{
	"reason": true, "sessions": true, "session_id": true, "kept_session_id": true, "branch_id": true, "organization_id": true,
	"fields": true, "by": true, "operation": true, "code": true, "recovers_at": true, "erased_at": true, "suspended_until": true, "lifted": true, "role": true,
	"provider": true, "method": true,
}

// EachOwn passes on the events that are about a person or that they caused, the newest first.
// It stops when take returns false.
func (t *Trail) EachOwn(ctx context.Context, userID uuid.UUID, take func(OwnEvent) bool) error {
	const page = 500
	for _, f := range []Filter{{User: userID, Limit: page}, {Actor: userID, Limit: page}} {
		for at := Newest; ; {
			events, err := t.ReadAll(ctx, f, at, false)
			if err != nil {
				return err
			}
			for _, e := range events {
				at = Position{e.OccurredAt, e.ID}
				if f.Actor != uuid.Nil && e.UserID.UUID == userID {
					continue // it was among those about the person
				}
				own, err := e.own(userID)
				if err != nil {
					return err
				}
				if !take(own) {
					return nil
				}
			}
			if len(events) < page {
				break
			}
		}
	}
	return nil
}

func (r Recorded) own(userID uuid.UUID) (OwnEvent, error) {
	e := OwnEvent{
		OccurredAt: r.OccurredAt, Action: r.Action,
		ByYou: r.ActorUserID.Valid && r.ActorUserID.UUID == userID, AboutYou: r.UserID.Valid && r.UserID.UUID == userID,
		Details: map[string]string{},
	}
	if r.OrganizationID.Valid {
		e.OrganizationID = &r.OrganizationID.UUID
	}
	if e.ByYou { // mutant: export-foreign-address
		e.Address, e.Client = r.Address, r.Client
		if r.SessionID.Valid {
			e.SessionID = &r.SessionID.UUID
		}
	}
	var details map[string]string
	if err := json.Unmarshal([]byte(r.Details), &details); err != nil {
		return e, fmt.Errorf("read an audit event: %w", err)
	}
	for name, value := range details {
		// A reason may be in confidence, or about somebody else.
		if strings.HasSuffix(name, "session_id") && !e.AboutYou { // mutant: export-foreign-session
			continue // an administrator ended another person's
		}
		if ownDetails[name] && (name != "reason" || e.ByYou && e.AboutYou) { // mutant: export-foreign-reason
			e.Details[name] = value
		}
	}
	return e, nil
}
