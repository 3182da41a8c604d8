package organization

import (
	"time"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/search"
)

type organizationView struct {
	ID          uuid.UUID `json:"id"`
	Name        string    `json:"name" example:"Analytical Engines"`
	IsActive    bool      `json:"is_active" example:"true"`
	IsSuspended bool      `json:"is_suspended" example:"false"`
	IsArchived  bool      `json:"is_archived" example:"false"`
	ExternalID  *string   `json:"external_id" example:"org_8Yp2" description:"The id in the system that the organization was imported from. Null for callers other than platform administrators."`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`

	externalID *string // see reveal

	Role *access.Role `json:"role" description:"The caller's; null for a platform administrator who is not a member."`

	Suspension *organizationSuspensionView `json:"suspension,omitempty" description:"The suspension in force; only for the organization's admins and platform administrators. Not in lists."`
}

// reveal shows the external id to platform administrators.
func (v *organizationView) reveal(c access.Caller) {
	if c.PlatformAdmin { // mutant: external-id-of-organization
		v.ExternalID = v.externalID
	}
}

// organizationSuspensionView is a suspension in force. If nobody is named, a command on the
// server suspended the organization.
type organizationSuspensionView struct {
	Reason         string        `json:"reason" example:"Unpaid invoices."`
	ByPlatform     bool          `json:"by_platform" example:"true" description:"The owner can't lift it."`
	SuspendedAt    time.Time     `json:"suspended_at"`
	SuspendedBy    uuid.NullUUID `json:"suspended_by" description:"Null if a command on the server did it."`
	SuspendedUntil *time.Time    `json:"suspended_until" description:"When it ends by itself."`
}

// membershipView is an organization with the caller's membership in it.
type membershipView struct {
	organizationView
	JoinedAt *time.Time `json:"joined_at"`

	term string // by which a search found it
}

// listedStanding is the standing of the organizations in a list of all.
type listedStanding string

const (
	isGood      listedStanding = "good"
	isSuspended listedStanding = "suspended"
	isArchived  listedStanding = "archived"
)

func (s *listedStanding) UnmarshalText(text []byte) error {
	return field.Choose(s, text, isGood, isSuspended, isArchived)
}

// InlineJSONSchema keeps the type out of the document's definitions.
func (listedStanding) InlineJSONSchema() {}

// JSONSchema describes the parameter for the OpenAPI document.
func (listedStanding) JSONSchema() (jsonschema.Schema, error) {
	return field.Enum(isGood, isSuspended, isArchived), nil
}

// userMembershipView is an organization with a person's membership in it.
type userMembershipView struct {
	organizationView
	Role     access.Role        `json:"role" description:"The person's."`
	JoinedAt time.Time          `json:"joined_at"`
	Standing lifecycle.Standing `json:"standing" description:"Of the membership, regardless of the account and the organization."`
}

type choiceView struct {
	ID       uuid.UUID      `json:"id"`
	Name     string         `json:"name" example:"Analytical Engines"`
	Role     access.Role    `json:"role"`
	JoinedAt time.Time      `json:"joined_at"`
	Standing choiceStanding `json:"standing" description:"Unless it is good, it is the code with which a switch to the organization is refused."`

	asksForFactor bool // its policy asks the person for a second factor
}

type choicesView struct {
	Organizations []choiceView `json:"organizations"`
}

type organizationPath struct {
	OrganizationID uuid.UUID `path:"organization_id"`
}

type listOfInput struct {
	UserID uuid.UUID `path:"user_id"`
	httpapi.PageInput
	IncludeArchived *bool `query:"include_archived" description:"Whether to include archived organizations that the person owns."`
}

type createInput struct {
	Name field.Name `json:"name" example:"Analytical Engines"`
}

type historyInput struct {
	organizationPath
	httpapi.PageInput
}

type amendInput struct {
	organizationPath
	lifecycle.Amendment
}

type renameInput struct {
	organizationPath
	Name field.Name `json:"name" example:"Difference Engines"`
}

type suspendInput struct {
	organizationPath
	Reason         field.Reason `json:"reason" example:"Unpaid invoices." description:"Shown to the organization's admins."`
	SuspendedUntil *field.Time  `json:"suspended_until,omitempty" description:"When it ends by itself; if absent, it lasts until it is lifted."`
}

type archiveInput struct {
	organizationPath
	Reason field.Reason `json:"reason" example:"The project has ended."`
}

type unarchiveInput struct {
	organizationPath
	Reason *field.Reason `json:"reason,omitempty" example:"The project goes on."`
}

type listInput struct {
	httpapi.PageInput
	Search          *search.Query   `query:"q"`
	IncludeArchived *bool           `query:"include_archived" description:"Whether to include archived organizations that the caller owns."`
	Standing        *listedStanding `query:"standing" description:"Only those in this standing; with scope=all."`
	Scope           *field.All      `query:"scope" description:"All organizations; only for platform administrators."`
}
