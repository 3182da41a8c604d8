// Package organization manages organizations and their standing.
package organization

import (
	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
)

// Module registers the routes and tables of organizations.
type Module struct{ handlers }

var (
	_ module.Module      = (*Module)(nil)
	_ module.Checker     = (*Module)(nil)
	_ module.WithWorkers = (*Module)(nil)
)

// NewModule returns the module that serves the service.
func NewModule(svc *Service) *Module { return &Module{handlers{svc}} }

// Name implements module.Module.
func (*Module) Name() string { return "organization" }

// Migrations implements module.Module.
func (*Module) Migrations() []migrate.Migration { return migrations() }

// changingStanding returns the rule of the routes that change an organization's standing.
func changingStanding() access.Rule { return access.Org(access.Owner).WhileSuspended() }

// showing returns the rule of the routes that show an organization of any standing.
func showing() access.Rule { return access.Org(access.Member).WhileSuspended().WhileArchived() }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("Organizations and their standing.")
	httpapi.Post(r, "/organizations", access.SignedIn(), m.create, httpapi.Doc{
		ID: "createOrganization", Summary: "Create an organization",
		Description: "The caller becomes its owner and first member.",
	})
	httpapi.Get(r, "/organizations", access.SignedIn(), m.list, httpapi.Doc{
		ID: "listOrganizations", Summary: "List one's organizations",
		Description: "`role` and `joined_at` are null for an organization of which the platform administrator is not a member.",
		Refusals:    httpapi.Refusals(access.ErrPlatformAdminRequired),
	})
	httpapi.Get(r, "/users/:user_id/organizations", access.Self().OrPlatformAdmin(), m.listOf, httpapi.Doc{
		ID: "listUserOrganizations", Summary: "List the organizations of a person",
		Description: "With the role and the standing that the person has there.",
		Refusals:    httpapi.Refusals(access.ErrUserNotFound),
	})
	httpapi.Get(r, "/auth/me/organizations", access.SignedIn(), m.listMine, httpapi.Doc{
		ID: "listMyOrganizations", Summary: "List the organizations one may switch between",
		Description: "`standing` shows where a switch would be refused.",
	})
	rule, get := access.Reading(showing(), organizationRow, m.get)
	httpapi.Get(r, "/organizations/:organization_id", rule, get, httpapi.Doc{
		ID: "getOrganization", Summary: "Show an organization", Versioned: true,
	})
	httpapi.Patch(r, "/organizations/:organization_id", access.Org(access.Admin), m.rename, httpapi.Doc{
		ID: "updateOrganization", Summary: "Rename an organization", Versioned: true,
	})
	httpapi.Get(r, "/organizations/:organization_id/security", access.Org(access.Member).WhileSuspended().BeforeFactor(), m.security, httpapi.Doc{
		ID: "getSecurity", Summary: "Show the policy about second factors", Versioned: true,
	})
	httpapi.Put(r, "/organizations/:organization_id/security", access.Org(access.Owner).NotByKey().StepUpStrongly(), m.secure, httpapi.Doc{
		ID: "setSecurity", Summary: "Ask members for a second factor", Versioned: true,
		Description: "The policy is about what a session has proved, and takes effect with the next request. Whoever it concerns and has proved one factor only is refused in this organization, and in no other: with 401 `step_up_required` if they have a second factor, and with 403 `mfa_enrolment_required` if they have none. A refresh still works; programs that verify tokens themselves and follow the revocations refuse those people, too, but a policy with `from` only once their access tokens have expired.\n\n" +
			"Service accounts are exempt: nobody logs in to them. A person's API key counts as the session that made it (`key_without_factor`). Platform administrators are not members, and exempt.",
	})
	owner := changingStanding()
	httpapi.Post(r, "/organizations/:organization_id/suspend", owner, m.suspend, httpapi.Doc{
		ID: "suspendOrganization", Summary: "Suspend an organization", Versioned: true,
		Description: "A second suspension is refused. `updateOrganizationSuspension` changes the reason or the end of the first.",
		Refusals:    httpapi.Refusals(errAlreadySuspended),
	})
	httpapi.Patch(r, "/organizations/:organization_id/suspension", owner, m.amend, httpapi.Doc{
		ID: "updateOrganizationSuspension", Summary: "Change the suspension of an organization", Versioned: true,
		Description: "Changes the reason, the end or both. " + lifecycle.AmendmentDescription,
		Refusals:    httpapi.Refusals(errNotSuspended, access.ErrSuspendedByPlatform),
	})
	httpapi.Get(r, "/organizations/:organization_id/suspensions", access.Org(access.Admin).WhileSuspended().WhileArchived(), m.listSuspensions, httpapi.Doc{
		ID: "listOrganizationSuspensions", Summary: "List the suspensions of an organization",
		Description: "Also those that have ended, the oldest first.",
	})
	httpapi.Post(r, "/organizations/:organization_id/activate", owner, m.activate, httpapi.Doc{
		ID: "activateOrganization", Summary: "Lift a suspension", Versioned: true,
		Description: "An organization that is not suspended stays as it is: that is 200, too, and not recorded.",
		Refusals:    httpapi.Refusals(access.ErrSuspendedByPlatform),
	})
	httpapi.Post(r, "/organizations/:organization_id/archive", owner.WhileArchived().StepUpByFactor(), m.archive, httpapi.Doc{
		ID: "archiveOrganization", Summary: "Archive an organization", Versioned: true, Refusals: httpapi.Refusals(errAlreadyArchived),
	})
	httpapi.Post(r, "/organizations/:organization_id/unarchive", owner.WhileArchived(), m.unarchive, httpapi.Doc{
		ID: "unarchiveOrganization", Summary: "Restore an archived organization", Versioned: true, Refusals: httpapi.Refusals(errNotArchived),
	})
}
