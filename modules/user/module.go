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
	rule, getMe := access.Reading(access.SignedIn(), selfRow, m.getMe)
	httpapi.Get(r, "/auth/me", rule, getMe, httpapi.Doc{
		ID: "getMe", Summary: "Who am I",
		Description: "`organization` is the active one, null where there is none or it has been lost.",
	})
	httpapi.Get(r, "/users", access.Active(access.Member), m.list, httpapi.Doc{
		ID: "listUsers", Summary: "List the people of the active organization", MayLag: true,
		Refusals: httpapi.Refusals(access.ErrPlatformAdminRequired),
	})
	httpapi.Post(r, "/users", access.PlatformAdminOnly().WithoutPerson(), m.create, httpapi.Doc{
		ID: "createUser", Summary: "Make an account for somebody",
		Description: "Also where registration is closed. With `organization_id` the person is a member there, or an admin, from the start; " +
			"without, they are in no organization until they found one or are added to one. Without `password` nobody can log in to the account " +
			"until a password is set for it (`guildhall admin set-password`).",
		Refusals: httpapi.Refusals(errEmailTaken, password.ErrBusy),
	})
	httpapi.Get(r, "/users/:user_id", access.Acquaintance(), m.get, httpapi.Doc{
		ID: "getUser", Summary: "Show a person", MayLag: true,
	})
	httpapi.Patch(r, "/users/:user_id/profile", access.Self(), m.updateProfile, httpapi.Doc{
		ID: "updateProfile", Summary: "Change one's profile",
		Description: "Members left out stay as they are; `null` clears `bio` and `avatar_url`.",
	})
	over := httpapi.Refusals(access.ErrOwnStanding, access.ErrEqualOrHigherRole, access.ErrPlatformAdminRequired)
	httpapi.Post(r, "/users/:user_id/activate", overStanding(), m.activate, httpapi.Doc{
		ID: "activateUser", Summary: "Restore a person's good standing",
		Description: "Active again, and any open suspension lifted, in the active organization or, with `scope: account`, as a whole.",
		Refusals:    append(over, errArchived),
	})
	httpapi.Post(r, "/users/:user_id/deactivate", overStanding(), m.deactivate, httpapi.Doc{
		ID: "deactivateUser", Summary: "Deactivate a person", Refusals: append(over, errOwnerRequired),
	})
	httpapi.Post(r, "/users/:user_id/suspend", overStanding(), m.suspend, httpapi.Doc{
		ID: "suspendUser", Summary: "Suspend a person", Refusals: append(over, errOwnerRequired, errAlreadySuspended),
	})
	httpapi.Post(r, "/users/:user_id/archive", access.Self().OrPlatformAdmin(), m.archive, httpapi.Doc{
		ID: "archiveUser", Summary: "Archive an account",
		Description: "Organizations that the person is alone in are archived with it.",
		Refusals:    httpapi.Refusals(errOwnsOrganization, errAlreadyArchived),
	})
	httpapi.Post(r, "/users/:user_id/unarchive", access.PlatformAdminOnly(), m.unarchive, httpapi.Doc{
		ID: "unarchiveUser", Summary: "Restore an archived account", Refusals: httpapi.Refusals(errNotArchived),
	})
}

// overStanding returns the rule of the routes that change a person's standing.
func overStanding() access.Rule { return access.OverUser(access.Admin) }
