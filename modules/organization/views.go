package organization

import (
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

type organizationView struct {
	ID          uuid.UUID `json:"id"`
	Name        string    `json:"name" example:"Analytical Engines"`
	IsActive    bool      `json:"is_active" example:"true"`
	IsSuspended bool      `json:"is_suspended" example:"false"`
	IsArchived  bool      `json:"is_archived" example:"false"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`

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

// membershipView is an organization with the caller's role in it.
type membershipView struct {
	organizationView
	Role     *access.Role `json:"role"`
	JoinedAt *time.Time   `json:"joined_at"`
}

type choiceView struct {
	ID       uuid.UUID   `json:"id"`
	Name     string      `json:"name" example:"Analytical Engines"`
	Role     access.Role `json:"role"`
	JoinedAt time.Time   `json:"joined_at"`
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
	IncludeArchived *bool      `query:"include_archived" description:"Whether to include archived organizations that the caller owns."`
	Scope           *field.All `query:"scope" description:"All organizations; only for platform administrators."`
}
