package user

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

// userView is a person. IsActive and IsSuspended combine the standing of the account and
// that in the viewer's active organization.
type userView struct {
	ID          uuid.UUID     `json:"id"`
	Email       string        `json:"email" format:"email" example:"ada@example.com"`
	Name        string        `json:"name" example:"Ada Lovelace"`
	Bio         *string       `json:"bio" example:"Wrote the first program."`
	AvatarURL   *string       `json:"avatar_url" format:"uri" example:"https://example.com/ada.png"`
	ExternalID  *string       `json:"external_id" example:"auth0|5f7c8ec7c33c6c004bbafe82" description:"The id in the system that the person was imported from. Null for callers other than platform administrators."`
	Verified    bool          `json:"email_verified" example:"true" description:"Whether the person has proved that the email address is theirs."`
	Locale      *field.Locale `json:"locale" description:"The language of mails to the person; null: that of the request, or the service's."`
	IsActive    bool          `json:"is_active" example:"true" description:"Whether the account and the membership in the active organization, if any, are active."`
	IsSuspended bool          `json:"is_suspended" example:"false" description:"Whether the account or the membership in the active organization is suspended: standing says which."`
	IsArchived  bool          `json:"is_archived" example:"false"`
	CreatedAt   time.Time     `json:"created_at"`
	UpdatedAt   time.Time     `json:"updated_at"`

	Role     *access.Role     `json:"role" description:"In the caller's active organization; null if none is active or the person is not a member."`
	Standing userStandingView `json:"standing"`

	ErasedAt *time.Time `json:"erased_at" description:"When the account will be erased, or was. Null for callers other than platform administrators."`

	externalID        *string // see reveal
	eraseAt, erasedAt *time.Time

	Suspensions []userSuspensionView `json:"suspensions,omitempty" description:"The suspensions in force whose reasons the caller may see: platform administrators see that of the account, admins that in their active organization. Not in lists."`
}

// reveal shows the external id to platform administrators.
func (v *userView) reveal(c access.Caller) {
	if c.PlatformAdmin { // mutant: external-id-of-person
		v.ExternalID, v.ErasedAt = v.externalID, v.eraseAt
		if v.erasedAt != nil {
			v.ErasedAt = v.erasedAt
		}
	}
}

// erasureView says when an account will be erased.
type erasureView struct {
	ErasedAt time.Time `json:"erased_at" description:"When the account will be erased."`
}

// exportView is what the service holds about a person.
type exportView struct {
	UserID     uuid.UUID                   `json:"user_id"`
	ExportedAt time.Time                   `json:"exported_at"`
	Data       map[string][]field.Document `json:"data" description:"Lists by what they are of, such as account, profile, sessions, memberships and activity. Later versions add lists and members."`
	Incomplete []string                    `json:"incomplete" description:"The names of the lists that have only the first 100,000 items."`
}

// userStandingView says where a person is suspended or inactive.
type userStandingView struct {
	Account      lifecycle.Standing  `json:"account"`
	Organization *lifecycle.Standing `json:"organization" description:"Of the membership in the caller's active organization; null if none is active or the person is not a member."`
}

// listedUserView is a person in a list. Of a former member it shows only id and name.
type listedUserView struct {
	userView
	Email    *string           `json:"email" format:"email" example:"ada@example.com" description:"Null for former members."`
	Standing *userStandingView `json:"standing" description:"Null for former members."`
	term     string            // by which a search found the person
	IsFormer bool              `json:"is_former" example:"false" description:"Whether the person is no longer a member of the active organization. Only a request with ids shows former members, and only their ids and names."`
}

// userSuspensionView is a suspension in force. If nobody is named, a command on the server
// suspended the person.
type userSuspensionView struct {
	Scope standingScope `json:"scope"`
	Suspension
}

// memberStandingView is the standing of a member or former member, whom the organization
// no longer sees.
type memberStandingView struct {
	OrganizationID uuid.UUID          `json:"organization_id"`
	UserID         uuid.UUID          `json:"user_id"`
	Role           *access.Role       `json:"role" description:"Null for a former member."`
	Standing       lifecycle.Standing `json:"standing" description:"Of the membership, regardless of the account."`
	Suspension     *Suspension        `json:"suspension" description:"The suspension in force."`
}

type activeOrganizationView struct {
	ID          uuid.UUID   `json:"id"`
	Name        string      `json:"name" example:"Analytical Engines"`
	Role        access.Role `json:"role"`
	IsSuspended bool        `json:"is_suspended" example:"false" description:"Whether the organization is suspended. If so, its members get 403 for other requests in it."`
}

type meView struct {
	userView
	PlatformAdmin bool                    `json:"is_platform_administrator" example:"false"`
	Organization  *activeOrganizationView `json:"organization"`
}

type userPath struct {
	UserID uuid.UUID `path:"user_id"`
}

type memberPath struct {
	OrganizationID uuid.UUID `path:"organization_id"`
	userPath
}

func (in memberPath) target() target {
	return target{userID: in.UserID, organizationID: uuid.NullUUID{UUID: in.OrganizationID, Valid: true}}
}

type listInput struct {
	httpapi.PageInput
	Scope    *field.All          `query:"scope" description:"All accounts; only for platform administrators."`
	Search   *search.Query       `query:"q"`
	Standing *lifecycle.Standing `query:"standing" description:"Only those in this standing: of the account and of the membership in the active organization together or, with scope=all, of the account alone."`
	Sort     *roster.NameSort    `query:"sort"`
	IDs      []uuid.UUID         `query:"ids" maxItems:"100" description:"Only these people. Then former members are listed as well, and whoever acted in the organization; ids of others are ignored."`
}

func (in listInput) selection() roster.Selection {
	return roster.Selection{Standing: in.Standing, Search: in.Search, Sort: in.Sort.OrNone()}
}

type createInput struct {
	Email          field.Email         `json:"email" example:"ada@example.com"`
	Name           field.Name          `json:"name" example:"Ada Lovelace"`
	Password       *field.NewPassword  `json:"password,omitempty" example:"correct horse battery staple"`
	OrganizationID *uuid.UUID          `json:"organization_id,omitempty" description:"An organization that the person joins."`
	Role           *access.JoiningRole `json:"role,omitempty" description:"In that organization; without it, member."`
}

type profileInput struct {
	userPath
	Name      *field.Name                     `json:"name,omitempty" example:"Ada Lovelace"`
	Bio       field.Nullable[field.Bio]       `json:"bio,omitempty" example:"Wrote the first program."`
	AvatarURL field.Nullable[field.AvatarURL] `json:"avatar_url,omitempty" example:"https://example.com/ada.png"`
	Locale    field.Nullable[field.Locale]    `json:"locale,omitempty" description:"The language of mails; null: that of the request, or the service's."`
}

type standingInput struct {
	userPath
	Scope *standingScope `json:"scope,omitempty"`
}

func (in standingInput) target() target {
	return target{userID: in.UserID, account: in.Scope.isAccount()}
}

type suspendInput struct {
	standingInput
	Reason         field.Reason `json:"reason" example:"Under investigation." description:"Visible to the organization's admins and to the person or, for an account, only to platform administrators."`
	SuspendedUntil *field.Time  `json:"suspended_until,omitempty" description:"When it ends by itself; if absent, it lasts until it is lifted."`
}

type suspendMemberInput struct {
	memberPath
	Reason         field.Reason `json:"reason" example:"Under investigation." description:"Visible to the organization's admins and to the person."`
	SuspendedUntil *field.Time  `json:"suspended_until,omitempty" description:"When it ends by itself; if absent, it lasts until it is lifted."`
}

type amendMemberInput struct {
	memberPath
	lifecycle.Amendment
}

type memberHistoryInput struct {
	memberPath
	httpapi.PageInput
}

type amendInput struct {
	userPath
	lifecycle.Amendment
}

type historyInput struct {
	userPath
	httpapi.PageInput
}

type archiveInput struct {
	userPath
	Reason field.Reason `json:"reason" example:"Left the company."`
}

type unarchiveInput struct {
	userPath
	Reason *field.Reason `json:"reason,omitempty" example:"Came back."`
}
