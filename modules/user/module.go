// Package user manages accounts, their profiles, and the standing of accounts and of
// members within each organization.
package user

import (
	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/password"
)

// Module registers the routes and tables of accounts.
type Module struct{ handlers }

var (
	_ module.Module  = (*Module)(nil)
	_ module.Checker = (*Module)(nil)
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
	rule, getMe := access.Reading(access.SignedIn().InGoodStanding(), selfRow, m.getMe)
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
		Description: "Activates the person and lifts an open suspension, in the active organization or, with `scope: account`, for the whole account.",
		Refusals:    append(over, errArchived),
	})
	httpapi.Post(r, "/users/:user_id/deactivate", overStanding(), m.deactivate, httpapi.Doc{
		ID: "deactivateUser", Summary: "Deactivate a person", Versioned: true, Refusals: append(over, errOwnerRequired),
	})
	httpapi.Post(r, "/users/:user_id/suspend", overStanding(), m.suspend, httpapi.Doc{
		ID: "suspendUser", Summary: "Suspend a person", Versioned: true, Refusals: append(over, errOwnerRequired, errAlreadySuspended),
	})
	httpapi.Post(r, "/users/:user_id/archive", access.Self().OrPlatformAdmin(), m.archive, httpapi.Doc{
		ID: "archiveUser", Summary: "Archive an account", Versioned: true,
		Description: "Organizations whose only member is the person are archived too.",
		Refusals:    httpapi.Refusals(errOwnsOrganization, errAlreadyArchived),
	})
	httpapi.Post(r, "/users/:user_id/unarchive", access.PlatformAdminOnly(), m.unarchive, httpapi.Doc{
		ID: "unarchiveUser", Summary: "Restore an archived account", Versioned: true, Refusals: httpapi.Refusals(errNotArchived),
	})
}

// overStanding returns the rule of the routes that change a person's standing.
func overStanding() access.Rule { return access.OverUser(access.Admin) }
