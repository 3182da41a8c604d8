package organization

import (
	"time"

	"github.com/google/uuid"

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
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`

	Role *access.Role `json:"role" description:"The caller's; null for a platform administrator who is not a member."`

	Suspension *organizationSuspensionView `json:"suspension,omitempty" description:"The suspension in force; only for the organization's admins and platform administrators. Not in lists."`
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

type choiceView struct {
	ID       uuid.UUID      `json:"id"`
	Name     string         `json:"name" example:"Analytical Engines"`
	Role     access.Role    `json:"role"`
	JoinedAt time.Time      `json:"joined_at"`
	Standing choiceStanding `json:"standing" description:"Unless it is good, it is the code with which a switch to the organization is refused."`
}

type choicesView struct {
	Organizations []choiceView `json:"organizations"`
}

type organizationPath struct {
	OrganizationID uuid.UUID `path:"organization_id"`
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
	Search          *search.Query `query:"q"`
	IncludeArchived *bool         `query:"include_archived" description:"Whether to include archived organizations that the caller owns."`
	Scope           *field.All    `query:"scope" description:"All organizations; only for platform administrators."`
}
