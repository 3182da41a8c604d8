package user

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/password"
)

// view shows a person as the caller sees them.
func (m *Module) view(ctx context.Context, id uuid.UUID) (userView, error) {
	caller := access.From(ctx)
	v, err := m.store.find(ctx, id, caller.OrganizationID, m.now())
	if err != nil || !v.IsSuspended {
		return v, err
	}
	v.Suspensions, err = m.suspensions(ctx, caller, id)
	return v, err
}

// suspensions are those whose reason the caller could have given: the account's are
// the platform administrators', those in an organization its admins'.
func (m *Module) suspensions(ctx context.Context, caller access.Caller, id uuid.UUID) (list []userSuspensionView, err error) {
	show := func(scope standingScope, s subject) error {
		found, err := m.store.suspension(ctx, s, m.now())
		if found != nil {
			list = append(list, userSuspensionView{scope, *found})
		}
		return err
	}
	if caller.Operator {
		err = show(scopeAccount, subject{userID: id})
	}
	if err == nil && caller.OrganizationID.Valid && caller.May(access.Admin) {
		err = show(scopeOrganization, subject{userID: id, organizationID: caller.OrganizationID})
	}
	return list, err
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
		return httpapi.Page[userView]{}, forOperator(caller, err, errNoOrganizationToList)
	}
	return m.store.listMembers(ctx, organizationID, w, m.now())
}

// newcomer is somebody whom a platform administrator lets in.
type newcomer struct {
	email          field.Email
	name           field.Name
	password       string // empty: none
	organizationID uuid.NullUUID
	role           access.Role
}

// letIn makes an account, and in the same transaction runs what comes after it.
func (m *Module) letIn(ctx context.Context, n newcomer, then func(context.Context, userView) error) error {
	if n.password != "" {
		if problem := password.Check(n.password, string(n.email)); problem != "" {
			return httpapi.Invalid("body.password", problem)
		}
	}
	hash, err := m.passwords.Hash(ctx, n.password)
	if err != nil {
		return err
	}
	return m.db.InTx(ctx, func(ctx context.Context) error {
		id, err := m.store.create(ctx, string(n.email), n.email.Canonical(), string(n.name), m.now())
		if err != nil {
			return err
		}
		if err := m.passwords.Save(ctx, id, hash); err != nil {
			return err
		}
		if err := m.trail.Record(ctx, audit.Event{Action: audit.UserCreated, UserID: id, First: true}); err != nil {
			return err
		}
		if n.organizationID.Valid {
			if err := m.enrol(ctx, n.organizationID.UUID, id, n.role); err != nil {
				return err
			}
		}
		view, err := m.view(ctx, id)
		if err != nil {
			return err
		}
		return then(ctx, view)
	})
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
		if err := m.trail.Record(ctx, audit.Event{Action: audit.UserArchived, UserID: id, Details: audit.Withheld(audit.Because(reason, nil))}); err != nil {
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
		event := audit.Event{Action: audit.UserUnarchived, UserID: id}
		if reason != nil {
			event.Details = audit.Withheld(audit.Because(*reason, nil))
		}
		if err := m.trail.Record(ctx, event); err != nil {
			return err
		}
		view, err = m.view(ctx, id)
		return err
	})
	return view, err
}
