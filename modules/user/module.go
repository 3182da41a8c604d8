// Package user manages accounts, their profiles, and the standing of accounts and of
// members within each organization.
package user

import (
	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/password"
	"guildhall/platform/ratelimit"
)

// Module registers the routes and tables of accounts.
type Module struct{ handlers }

var (
	_ module.Module      = (*Module)(nil)
	_ module.Checker     = (*Module)(nil)
	_ module.WithWorkers = (*Module)(nil)
)

// NewModule returns the module that serves the service.
func NewModule(svc *Service) *Module { return &Module{handlers{svc}} }

// Name implements module.Module.
func (*Module) Name() string { return "user" }

// Migrations implements module.Module.
func (*Module) Migrations() []migrate.Migration { return migrations() }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("People, their profiles and their standing.")
	rule, getMe := access.Reading(access.SignedIn().InGoodStanding().ByKey(), selfRow, m.getMe)
	httpapi.Get(r, "/auth/me", rule, getMe, httpapi.Doc{
		ID: "getMe", Summary: "Show the caller",
		Description: "`organization` is the active one. It is null if none is active or the membership was lost. If `X-Organization-ID` names a suspended organization, or one where the caller is suspended or inactive, the answer is 403.",
	})
	httpapi.Get(r, "/users", access.Active(access.Member), m.list, httpapi.Doc{
		ID: "listUsers", Summary: "List the people of the active organization", MayLag: true,
		Refusals: httpapi.Refusals(access.ErrPlatformAdminRequired),
	})
	httpapi.Post(r, "/users", access.PlatformAdminOnly().WithoutPerson(), m.create, httpapi.Doc{
		ID: "createUser", Summary: "Create an account for another person",
		Description: "Works even if registration is disabled. With `organization_id` the person is a member or an admin of that organization from the start; " +
			"without it, they are in no organization until they create one or are added to one. Without `password` no log-in is possible " +
			"until one is set (`guildhall admin set-password`).",
		Refusals: httpapi.Refusals(errEmailTaken, password.ErrBusy),
	})
	httpapi.Get(r, "/users/:user_id", access.Acquaintance(), m.get, httpapi.Doc{
		ID: "getUser", Summary: "Show a person", Versioned: true, MayLag: true,
	})
	httpapi.Patch(r, "/users/:user_id/profile", access.Self(), m.updateProfile, httpapi.Doc{
		ID: "updateProfile", Summary: "Change one's profile", Versioned: true,
		Description: "Absent members stay unchanged; `null` clears `bio` and `avatar_url`.",
	})
	over := httpapi.Refusals(access.ErrOwnStanding, access.ErrEqualOrHigherRole, access.ErrPlatformAdminRequired)
	httpapi.Post(r, "/users/:user_id/activate", overStanding(), m.activate, httpapi.Doc{
		ID: "activateUser", Summary: "Restore a person's good standing", Versioned: true,
		Description: "Activates the person and lifts an open suspension, in the active organization or, with `scope: account`, for the whole account. A person in good standing stays as they are: that is 200, too, and not recorded. `/organizations/{organization_id}/members/{user_id}/activate` does not depend on the active organization.",
		Refusals:    append(over, errArchived),
	})
	httpapi.Post(r, "/users/:user_id/deactivate", overStanding(), m.deactivate, httpapi.Doc{
		ID: "deactivateUser", Summary: "Deactivate a person", Versioned: true,
		Description: "An inactive person stays as they are: that is 200, too, and not recorded.",
		Refusals:    append(over, errOwnerRequired),
	})
	httpapi.Post(r, "/users/:user_id/suspend", overStanding(), m.suspend, httpapi.Doc{
		ID: "suspendUser", Summary: "Suspend a person", Versioned: true,
		Description: "A second suspension is refused. PATCH changes the reason or the end of the first.",
		Refusals:    append(over, errOwnerRequired, errAlreadySuspended),
	})
	httpapi.Get(r, "/users/:user_id/suspensions", access.Self().OrPlatformAdmin(), m.listSuspensions, httpapi.Doc{
		ID: "listUserSuspensions", Summary: "List the suspensions of an account",
		Description: "Also those that have ended, the oldest first. Only platform administrators see `reason`, `suspended_by` and `lifted_by`. " +
			"Suspensions in an organization are listed by `/organizations/{organization_id}/members/{user_id}/suspensions`.",
		Refusals: httpapi.Refusals(access.ErrUserNotFound),
	})
	httpapi.Patch(r, "/users/:user_id/suspension", access.PlatformAdminOnly(), m.amend, httpapi.Doc{
		ID: "updateUserSuspension", Summary: "Change the suspension of an account", Versioned: true,
		Description: "Changes the reason, the end or both. " + lifecycle.AmendmentDescription,
		Refusals:    httpapi.Refusals(access.ErrOwnStanding, errNotSuspended),
	})
	httpapi.Post(r, "/users/:user_id/archive", access.Self().OrPlatformAdmin().StepUpByFactor(), m.archive, httpapi.Doc{
		ID: "archiveUser", Summary: "Archive an account", Versioned: true,
		Description: "Organizations whose only member is the person are archived too.",
		Refusals:    httpapi.Refusals(errOwnsOrganization, errAlreadyArchived),
	})
	httpapi.Post(r, "/users/:user_id/unarchive", access.PlatformAdminOnly(), m.unarchive, httpapi.Doc{
		ID: "unarchiveUser", Summary: "Restore an archived account", Versioned: true, Refusals: httpapi.Refusals(errNotArchived, errErased),
	})

	httpapi.Delete(r, "/users/:user_id", access.Self().OrPlatformAdmin().StepUp(), m.requestErasure, httpapi.Doc{
		ID: "eraseUser", Summary: "Erase an account", Versioned: true,
		Description: "Archives the account at once, which ends its sessions, and the organizations whose only member is the person. At `erased_at` (after 14 days; `ERASE_AFTER_DAYS`), everything personal is deleted: only the id stays. " +
			"Until then a platform administrator can cancel it (`cancelErasure`), and so can the person, by the mail that tells them of it. To ask again changes nothing.",
		Refusals: httpapi.Refusals(errOwnsOrganization, errErased, errServiceAccount, errLastPlatformAdmin),
	})
	httpapi.Post(r, "/users/:user_id/cancel-erasure", access.PlatformAdminOnly(), m.cancelErasure, httpapi.Doc{
		ID: "cancelErasure", Summary: "Restore an account that will be erased", Versioned: true,
		Description: "Its organizations stay archived.",
		Refusals:    httpapi.Refusals(errErased, errNotBeingErased),
	})
	httpapi.Get(r, "/users/:user_id/export", access.Self().OrPlatformAdmin().StepUp(), m.export, httpapi.Doc{
		ID: "exportUser", Summary: "Export what the service holds about a person",
		Description: "One JSON document, for a file. It has no secrets, and nothing about other people: not their ids, and not the reasons that they gave in confidence.",
		Refusals:    httpapi.Refusals(access.ErrUserNotFound, ratelimit.Refusal()),
	})

	const member = "/organizations/:organization_id/members/:user_id"
	admin := access.Org(access.Admin)
	over = httpapi.Refusals(access.ErrMemberNotFound, access.ErrOwnStanding, access.ErrEqualOrHigherRole)
	httpapi.Post(r, member+"/suspend", admin, m.suspendMember, httpapi.Doc{
		ID: "suspendMember", Summary: "Suspend a member",
		Description: "A second suspension is refused. `updateMemberSuspension` changes the reason or the end of the first.",
		Refusals:    append(over, errOwnerRequired, errAlreadySuspended),
	})
	httpapi.Post(r, member+"/activate", admin, m.activateMember, httpapi.Doc{
		ID: "activateMember", Summary: "Restore the good standing of a member or former member",
		Description: "Activates the person in the organization and lifts an open suspension. A person in good standing stays as they are: that is 200, too, and not recorded.",
		Refusals:    over,
	})
	httpapi.Post(r, member+"/deactivate", admin, m.deactivateMember, httpapi.Doc{
		ID: "deactivateMember", Summary: "Deactivate a member",
		Description: "An inactive member stays as they are: that is 200, too, and not recorded.",
		Refusals:    append(over, errOwnerRequired),
	})
	httpapi.Patch(r, member+"/suspension", admin, m.updateMemberSuspension, httpapi.Doc{
		ID: "updateMemberSuspension", Summary: "Change the suspension of a member or former member",
		Description: "Changes the reason, the end or both. " + lifecycle.AmendmentDescription,
		Refusals:    append(over, errNotSuspended),
	})
	httpapi.Get(r, member+"/suspensions", admin.OrSelf(), m.listMemberSuspensions, httpapi.Doc{
		ID: "listMemberSuspensions", Summary: "List the suspensions of a member or former member",
		Description: "Also those that have ended, the oldest first. Members see their own, even while they are suspended, but not who acted. " +
			"They see no reason that was given before this operation existed, because until then only admins could read reasons.",
		Refusals: httpapi.Refusals(access.ErrMemberNotFound),
	})
}

// overStanding returns the rule of the routes that change a person's standing.
func overStanding() access.Rule { return access.OverUser(access.Admin) }
