package audit

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

type eventView struct {
	ID             uuid.UUID            `json:"id"`
	Sequence       int64                `json:"sequence" example:"42" description:"1, 2, 3… in the list of the organization or, outside of organizations, of the account, without gaps. If old events were deleted, that list begins with a later number."`
	OccurredAt     time.Time            `json:"occurred_at"`
	Action         audit.RecordedAction `json:"action" example:"member.added"`
	OrganizationID uuid.NullUUID        `json:"organization_id"`
	UserID         uuid.NullUUID        `json:"user_id" description:"The person whom the event is about."`
	UserName       *string              `json:"user_name" example:"Grace Hopper" description:"Their name now."`
	ActorUserID    uuid.NullUUID        `json:"actor_user_id" description:"Who did it."`
	ActorName      *string              `json:"actor_name" example:"Ada Lovelace" description:"Their name now. Only platform administrators see that of a platform administrator."`
	ActorRole      actorRole            `json:"actor_role" example:"admin" description:"The role in which they acted; user: on their own account; anyone: not signed in. Later versions may add others."`
	Address        string               `json:"address" example:"203.0.113.7" description:"The client's IP address; empty if unknown or not visible to the caller."`
	Client         string               `json:"client" example:"curl/8.5.0" description:"The client's User-Agent."`
	RequestID      string               `json:"request_id"`
	Details        map[string]string    `json:"details" description:"More about it, such as the reason for a suspension. erased: the person was erased, and with them the address and the reason. Only platform administrators see the reasons that they give for actions on an account."`
	Hash           string               `json:"hash" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" description:"SHA-256, hexadecimal."`
}

// actorRole is the role in which somebody acted: in the organization, or outside of one.
type actorRole string

func (actorRole) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum("owner", "admin", "member", "platform_administrator", "user", "anyone", "command_line"), nil
}

type filterInput struct {
	httpapi.PageInput
	Action *audit.Action `query:"action"`
	Actor  *uuid.UUID    `query:"actor_user_id" description:"Only what this person did."`
	Since  *field.Time   `query:"since" description:"Only what happened at this time or later."`
	Until  *field.Time   `query:"until" description:"Only what happened before this time."`
}

func (in filterInput) filter() (f audit.Filter) {
	if in.Action != nil {
		f.Action = *in.Action
	}
	if in.Actor != nil {
		f.Actor = *in.Actor
	}
	if in.Since != nil {
		f.Since = in.Since.Time
	}
	if in.Until != nil {
		f.Until = in.Until.Time
	}
	return f
}

type everythingInput struct {
	filterInput
	User         *uuid.UUID `query:"user_id" description:"Only what is about this person."`
	Organization *uuid.UUID `query:"organization_id" description:"Only what happened in this organization."`
}

type organizationInput struct {
	filterInput
	OrganizationID uuid.UUID `path:"organization_id"`
}

type userInput struct {
	filterInput
	UserID uuid.UUID `path:"user_id"`
}

// listEvents lists the events of all chains. Those of one organization are its chain, which
// has its own order and indexes.
func (m *Module) listEvents(ctx context.Context, in everythingInput) (page httpapi.Page[eventView], err error) {
	f := in.filter()
	if in.User != nil {
		f.User = *in.User
	}
	if in.Organization != nil {
		f.Organization = *in.Organization
		return m.list(ctx, f.Organization, in.PageInput, f)
	}
	w, err := in.KeyedWindow()
	if err != nil {
		return page, err
	}
	p, ok := positionOf(w)
	if !ok {
		return page, httpapi.Invalid("query.cursor", fault.NotACursor)
	}
	f.Offset, f.Limit = w.Offset, w.Limit+1
	found, err := m.trail.ReadAll(ctx, f, p, w.Backward)
	if err != nil {
		return page, err
	}
	views, err := viewsOf(ctx, found)
	if err != nil {
		return page, err
	}
	page = httpapi.NewKeyedPage(views, w, func(v eventView) field.Cursor {
		return field.Cursor{Key: v.OccurredAt.Format(time.RFC3339Nano), ID: v.ID}
	})
	if w.Count {
		page.Total, err = m.trail.CountAll(ctx, f)
	}
	return page, err
}

// positionOf returns the position beside which a window is.
func positionOf(w httpapi.Window) (p audit.Position, ok bool) {
	if w.Key == "" {
		return audit.Newest, true
	}
	at, err := time.Parse(time.RFC3339Nano, w.Key)
	return audit.Position{At: at.UTC(), ID: w.After}, err == nil
}

// listOrganizationEvents lists the audit log of an organization.
func (m *Module) listOrganizationEvents(ctx context.Context, in organizationInput) (httpapi.Page[eventView], error) {
	return m.list(ctx, in.OrganizationID, in.PageInput, in.filter())
}

// listUserEvents lists the audit log of an account. It refuses an account that does not
// exist (user_not_found).
func (m *Module) listUserEvents(ctx context.Context, in userInput) (httpapi.Page[eventView], error) {
	if err := m.gate.CheckUserExists(ctx, in.UserID); err != nil {
		return httpapi.Page[eventView]{}, err
	}
	return m.list(ctx, in.UserID, in.PageInput, in.filter())
}

func (m *Module) list(ctx context.Context, chainID uuid.UUID, in httpapi.PageInput, f audit.Filter) (page httpapi.Page[eventView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	sequence, ok := sequenceOf(w.After)
	if !ok || w.Backward && sequence == 0 {
		return page, httpapi.Invalid("query.cursor", fault.NotACursor)
	}
	f.Offset, f.Limit = w.Offset, w.Limit+1
	found, err := m.trail.Read(ctx, chainID, f, sequence, w.Backward)
	if err != nil {
		return page, err
	}
	views, err := viewsOf(ctx, found)
	if err != nil {
		return page, err
	}
	page = httpapi.NewPage(views, w, func(v eventView) uuid.UUID { return cursorOf(v.Sequence) })
	if w.Count {
		page.Total, err = m.trail.Count(ctx, chainID, f)
	}
	return page, err
}

// viewsOf returns events as the caller may see them.
func viewsOf(ctx context.Context, found []audit.Recorded) (views []eventView, err error) {
	views = make([]eventView, len(found))
	for i, e := range found {
		if views[i], err = viewOf(e, access.From(ctx)); err != nil {
			return nil, err
		}
	}
	return views, nil
}

// viewOf returns an event as the viewer may see it. Only platform administrators see from
// where platform administrators work, and their names. Only they and the actor see the reason of a verdict.
func viewOf(e audit.Recorded, viewer access.Caller) (eventView, error) {
	v := eventView{
		ID: e.ID, Sequence: e.Sequence, OccurredAt: e.OccurredAt, Action: audit.RecordedAction(e.Action), OrganizationID: e.OrganizationID,
		UserID: e.UserID, ActorUserID: e.ActorUserID, ActorRole: actorRole(e.ActorRole), Address: e.Address, Client: e.Client,
		RequestID: e.RequestID, Hash: e.Hash, UserName: e.UserName, ActorName: e.ActorName,
	}
	if e.ActorRole == "platform_administrator" && !viewer.PlatformAdmin {
		v.Address, v.Client, v.ActorName = "", "", nil
	}
	if err := json.Unmarshal([]byte(e.Details), &v.Details); err != nil {
		return v, fmt.Errorf("read the details of audit event %s: %w", e.ID, err)
	}
	if v.Address == audit.Erased {
		v.Address, v.Details["erased"] = "", "true"
	}
	if isVerdict(e) && !viewer.PlatformAdmin && e.ActorUserID.UUID != viewer.UserID {
		delete(v.Details, "reason")
		delete(v.Details, "former_reason")
		delete(v.Details, "salt")
	}
	return v, nil
}

// isVerdict reports whether an event may have a platform administrator's reason for
// suspending, archiving or restoring an account, which the person may not see.
func isVerdict(e audit.Recorded) bool {
	switch e.Action {
	case audit.UserSuspended, audit.UserAmended, audit.UserArchived, audit.UserUnarchived:
		return !e.OrganizationID.Valid
	}
	return false
}

// cursorOf returns the cursor after an event, which encodes its sequence number.
func cursorOf(sequence int64) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[8:], uint64(sequence)) //nolint:gosec // positive
	return id
}

func sequenceOf(cursor uuid.UUID) (sequence int64, ok bool) {
	sequence = int64(binary.BigEndian.Uint64(cursor[8:])) //nolint:gosec // a negative result is refused
	return sequence, sequence >= 0 && cursor == cursorOf(sequence)
}
