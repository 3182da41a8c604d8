package invitation

import (
	"time"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

// status is what became of an invitation or a link.
type status string

const (
	open     status = "open"
	accepted status = "accepted"
	declined status = "declined"
	revoked  status = "revoked"
	expired  status = "expired"
	usedUp   status = "used" // only of links
)

// statuses are those of invitations.
var statuses = []status{open, accepted, declined, revoked, expired}

// InlineJSONSchema keeps the status out of the schemas of the document.
func (status) InlineJSONSchema() {}

// JSONSchema describes the status in the OpenAPI document.
func (status) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(append(statuses, usedUp)...), nil
}

// wantedStatus is a status to filter by.
type wantedStatus string

func (s *wantedStatus) UnmarshalText(text []byte) error {
	return field.Choose((*status)(s), text, statuses...)
}

func (wantedStatus) InlineJSONSchema() {}

func (wantedStatus) JSONSchema() (jsonschema.Schema, error) { return field.Enum(statuses...), nil }

type inviterView struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name" example:"Grace Hopper"`
}

type invitationView struct {
	ID             uuid.UUID   `json:"id"`
	OrganizationID uuid.UUID   `json:"organization_id"`
	Email          string      `json:"email" format:"email" example:"ada@example.com"`
	Role           access.Role `json:"role"`
	Status         status      `json:"status" example:"open"`
	Delivered      bool        `json:"delivered" example:"true" description:"Whether only a mail has its link. If not, the link proves no address."`
	InvitedBy      inviterView `json:"invited_by"`
	CreatedAt      time.Time   `json:"created_at"`
	ExpiresAt      time.Time   `json:"expires_at"`
	ClosedAt       *time.Time  `json:"closed_at" description:"When it was accepted, declined or revoked."`
	URL            *string     `json:"url,omitempty" format:"uri" example:"https://app.example.com/account/invitation#link_token=abc" description:"Only with deliver: false, and only in the first answer: keep it. A repeated request with the same Idempotency-Key is answered without it."`
}

type invitationLinkView struct {
	ID             uuid.UUID   `json:"id"`
	OrganizationID uuid.UUID   `json:"organization_id"`
	Domains        []string    `json:"domains" example:"[\"example.com\"]" description:"Empty: any address."`
	MaxUses        *int64      `json:"max_uses" example:"50" description:"Null: unlimited."`
	Uses           int64       `json:"uses" example:"3"`
	Status         status      `json:"status" example:"open"`
	InvitedBy      inviterView `json:"invited_by"`
	CreatedAt      time.Time   `json:"created_at"`
	ExpiresAt      time.Time   `json:"expires_at"`
	ClosedAt       *time.Time  `json:"closed_at" description:"When it was revoked."`
	URL            *string     `json:"url,omitempty" format:"uri" example:"https://app.example.com/account/invitation#link_token=abc" description:"Only in the first answer to the request that makes the link: keep it. A repeated request with the same Idempotency-Key is answered without it."`
}

type organizationPath struct {
	OrganizationID uuid.UUID `path:"organization_id"`
}

type invitationPath struct {
	organizationPath
	InvitationID uuid.UUID `path:"invitation_id"`
}

type linkPath struct {
	organizationPath
	LinkID uuid.UUID `path:"link_id"`
}

type inviteInput struct {
	organizationPath
	Email          field.Email         `json:"email" example:"ada@example.com"`
	Role           *access.JoiningRole `json:"role,omitempty" description:"If absent, member. Only the owner invites admins."`
	ExpiresInHours *field.Hours        `json:"expires_in_hours,omitempty" example:"168" description:"If absent, 168."`
	Deliver        *bool               `json:"deliver,omitempty" description:"Whether to send the link by mail. With false, the answer has it as url: give it to the person yourself."`
}

type resendInput struct {
	invitationPath
	ExpiresInHours *field.Hours `json:"expires_in_hours,omitempty" example:"168" description:"If absent, 168."`
	Deliver        *bool        `json:"deliver,omitempty" description:"Whether to send the new link by mail. With false, the answer has it as url."`
}

// mostInvited limits the invitations of one request.
const mostInvited = 1000

type batchInput struct {
	organizationPath
	Invitations    []invitee    `json:"invitations" maxItems:"1000"`
	ExpiresInHours *field.Hours `query:"expires_in_hours" json:"expires_in_hours,omitempty" example:"168" description:"If absent, 168."`
	DryRun         *bool        `query:"dry_run" json:"dry_run,omitempty" description:"Whether to answer what would happen, with 200, and do nothing."`
	SkipExisting   *bool        `query:"skip_existing" json:"skip_existing,omitempty" description:"Whether to skip members and invited people instead of refusing the request."`
}

// invitee is a person whom a batch invites.
type invitee struct {
	httpapi.Place
	Email field.Email         `json:"email" example:"ada@example.com"`
	Role  *access.JoiningRole `json:"role,omitempty" example:"member" description:"If absent, member. Only the owner invites admins."`
}

type invitationBatchView struct {
	DryRun  bool                `json:"dry_run" example:"false" description:"Whether this is only what would happen."`
	Invited []invitedPersonView `json:"invited"`
	Skipped []skippedPersonView `json:"skipped" description:"With skip_existing: who was not invited."`
}

type invitedPersonView struct {
	ID    uuid.NullUUID `json:"id" description:"Of the invitation; null with dry_run."`
	Email string        `json:"email" format:"email" example:"ada@example.com"`
	Role  access.Role   `json:"role"`
}

type skippedPersonView struct {
	Email  string `json:"email" format:"email" example:"ada@example.com"`
	Reason string `json:"reason" example:"already_member" description:"already_member, already_invited or named_twice."`
}

type listInput struct {
	organizationPath
	httpapi.PageInput
	Status *wantedStatus `query:"status"`
	Query  *field.Login  `query:"q" description:"The beginning of the email address."`
}

type linkInput struct {
	organizationPath
	MaxUses        *field.Uses    `json:"max_uses,omitempty" example:"50" description:"How many people may join with it. If absent, any number."`
	Domains        []field.Domain `json:"domains,omitempty" maxItems:"20" example:"[\"example.com\"]" description:"Only people with a confirmed address in one of these domains may join. If absent, anyone."`
	ExpiresInHours *field.Hours   `json:"expires_in_hours,omitempty" example:"168" description:"If absent, 168."`
}

type listLinksInput struct {
	organizationPath
	httpapi.PageInput
}

type tokenInput struct {
	Token field.Credential `json:"token" description:"From the link: what follows #link_token=."`
}

type invitationPreviewView struct {
	OrganizationName string      `json:"organization_name" example:"Analytical Engines"`
	InvitedByName    string      `json:"invited_by_name" example:"Grace Hopper"`
	Email            *string     `json:"email" example:"a•••@example.com" description:"The address that the invitation is for, masked; null for a link."`
	Role             access.Role `json:"role"`
	ExpiresAt        time.Time   `json:"expires_at"`
}

type myInvitationView struct {
	ID               uuid.UUID   `json:"id"`
	OrganizationID   uuid.UUID   `json:"organization_id"`
	OrganizationName string      `json:"organization_name" example:"Analytical Engines"`
	InvitedByName    string      `json:"invited_by_name" example:"Grace Hopper"`
	Role             access.Role `json:"role"`
	CreatedAt        time.Time   `json:"created_at"`
	ExpiresAt        time.Time   `json:"expires_at"`
}

type myInvitationPath struct {
	InvitationID uuid.UUID `path:"invitation_id"`
}
