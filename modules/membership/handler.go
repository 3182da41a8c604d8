package membership

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

type memberView struct {
	ID        uuid.UUID   `json:"id"`
	Email     string      `json:"email" format:"email" example:"grace@example.com"`
	Name      string      `json:"name" example:"Grace Hopper"`
	AvatarURL *string     `json:"avatar_url" format:"uri" example:"https://example.com/grace.png"`
	Role      access.Role `json:"role"`
	JoinedAt  time.Time   `json:"joined_at"`
}

// grantView is what somebody is in an organization from now on.
type grantView struct {
	OrganizationID uuid.UUID   `json:"organization_id"`
	UserID         uuid.UUID   `json:"user_id"`
	Role           access.Role `json:"role"`
	JoinedAt       time.Time   `json:"joined_at"`
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

type addInput struct {
	organizationPath
	UserID *uuid.UUID   `json:"user_id,omitempty"`
	Email  *field.Email `json:"email,omitempty" example:"grace@example.com"`
}

type grantInput struct {
	organizationPath
	UserID uuid.UUID `json:"user_id"`
}

type transferInput struct {
	organizationPath
	NewOwnerUserID uuid.UUID `json:"new_owner_user_id"`
}

func (m *Module) listMembers(ctx context.Context, in listInput) (httpapi.Page[memberView], error) {
	w, err := in.Window()
	if err != nil {
		return httpapi.Page[memberView]{}, err
	}
	return m.store.list(ctx, membersPage, "organization_members", in.OrganizationID, w)
}

func (m *Module) listAdmins(ctx context.Context, in listInput) (httpapi.Page[memberView], error) {
	w, err := in.Window()
	if err != nil {
		return httpapi.Page[memberView]{}, err
	}
	return m.store.list(ctx, adminsPage, "organization_admins", in.OrganizationID, w)
}

func (m *Module) owner(ctx context.Context, in organizationPath) (memberView, error) {
	return m.store.owner(ctx, in.OrganizationID)
}

func (m *Module) add(ctx context.Context, in addInput) (httpapi.Created[grantView], error) {
	if (in.UserID == nil) == (in.Email == nil) {
		return httpapi.Created[grantView]{}, httpapi.Invalid("body", "must have user_id or email, one of the two.")
	}
	var userID uuid.UUID
	var email string
	if in.UserID != nil {
		userID = *in.UserID
	} else {
		email = in.Email.Canonical()
	}
	return m.join(ctx, in.OrganizationID, userID, email)
}

func (m *Module) grant(ctx context.Context, in grantInput) (httpapi.Created[grantView], error) {
	return m.promote(ctx, in.OrganizationID, in.UserID)
}

// created is the answer for somebody who is in one of the organization's collections.
func created(ctx context.Context, collection string, view grantView) (httpapi.Created[grantView], error) {
	return httpapi.NewCreated(ctx, httpapi.BasePath+"/organizations/"+view.OrganizationID.String()+"/"+collection+"/"+view.UserID.String(), view)
}

func (m *Module) remove(ctx context.Context, in memberPath) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, m.leave(ctx, in.OrganizationID, in.UserID)
}

func (m *Module) revoke(ctx context.Context, in memberPath) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, m.demote(ctx, in.OrganizationID, in.UserID)
}

func (m *Module) transfer(ctx context.Context, in transferInput) (transferView, error) {
	err := m.handOver(ctx, in.OrganizationID, in.NewOwnerUserID)
	return transferView{Message: "Ownership transferred.", OrganizationID: in.OrganizationID, OwnerUserID: in.NewOwnerUserID}, err
}

func (m *Module) permissions(ctx context.Context, in memberPath) (permissionsView, error) {
	s, err := m.standingOf(ctx, in.OrganizationID, in.UserID)
	if err != nil {
		return permissionsView{}, err
	}
	may := s.AccountGood() && s.MembershipGood() && !s.OrganizationSuspended
	return permissionsView{
		OrganizationID:        in.OrganizationID,
		UserID:                in.UserID,
		PermissionLevel:       s.Role,
		IsOwner:               s.Role.Includes(access.Owner),
		IsAdmin:               s.Role.Includes(access.Admin),
		IsMember:              s.Role.Includes(access.Member),
		CanManageMembers:      may && s.Role.Includes(access.Admin),
		CanManageAdmins:       may && s.Role.Includes(access.Owner),
		CanTransferOwnership:  may && s.Role.Includes(access.Owner),
		CanAccessOrganization: may,
	}, nil
}
