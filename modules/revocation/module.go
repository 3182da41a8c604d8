// Package revocation tells programs that verify access tokens themselves which of them do not
// hold any more.
package revocation

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/revocation"
	"guildhall/platform/schema"
)

// Module registers the route of the feed. The table belongs to platform/revocation.
type Module struct{ feed *revocation.Feed }

var _ module.Module = (*Module)(nil)

// NewModule returns the module.
func NewModule(feed *revocation.Feed) *Module { return &Module{feed} }

// Name implements module.Module.
func (*Module) Name() string { return "revocation" }

// Migrations implements module.Module.
func (*Module) Migrations() []migrate.Migration { return nil }

// Tables implements module.Module.
func (*Module) Tables() []schema.Table { return nil }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("Which access tokens do not hold any more.")
	httpapi.Get(r, "/auth/revocations", access.API().OrOrganizationKey(access.Admin), m.listRevocations, httpapi.Doc{
		ID: "listRevocations", Summary: "Wait for revocations",
		Description: "For programs that verify access tokens by their signature. A token does not hold if there is a mark with `at` at or after its `iat`, and the token has all ids that the mark has: `session_id` is `sid`, `user_id` is `sub`, `organization_id` is `organization_id`. A mark without ids is about every token.\n\n" +
			"A registered API reads everything, by its key. An organization's key, whose holder is an admin, reads what concerns the tokens for that organization.\n\n" +
			"Begin without `after`: the answer has all marks that matter. Then give the last answer's `next` as `after`, with `wait`: the request is held until there is something new. Marks may come twice. `as_of` is the time until which the answer is complete: refuse tokens, or ask about each, if it is too old.",
		Refusals: httpapi.Refusals(revocation.ErrBusy, revocation.ErrTooMany),
	})
}

type listInput struct {
	After *revocation.Cursor `query:"after" description:"The next of the last answer. If absent, the answer has everything that still matters."`
	Wait  *field.Wait        `query:"wait" description:"How long to wait for something new, in seconds."`
}

type revocationView struct {
	At             time.Time  `json:"at" example:"2026-01-31T12:00:00Z" description:"Tokens that were issued until then do not hold."`
	SessionID      *uuid.UUID `json:"session_id,omitempty"`
	UserID         *uuid.UUID `json:"user_id,omitempty"`
	OrganizationID *uuid.UUID `json:"organization_id,omitempty"`
}

type revocationsView struct {
	Items []revocationView `json:"items" nullable:"false"`
	Next  string           `json:"next" example:"AAZMXc1T2ABHPRyq3XkJTw" description:"Give it as after in the next request."`
	AsOf  time.Time        `json:"as_of" description:"The answer is complete until then, by the clock of the service."`
}

// listRevocations returns what the caller does not know yet, and waits for it. The gate lets in
// only the keys of organizations and of registered APIs, which have no organization.
func (m *Module) listRevocations(ctx context.Context, in listInput) (view revocationsView, err error) {
	a, err := m.feed.Read(ctx, access.From(ctx).OrganizationID, in.After, in.Wait.Duration())
	view = revocationsView{Items: make([]revocationView, len(a.Marks)), Next: a.Next.String(), AsOf: a.AsOf}
	for i, mark := range a.Marks {
		view.Items[i] = revocationView{At: mark.Until(), SessionID: orNil(mark.SessionID), UserID: orNil(mark.UserID), OrganizationID: orNil(mark.OrganizationID)}
	}
	return view, err
}

func orNil(id uuid.NullUUID) *uuid.UUID {
	if !id.Valid {
		return nil
	}
	return &id.UUID
}
