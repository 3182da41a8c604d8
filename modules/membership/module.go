// Package membership manages the members of organizations and their roles.
package membership

import (
	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/ratelimit"
)

// Module registers the routes and tables of members, admins and owners.
type Module struct{ *Service }

var (
	_ module.Module  = (*Module)(nil)
	_ module.Checker = (*Module)(nil)
)

// NewModule returns the module that serves the service.
func NewModule(svc *Service) *Module { return &Module{svc} }

// Name implements module.Module.
func (*Module) Name() string { return "membership" }

// Migrations implements module.Module.
func (*Module) Migrations() []migrate.Migration { return migrations() }

// byOwner returns the rule of the routes that only the owner may call.
func byOwner() access.Rule { return access.Org(access.Owner) }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("Members, admins and owners of an organization.")
	const organization = "/organizations/:organization_id"
	member, admin, owner := access.Org(access.Member), access.Org(access.Admin), byOwner()

	httpapi.Get(r, organization+"/members", member, m.listMembers, httpapi.Doc{
		ID: "listMembers", Summary: "List members", MayLag: true,
	})
	httpapi.Post(r, organization+"/members", admin, m.addMember, httpapi.Doc{
		ID: "addMember", Summary: "Add a person with an account as a member",
		Description: "Give either `user_id` or `email`. A suspension and a deactivation outlive the membership: `standing` shows them, and `activateMember` lifts them, also before the person is added again. Where the service can send mail, an `email` that nobody has proved is refused (`email_unverified`): invite the person.",
		Refusals:    httpapi.Refusals(access.ErrUserNotFound, errAlreadyMember, errEmailUnverified, ratelimit.Refusal()),
	})
	httpapi.Post(r, organization+"/members/batch", admin, m.addMembers, httpapi.Doc{
		ID: "addMembers", Summary: "Add up to 1,000 people with accounts as members",
		Description: "All or nobody: if one can't be added, `errors` names each of them by its place (`body.emails[3]`), and nobody is added. A person who is a member already, or who is given twice, can't be added; `skip_existing` skips them. `Location` is that of the list of members.",
		Refusals:    httpapi.Refusals(ratelimit.Refusal()),
	})
	httpapi.Get(r, organization+"/members/:user_id", member, m.getMember, httpapi.Doc{
		ID: "getMember", Summary: "Show a member", Versioned: true, MayLag: true,
		Refusals: httpapi.Refusals(access.ErrMemberNotFound),
	})
	httpapi.Delete(r, organization+"/members/:user_id", member.OrLeaving(), m.removeMember, httpapi.Doc{
		ID: "removeMember", Summary: "Remove a member, or leave", Versioned: true,
		Description: "Also revokes the admin grant, if any.",
		Refusals: httpapi.Refusals(access.ErrMemberNotFound, access.ErrInsufficientRole, access.ErrEqualOrHigherRole,
			access.ErrOwnStanding, errOwnerRequired),
	})
	httpapi.Get(r, organization+"/admins", member, m.listAdmins, httpapi.Doc{
		ID: "listAdmins", Summary: "List members with the admin grant", MayLag: true,
	})
	httpapi.Post(r, organization+"/admins", owner, m.grantAdmin, httpapi.Doc{
		ID: "grantAdmin", Summary: "Make a member an admin",
		Refusals: httpapi.Refusals(errNotAMember, errAlreadyAdmin, access.ErrOwnStanding, access.ErrEqualOrHigherRole),
	})
	httpapi.Delete(r, organization+"/admins/:user_id", owner, m.revokeAdmin, httpapi.Doc{
		ID: "revokeAdmin", Summary: "Revoke an admin's grant",
		Refusals: httpapi.Refusals(errAdminNotFound, access.ErrOwnStanding, access.ErrEqualOrHigherRole),
	})
	httpapi.Get(r, organization+"/owner", member, m.getOwner, httpapi.Doc{
		ID: "getOwner", Summary: "Show the owner", MayLag: true,
	})
	httpapi.Post(r, organization+"/transfer-ownership", owner.NotByKey().StepUpByFactor(), m.transferOwnership, httpapi.Doc{
		ID: "transferOwnership", Summary: "Make another member the owner",
		Description: "The former owner stays as an admin.",
		Refusals:    httpapi.Refusals(errNotAMember, errAlreadyOwner, errServiceAccount, errNotInGoodStanding),
	})
	httpapi.Get(r, organization+"/permissions/me", member, m.getMyPermissions, httpapi.Doc{
		ID: "getMyPermissions", Summary: "Show what the caller may do",
		Description: "For the back end of a product, which authorizes a request with the access token of its user. One call shows whether the token is valid and what the user may do in the organization now. A platform administrator who is not a member gets 404.",
		Refusals:    httpapi.Refusals(access.ErrMemberNotFound),
	})
	httpapi.Get(r, organization+"/permissions/:user_id", member, m.getPermissions, httpapi.Doc{
		ID: "getPermissions", Summary: "Show what a member may do",
		Refusals: httpapi.Refusals(access.ErrMemberNotFound, access.ErrInsufficientRole),
	})
}
