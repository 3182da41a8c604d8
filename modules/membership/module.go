// Package membership keeps who belongs to which organization, and as what.
package membership

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
	"guildhall/platform/module"
	"guildhall/platform/ratelimit"
)

// Users is what this module needs of whoever keeps accounts.
type Users interface {
	// Welcome gives somebody who joins good standing in the organization, within
	// the caller's transaction.
	Welcome(ctx context.Context, userID, organizationID uuid.UUID) error
}

// Module is the room of members, admins and owners.
type Module struct {
	db    *database.DB
	gate  *access.Gate
	trail *audit.Trail
	limit *ratelimit.Store
	users Users
	now   func() time.Time
	store *store
}

var _ module.Module = (*Module)(nil)

// New returns the module.
func New(db *database.DB, gate *access.Gate, trail *audit.Trail, limit *ratelimit.Store, users Users, now func() time.Time) *Module {
	return &Module{db: db, gate: gate, trail: trail, limit: limit, users: users, now: now, store: &store{db: db}}
}

// Name implements module.Module.
func (*Module) Name() string { return "membership" }

// Migrations implements module.Module.
func (*Module) Migrations() []database.Migration { return migrations() }

// owners is the rule on what is the owner's alone.
func owners() access.Rule { return access.Org(access.Owner) }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("Members, admins and owners of an organization.")
	const organization = "/organizations/:organization_id"
	member, admin, owner := access.Org(access.Member), access.Org(access.Admin), owners()

	httpapi.Get(r, organization+"/members", member, m.listMembers, httpapi.Doc{
		ID: "listMembers", Summary: "List members", MayLag: true,
	})
	httpapi.Post(r, organization+"/members", admin, m.add, httpapi.Doc{
		ID: "addMember", Summary: "Add a person with an account as a member",
		Description: "By `user_id` or by `email`, one of the two.",
		Refusals:    httpapi.Refusals(access.ErrUserNotFound, errAlreadyMember, ratelimit.Refusal()),
	})
	httpapi.Delete(r, organization+"/members/:user_id", member, m.remove, httpapi.Doc{
		ID: "removeMember", Summary: "Remove a member, or leave",
		Description: "The admin grant goes with the membership.",
		Refusals: httpapi.Refusals(errMemberNotFound, access.ErrInsufficientRole, access.ErrEqualOrHigherRole,
			access.ErrOwnStanding, errOwnerRequired),
	})
	httpapi.Get(r, organization+"/admins", member, m.listAdmins, httpapi.Doc{
		ID: "listAdmins", Summary: "List members with the admin grant", MayLag: true,
	})
	httpapi.Post(r, organization+"/admins", owner, m.grant, httpapi.Doc{
		ID: "grantAdmin", Summary: "Make a member an admin",
		Refusals: httpapi.Refusals(errNotAMember, errAlreadyAdmin, access.ErrOwnStanding, access.ErrEqualOrHigherRole),
	})
	httpapi.Delete(r, organization+"/admins/:user_id", owner, m.revoke, httpapi.Doc{
		ID: "revokeAdmin", Summary: "Make an admin a plain member again",
		Refusals: httpapi.Refusals(errAdminNotFound, access.ErrOwnStanding, access.ErrEqualOrHigherRole),
	})
	httpapi.Get(r, organization+"/owner", member, m.owner, httpapi.Doc{
		ID: "getOwner", Summary: "Show the owner", MayLag: true,
	})
	httpapi.Post(r, organization+"/transfer-ownership", owner, m.transfer, httpapi.Doc{
		ID: "transferOwnership", Summary: "Make another member the owner",
		Description: "The former owner stays as an admin.",
		Refusals:    httpapi.Refusals(errNotAMember, errAlreadyOwner, errNotInGoodStanding),
	})
	httpapi.Get(r, organization+"/permissions/:user_id", member, m.permissions, httpapi.Doc{
		ID: "getPermissions", Summary: "Show what a member may do",
		Refusals: httpapi.Refusals(errMemberNotFound, access.ErrInsufficientRole),
	})
}
