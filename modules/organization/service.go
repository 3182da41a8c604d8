package organization

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
)

// Memberships stores the members of organizations.
type Memberships interface {
	// AddOwner makes a person the first member and the owner of a new organization,
	// within the caller's transaction.
	AddOwner(ctx context.Context, organizationID, userID uuid.UUID) error
}

// Dependencies of a Service. All are required.
type Dependencies struct {
	DB          *database.DB
	Gate        *access.Gate
	Trail       *audit.Trail
	Memberships Memberships
	Now         func() time.Time
}

// Service implements the operations of the routes, the command line and other modules.
type Service struct {
	db          *database.DB
	gate        *access.Gate
	trail       *audit.Trail
	memberships Memberships
	now         func() time.Time
	store       *store
}

// NewService returns the service.
func NewService(d Dependencies) *Service {
	return &Service{db: d.DB, gate: d.Gate, trail: d.Trail, memberships: d.Memberships, now: d.Now, store: newStore(d.DB)}
}

// Create creates an organization with its owner, within the caller's transaction.
func (svc *Service) Create(ctx context.Context, ownerID uuid.UUID, name string) (uuid.UUID, error) {
	view, err := svc.createFor(ctx, ownerID, name)
	return view.ID, err
}

func (svc *Service) createFor(ctx context.Context, ownerID uuid.UUID, name string) (organizationView, error) {
	id, now := uuid.Must(uuid.NewV7()), svc.now()
	ctx = database.For(ctx, database.Tenant{OrganizationID: audit.In(id), UserID: ownerID})
	if err := svc.store.create(ctx, id, ownerID, name, now); err != nil {
		return organizationView{}, err
	}
	if err := svc.memberships.AddOwner(ctx, id, ownerID); err != nil {
		return organizationView{}, err
	}
	err := svc.trail.Record(ctx, audit.Event{
		Action: audit.OrganizationCreated, OrganizationID: audit.In(id), UserID: ownerID, Actor: ownerID, First: true,
	})
	return organizationView{ID: id, Name: name, CreatedAt: now, UpdatedAt: now, IsActive: true, Role: new(access.Owner)}, err
}

// create creates an organization with the caller as its owner.
func (svc *Service) create(ctx context.Context, in createInput) (created httpapi.Created[organizationView], err error) {
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		view, err := svc.createFor(ctx, access.From(ctx).UserID, string(in.Name))
		if err != nil {
			return err
		}
		created, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/organizations/"+view.ID.String(), view)
		return err
	})
	return created, err
}

// listOf lists the organizations of a person. It refuses a person who does not exist
// (user_not_found).
func (svc *Service) listOf(ctx context.Context, in listOfInput) (page httpapi.Page[userMembershipView], err error) {
	w, err := in.Window()
	if err == nil {
		err = svc.gate.CheckUserExists(ctx, in.UserID)
	}
	if err != nil {
		return page, err
	}
	page, err = svc.store.listOf(ctx, in.UserID, in.IncludeArchived != nil && *in.IncludeArchived, w, svc.now())
	for i := range page.Items {
		page.Items[i].reveal(access.From(ctx))
	}
	return page, err
}

// listMine lists the organizations that the caller may switch between.
func (svc *Service) listMine(ctx context.Context, _ struct{}) (choicesView, error) {
	caller := access.From(ctx)
	list, err := svc.store.choices(ctx, caller.UserID, svc.now())
	for i, c := range list {
		if c.Standing == goodChoice && c.asksForFactor && !caller.Standing.Strong {
			list[i].Standing = choiceStanding(access.ErrFactorRequired.Code)
			if caller.Standing.Enrolled {
				list[i].Standing = choiceStanding(access.ErrStepUpRequired.Code)
			}
		}
	}
	return choicesView{Organizations: list}, err
}

// get returns the organization of the path. The gate has read its row.
func (svc *Service) get(ctx context.Context, in organizationPath, r *shown) (organizationView, error) {
	caller := access.From(ctx)
	return svc.shownTo(ctx, caller, fromGate(in.OrganizationID, r, caller.Standing))
}

// shownTo adds what not every caller may read: the external id, and for the organization's
// admins the suspension in force with its reason.
func (svc *Service) shownTo(ctx context.Context, caller access.Caller, v organizationView) (_ organizationView, err error) {
	v.reveal(caller)
	if v.IsSuspended && caller.May(access.Admin) {
		v.Suspension, err = svc.suspension(ctx, v.ID)
	}
	return v, err
}

// suspension returns the suspension in force, or nil.
func (svc *Service) suspension(ctx context.Context, id uuid.UUID) (*Suspension, error) {
	s, err := svc.store.lifecycle.Suspension(ctx, lifecycle.Of(id), svc.now())
	if s == nil {
		return nil, err
	}
	return &Suspension{Reason: s.Reason, ByPlatform: s.ByPlatform, SuspendedAt: s.SuspendedAt, SuspendedBy: s.SuspendedBy, SuspendedUntil: s.SuspendedUntil}, nil
}

// change applies one change and returns the result. It locks the organization, and the
// gate authorizes the caller again under the lock. The change returns the details of the
// audit event, or nil if it changed nothing.
func (svc *Service) change(ctx context.Context, id uuid.UUID, action audit.Action, apply func(context.Context, access.Locked) (map[string]string, error)) (view organizationView, err error) {
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		locked, err := svc.gate.Lock(ctx, id, uuid.Nil)
		if err != nil {
			return err
		}
		current := func(ctx context.Context) (organizationView, error) {
			view, err := svc.store.find(ctx, id, svc.now())
			if err != nil {
				return view, err
			}
			view.Role = locked.Organization.Role.OrNil()
			return svc.shownTo(ctx, locked.Caller, view)
		}
		if err := httpapi.CheckVersion(ctx, current); err != nil {
			return err
		}
		details, err := apply(ctx, locked)
		if err != nil {
			return err
		}
		if details != nil {
			if err := svc.trail.Record(ctx, audit.Event{Action: action, OrganizationID: audit.In(id), Details: details}); err != nil {
				return err
			}
		}
		view, err = current(ctx)
		return err
	})
	return view, err
}

// rename changes the organization's name.
func (svc *Service) rename(ctx context.Context, in renameInput) (organizationView, error) {
	return svc.change(ctx, in.OrganizationID, audit.OrganizationRenamed, func(ctx context.Context, _ access.Locked) (map[string]string, error) {
		former, err := svc.store.rename(ctx, in.OrganizationID, string(in.Name), svc.now())
		return map[string]string{"name": string(in.Name), "former_name": former}, err
	})
}

// suspend suspends the organization until a time or until the suspension is lifted. It
// refuses a second suspension (already_suspended).
func (svc *Service) suspend(ctx context.Context, in suspendInput) (organizationView, error) {
	reason, until := string(in.Reason), in.SuspendedUntil.Pointer()
	return svc.change(ctx, in.OrganizationID, audit.OrganizationSuspend, func(ctx context.Context, locked access.Locked) (map[string]string, error) {
		if err := lifecycle.CheckEnd(until, svc.now()); err != nil {
			return nil, err
		}
		n := svc.newSuspension(locked)
		n.Reason, n.SuspendedUntil = reason, until
		return audit.ReasonDetails(reason, until), svc.store.lifecycle.Suspend(ctx, lifecycle.Of(in.OrganizationID), n)
	})
}

// newSuspension returns a suspension by the caller, from now on.
func (svc *Service) newSuspension(locked access.Locked) lifecycle.Suspension {
	return lifecycle.Suspension{
		SuspendedAt: svc.now(), SuspendedBy: locked.Caller.By(), ByPlatform: locked.Caller.ActsAsPlatformAdmin(access.Owner),
	}
}

// checkMayLift refuses to change or lift a suspension by a platform administrator, unless
// the caller is one (suspended_by_platform).
func checkMayLift(locked access.Locked) error {
	if locked.Organization.SuspendedByPlatform && !locked.Caller.PlatformAdmin {
		return access.ErrSuspendedByPlatform
	}
	return nil
}

// amend changes the reason or the end of the suspension. It refuses an organization that
// is not suspended (not_suspended).
func (svc *Service) amend(ctx context.Context, in amendInput) (organizationView, error) {
	return svc.change(ctx, in.OrganizationID, audit.OrganizationAmended, func(ctx context.Context, locked access.Locked) (map[string]string, error) {
		if err := checkMayLift(locked); err != nil {
			return nil, err
		}
		return svc.store.lifecycle.Amend(ctx, lifecycle.Of(in.OrganizationID), in.Amendment, svc.newSuspension(locked))
	})
}

// listSuspensions lists the suspensions of the organization.
func (svc *Service) listSuspensions(ctx context.Context, in historyInput) (page httpapi.Page[lifecycle.SuspensionRecord], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	return svc.store.lifecycle.History(ctx, lifecycle.Of(in.OrganizationID), w, svc.now())
}

// activate lifts a suspension, if there is one. If a platform administrator suspended the
// organization, it refuses other callers (suspended_by_platform).
func (svc *Service) activate(ctx context.Context, in organizationPath) (organizationView, error) {
	return svc.change(ctx, in.OrganizationID, audit.OrganizationActivate, func(ctx context.Context, locked access.Locked) (map[string]string, error) {
		if err := checkMayLift(locked); err != nil || !locked.Organization.OrganizationSuspended {
			return nil, err
		}
		return map[string]string{"lifted": "suspension"}, svc.store.lifecycle.Lift(ctx, lifecycle.Of(in.OrganizationID), locked.Caller.By(), svc.now())
	})
}

// archive archives the organization. It refuses an archived one (already_archived).
func (svc *Service) archive(ctx context.Context, in archiveInput) (organizationView, error) {
	return svc.change(ctx, in.OrganizationID, audit.OrganizationArchive, func(ctx context.Context, locked access.Locked) (map[string]string, error) {
		return audit.ReasonDetails(string(in.Reason), nil),
			svc.store.lifecycle.Archive(ctx, lifecycle.Of(in.OrganizationID), string(in.Reason), locked.Caller.By(), svc.now())
	})
}

// unarchive restores an archived organization. It refuses any other (not_archived).
func (svc *Service) unarchive(ctx context.Context, in unarchiveInput) (organizationView, error) {
	details := map[string]string{}
	if in.Reason != nil {
		details = audit.ReasonDetails(string(*in.Reason), nil)
	}
	return svc.change(ctx, in.OrganizationID, audit.OrganizationRestore, func(ctx context.Context, locked access.Locked) (map[string]string, error) {
		return details, svc.store.lifecycle.Unarchive(ctx, lifecycle.Of(in.OrganizationID), (*string)(in.Reason), locked.Caller.By(), svc.now())
	})
}

// ArchiveWithOwner archives the organizations whose only member is the person. It refuses
// if they own an organization with other members (owner_required). It runs in the
// transaction that archives the person.
func (svc *Service) ArchiveWithOwner(ctx context.Context, userID uuid.UUID, reason string) error {
	ctx = database.ForAll(ctx) // not only the caller's organization
	owned, err := svc.store.lockOwned(ctx, userID)
	if err != nil {
		return err
	}
	for _, o := range owned {
		if o.members > 1 {
			return errOwnerRequired
		}
	}
	for _, o := range owned {
		if err := svc.store.lifecycle.Archive(ctx, lifecycle.Of(o.id), reason, access.From(ctx).By(), svc.now()); err != nil {
			return err
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: audit.OrganizationArchive, OrganizationID: audit.In(o.id), UserID: userID}); err != nil {
			return err
		}
	}
	return nil
}
