package organization

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
)

// Create founds an organization within the caller's transaction.
func (m *Module) Create(ctx context.Context, ownerID uuid.UUID, name string) (uuid.UUID, error) {
	view, err := m.establish(ctx, ownerID, name)
	return view.ID, err
}

func (m *Module) establish(ctx context.Context, ownerID uuid.UUID, name string) (organizationView, error) {
	id, now := uuid.Must(uuid.NewV7()), m.now()
	ctx = database.For(ctx, database.Tenant{OrganizationID: audit.In(id), UserID: ownerID})
	if err := m.store.create(ctx, id, ownerID, name, now); err != nil {
		return organizationView{}, err
	}
	if err := m.memberships.Found(ctx, id, ownerID); err != nil {
		return organizationView{}, err
	}
	err := m.trail.Record(ctx, audit.Event{
		Action: audit.OrganizationCreated, OrganizationID: audit.In(id), UserID: ownerID, Actor: ownerID, First: true,
	})
	return organizationView{ID: id, Name: name, CreatedAt: now, UpdatedAt: now, IsActive: true}, err
}

func (m *Module) found(ctx context.Context, ownerID uuid.UUID, name string) (created httpapi.Created[organizationView], err error) {
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		view, err := m.establish(ctx, ownerID, name)
		if err != nil {
			return err
		}
		created, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/organizations/"+view.ID.String(), view)
		return err
	})
	return created, err
}

// change runs one change: under the organization's lock, with the caller let
// through the gate again, and shows the result.
func (m *Module) change(ctx context.Context, id uuid.UUID, action audit.Action, details map[string]string, apply func(context.Context, access.Held) error) (view organizationView, err error) {
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		held, err := m.gate.Hold(ctx, id, uuid.Nil)
		if err != nil {
			return err
		}
		if err := apply(ctx, held); err != nil {
			return err
		}
		if err := m.trail.Record(ctx, audit.Event{Action: action, OrganizationID: audit.In(id), Details: details}); err != nil {
			return err
		}
		if view, err = m.store.find(ctx, id, m.now()); err != nil {
			return err
		}
		view, err = m.explained(ctx, held.Caller, view)
		return err
	})
	return view, err
}

func (m *Module) beginSuspension(ctx context.Context, id uuid.UUID, reason string, until *time.Time) (organizationView, error) {
	if until != nil && !until.After(m.now()) {
		return organizationView{}, httpapi.Invalid("body.suspended_until", "must be in the future.")
	}
	return m.change(ctx, id, audit.OrganizationSuspend, audit.Because(reason, until), func(ctx context.Context, held access.Held) error {
		return m.store.suspend(ctx, id, reason, until, held.Caller.By(), held.Caller.ActsAsOperator(access.Owner), m.now())
	})
}

// endSuspension leaves a platform administrator's to platform administrators.
func (m *Module) endSuspension(ctx context.Context, id uuid.UUID) (organizationView, error) {
	return m.change(ctx, id, audit.OrganizationActivate, nil, func(ctx context.Context, held access.Held) error {
		if held.Organization.SuspendedByOperator && !held.Caller.Operator {
			return access.ErrSuspendedByTheOperator
		}
		return m.store.liftSuspension(ctx, id, held.Caller.By(), m.now())
	})
}

// ArchiveWithOwner archives the organizations that a person is alone in, and
// refuses (owner_required) while they own one that others are in. It runs in the
// transaction that archives the person.
func (m *Module) ArchiveWithOwner(ctx context.Context, userID uuid.UUID, reason string) error {
	ctx = database.ForAll(ctx) // whatever organization the caller is in
	owned, err := m.store.lockOwned(ctx, userID)
	if err != nil {
		return err
	}
	for _, o := range owned {
		if o.members > 1 {
			return errOwnerRequired
		}
	}
	if err := m.store.archiveAll(ctx, owned, reason, access.From(ctx).By(), m.now()); err != nil {
		return err
	}
	for _, o := range owned {
		if err := m.trail.Record(ctx, audit.Event{Action: audit.OrganizationArchive, OrganizationID: audit.In(o.id), UserID: userID}); err != nil {
			return err
		}
	}
	return nil
}
