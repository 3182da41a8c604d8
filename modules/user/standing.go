package user

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/httpapi"
)

// subject is what a change of standing is about: a person in one organization,
// or, without one, their account.
type subject struct {
	userID         uuid.UUID
	organizationID uuid.NullUUID
	target         access.Standing
}

func (s subject) isAccount() bool { return !s.organizationID.Valid }

// hold locks what decides whether the caller may change this standing, and
// decides it. An organization's power over a person ends at its own door: only
// a platform administrator reaches the account.
func (m *Module) hold(ctx context.Context, userID uuid.UUID, account bool) (subject, error) {
	caller := access.From(ctx)
	if account {
		return m.holdAccount(ctx, caller, userID)
	}
	organizationID, err := caller.Active()
	if err != nil {
		return subject{}, forOperator(caller, err, errNoOrganization)
	}
	held, err := m.gate.Hold(ctx, organizationID, userID)
	if err != nil {
		return subject{}, err
	}
	if held.Target.Role == access.NoRole {
		if held.Target.AccountExists {
			return subject{}, forOperator(held.Caller, access.ErrUserNotFound, errNotInOrganization)
		}
		return subject{}, access.ErrUserNotFound
	}
	return subject{userID: userID, organizationID: caller.OrganizationID, target: held.Target}, held.Over()
}

// forOperator is what a platform administrator with an account is told in place of a
// refusal: a command on the server has no members of a body to send.
func forOperator(caller access.Caller, others, operators error) error {
	if caller.Operator && caller.By().Valid {
		return operators
	}
	return others
}

func (m *Module) holdAccount(ctx context.Context, caller access.Caller, userID uuid.UUID) (subject, error) {
	if !caller.Operator {
		return subject{}, access.ErrOperatorRequired
	}
	if userID == caller.UserID {
		return subject{}, access.ErrOwnStanding
	}
	if err := m.gate.LockUser(ctx, userID); err != nil {
		return subject{}, err
	}
	target, err := m.gate.Of(ctx, userID, uuid.NullUUID{})
	return subject{userID: userID, target: target}, err
}

// change runs one change of standing: under the lock, and shows the result.
func (m *Module) change(ctx context.Context, userID uuid.UUID, account bool, action audit.Action, details map[string]string, apply func(context.Context, subject) error) (view userView, err error) {
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		s, err := m.hold(ctx, userID, account)
		if err != nil {
			return err
		}
		if account {
			ctx = access.AsOperator(ctx)
		}
		if err := apply(ctx, s); err != nil {
			return err
		}
		if err := m.trail.Record(ctx, audit.Event{Action: action, OrganizationID: s.organizationID, UserID: userID, Details: details}); err != nil {
			return err
		}
		view, err = m.view(ctx, userID)
		return err
	})
	return view, err
}

func (m *Module) restoreStanding(ctx context.Context, userID uuid.UUID, account bool) (userView, error) {
	return m.change(ctx, userID, account, audit.UserActivated, nil, func(ctx context.Context, s subject) error {
		if s.isAccount() && s.target.AccountArchived {
			return errArchived
		}
		by := access.From(ctx).By()
		if err := m.store.activate(ctx, s, by, m.now()); err != nil {
			return err
		}
		return m.store.liftSuspension(ctx, s, by, m.now())
	})
}

func (m *Module) endActivity(ctx context.Context, userID uuid.UUID, account bool) (userView, error) {
	return m.change(ctx, userID, account, audit.UserDeactivated, nil, func(ctx context.Context, s subject) error {
		if !s.isAccount() && s.target.Role == access.Owner {
			return errOwnerRequired
		}
		if err := m.store.deactivate(ctx, s, access.From(ctx).By(), m.now()); err != nil {
			return err
		}
		return m.endSessions(ctx, s, "account_deactivated")
	})
}

func (m *Module) beginSuspension(ctx context.Context, userID uuid.UUID, account bool, reason string, until *time.Time) (userView, error) {
	if until != nil && !until.After(m.now()) {
		return userView{}, httpapi.Invalid("body.suspended_until", "must be in the future.")
	}
	details := audit.Because(reason, until)
	if account {
		details = audit.Withheld(details)
	}
	return m.change(ctx, userID, account, audit.UserSuspended, details, func(ctx context.Context, s subject) error {
		if !s.isAccount() && s.target.Role == access.Owner {
			return errOwnerRequired
		}
		if err := m.store.suspend(ctx, s, reason, until, access.From(ctx).By(), m.now()); err != nil {
			return err
		}
		return m.endSessions(ctx, s, "account_suspended")
	})
}

// endSessions ends them for good when the account may no longer act, so that
// none comes back to life with it.
func (m *Module) endSessions(ctx context.Context, s subject, reason string) error {
	if !s.isAccount() {
		return nil
	}
	return m.sessions.EndAll(ctx, s.userID, reason)
}
