package membership

import (
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/roster"
	"guildhall/platform/search"
)

type memberView struct {
	ID        uuid.UUID   `json:"id"`
	Email     string      `json:"email" format:"email" example:"grace@example.com"`
	Name      string      `json:"name" example:"Grace Hopper"`
	AvatarURL *string     `json:"avatar_url" format:"uri" example:"https://example.com/grace.png"`
	Role      access.Role `json:"role"`
	JoinedAt  time.Time   `json:"joined_at"`
	Kind      access.Kind `json:"kind" description:"Whether it is a person or a service account, whose address gets no mail."`

	Standing lifecycle.Standing `json:"standing" description:"Of the account or of the membership: only in good standing can the person act here. Only an account can be archived."`

	term      string // by which a list is sorted
	isService bool
}

// grantView is a person's new role in an organization.
type grantView struct {
	OrganizationID uuid.UUID   `json:"organization_id"`
	UserID         uuid.UUID   `json:"user_id"`
	Role           access.Role `json:"role"`
	JoinedAt       time.Time   `json:"joined_at"`

	Standing lifecycle.Standing `json:"standing" description:"A former member who was suspended or inactive still is."`
}

type transferView struct {
	Message        string    `json:"message" example:"Ownership transferred."`
	OrganizationID uuid.UUID `json:"organization_id"`
	OwnerUserID    uuid.UUID `json:"owner_user_id"`
}

type permissionsView struct {
	OrganizationID        uuid.UUID   `json:"organization_id"`
	UserID                uuid.UUID   `json:"user_id"`
	PermissionLevel       access.Role `json:"permission_level"`
	IsOwner               bool        `json:"is_owner" example:"false"`
	IsAdmin               bool        `json:"is_admin" example:"true" description:"Has the powers of an admin, as the owner does."`
	IsMember              bool        `json:"is_member" example:"true"`
	CanManageMembers      bool        `json:"can_manage_members" example:"true"`
	CanManageAdmins       bool        `json:"can_manage_admins" example:"false"`
	CanTransferOwnership  bool        `json:"can_transfer_ownership" example:"false"`
	CanAccessOrganization bool        `json:"can_access_organization" example:"true"`
}

type organizationPath struct {
	OrganizationID uuid.UUID `path:"organization_id"`
}

type memberPath struct {
	organizationPath
	UserID uuid.UUID `path:"user_id"`
}

type listInput struct {
	organizationPath
	httpapi.PageInput
}

type listMembersInput struct {
	listInput
	Search   *search.Query       `query:"q"`
	Role     *access.Role        `query:"role" description:"Only those with this role."`
	Standing *lifecycle.Standing `query:"standing" description:"Only those in this standing."`
	Sort     *roster.Sort        `query:"sort"`
}

func (in listMembersInput) selection() roster.Selection {
	return roster.Selection{Role: in.Role, Standing: in.Standing, Search: in.Search, Sort: in.Sort.OrNone()}
}

type addInput struct {
	organizationPath
	UserID *uuid.UUID   `json:"user_id,omitempty"`
	Email  *field.Email `json:"email,omitempty" example:"grace@example.com"`
}

// mostAdded limits the people that one request adds.
const mostAdded = 1000

type addManyInput struct {
	organizationPath
	UserIDs      []uuid.UUID   `json:"user_ids,omitempty" maxItems:"1000"`
	Emails       []field.Email `json:"emails,omitempty" maxItems:"1000" example:"[\"grace@example.com\"]"`
	SkipExisting *bool         `json:"skip_existing,omitempty" description:"Whether to skip members instead of refusing the request."`
}

// addedView lists the new members of a batch and those who were members before.
type addedView struct {
	Added    []grantView `json:"added" nullable:"false"`
	Existing []uuid.UUID `json:"existing" nullable:"false" description:"With skip_existing: the ids of those who were members before."`
}

type grantInput struct {
	organizationPath
	UserID uuid.UUID `json:"user_id"`
}

type transferInput struct {
	organizationPath
	NewOwnerUserID uuid.UUID `json:"new_owner_user_id"`
}
