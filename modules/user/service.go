package user

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/httpapi"
)

// view shows a person as the caller sees them.
func (m *Module) view(ctx context.Context, id uuid.UUID) (userView, error) {
	return m.store.find(ctx, id, access.From(ctx).OrganizationID, m.now())
}

func (m *Module) people(ctx context.Context, w httpapi.Window, everybody bool) (httpapi.Page[userView], error) {
	caller := access.From(ctx)
	if everybody {
		if !caller.Operator {
			return httpapi.Page[userView]{}, access.ErrOperatorRequired
		}
		return m.store.listAll(ctx, caller.OrganizationID, w, m.now())
	}
	organizationID, err := caller.Active()
	if err != nil {
		return httpapi.Page[userView]{}, err
	}
	return m.store.listMembers(ctx, organizationID, w, m.now())
}

func (m *Module) changeProfile(ctx context.Context, id uuid.UUID, changes map[string]any) (view userView, err error) {
	if len(changes) == 0 {
		return m.view(ctx, id)
	}
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		if err := m.store.updateProfile(ctx, id, changes, m.now()); err != nil {
			return err
		}
		err := m.trail.Record(ctx, audit.Event{
			Action: audit.ProfileChanged, UserID: id, Details: map[string]string{"fields": strings.Join(slices.Sorted(maps.Keys(changes)), " ")},
		})
		if err != nil {
			return err
		}
		view, err = m.view(ctx, id)
		return err
	})
	return view, err
}

func (m *Module) archiveAccount(ctx context.Context, id uuid.UUID, reason string) (view userView, err error) {
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		if err := m.gate.LockUser(ctx, id); err != nil {
			return err
		}
		if err := m.store.archive(ctx, id, reason, access.From(ctx).By(), m.now()); err != nil {
			return err
		}
		for _, hook := range m.hooks {
			if err := hook(ctx, id, reason); err != nil {
				return err
			}
		}
		if err := m.sessions.EndAll(ctx, id, "account_archived"); err != nil {
			return err
		}
		if err := m.trail.Record(ctx, audit.Event{Action: audit.UserArchived, UserID: id}); err != nil {
			return err
		}
		view, err = m.view(ctx, id)
		return err
	})
	return view, err
}

func (m *Module) restoreAccount(ctx context.Context, id uuid.UUID, reason *string) (view userView, err error) {
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		if err := m.gate.LockUser(ctx, id); err != nil {
			return err
		}
		if err := m.store.restore(ctx, id, reason, access.From(ctx).By(), m.now()); err != nil {
			return err
		}
		if err := m.trail.Record(ctx, audit.Event{Action: audit.UserUnarchived, UserID: id}); err != nil {
			return err
		}
		view, err = m.view(ctx, id)
		return err
	})
	return view, err
}
