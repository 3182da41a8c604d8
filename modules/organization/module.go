// Package organization keeps organizations and their standing.
package organization

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
	"guildhall/platform/module"
)

// Memberships is what this module needs of whoever keeps them.
type Memberships interface {
	// Found makes a person the first member and the owner of a new organization,
	// within the caller's transaction.
	Found(ctx context.Context, organizationID, userID uuid.UUID) error
}

// Module is the room of organizations.
type Module struct {
	db          *database.DB
	gate        *access.Gate
	trail       *audit.Trail
	memberships Memberships
	now         func() time.Time
	store       *store
}

var _ module.Module = (*Module)(nil)

// New returns the module.
func New(db *database.DB, gate *access.Gate, trail *audit.Trail, memberships Memberships, now func() time.Time) *Module {
	return &Module{db: db, gate: gate, trail: trail, memberships: memberships, now: now, store: newStore(db)}
}

// Name implements module.Module.
func (*Module) Name() string { return "organization" }

// Migrations implements module.Module.
func (*Module) Migrations() []database.Migration { return migrations() }

// ownersRule is on whatever changes an organization's standing.
func ownersRule() access.Rule { return access.Org(access.Owner).WhileSuspended() }

// seeing is the rule on showing an organization, whatever its standing.
func seeing() access.Rule { return access.Org(access.Member).WhileSuspended().WhileArchived() }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("Organizations and their standing.")
	httpapi.Post(r, "/organizations", access.SignedIn(), m.create, httpapi.Doc{
		ID: "createOrganization", Summary: "Found an organization",
		Description: "The caller becomes its owner and first member.",
	})
	httpapi.Get(r, "/organizations", access.SignedIn(), m.list, httpapi.Doc{
		ID: "listOrganizations", Summary: "List one's organizations",
		Description: "`role` and `joined_at` are null for organizations that a platform administrator is not in.",
		Refusals:    httpapi.Refusals(access.ErrOperatorRequired),
	})
	httpapi.Get(r, "/auth/me/organizations", access.SignedIn(), m.mine, httpapi.Doc{
		ID: "listMyOrganizations", Summary: "List the organizations one may switch between",
	})
	httpapi.Get(r, "/organizations/:organization_id", seeing().Reading(organizationRow), m.get, httpapi.Doc{
		ID: "getOrganization", Summary: "Show an organization",
	})
	httpapi.Patch(r, "/organizations/:organization_id", access.Org(access.Admin), m.rename, httpapi.Doc{
		ID: "updateOrganization", Summary: "Rename an organization",
	})
	owner := ownersRule()
	httpapi.Post(r, "/organizations/:organization_id/suspend", owner, m.suspend, httpapi.Doc{
		ID: "suspendOrganization", Summary: "Suspend an organization", Refusals: httpapi.Refusals(errAlreadySuspended),
	})
	httpapi.Post(r, "/organizations/:organization_id/activate", owner, m.activate, httpapi.Doc{
		ID: "activateOrganization", Summary: "Lift a suspension", Refusals: httpapi.Refusals(access.ErrSuspendedByTheOperator),
	})
	httpapi.Post(r, "/organizations/:organization_id/archive", owner.WhileArchived(), m.archive, httpapi.Doc{
		ID: "archiveOrganization", Summary: "Archive an organization", Refusals: httpapi.Refusals(errAlreadyArchived),
	})
	httpapi.Post(r, "/organizations/:organization_id/unarchive", owner.WhileArchived(), m.unarchive, httpapi.Doc{
		ID: "unarchiveOrganization", Summary: "Restore an archived organization", Refusals: httpapi.Refusals(errNotArchived),
	})
}
