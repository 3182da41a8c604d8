package user

import (
	"context"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
)

// subject is what a change of standing is about: a person in one organization, or without
// an organization their account.
type subject struct {
	userID         uuid.UUID
	organizationID uuid.NullUUID
	target         access.Standing
}

func (s subject) key() lifecycle.Subject {
	return lifecycle.Subject{{UUID: s.userID, Valid: true}, s.organizationID}
}

func (s subject) isAccount() bool { return !s.organizationID.Valid }

// lock locks the rows that decide whether the caller may change this standing, and
// authorizes the caller. Admins may change the standing only within their organization;
// only platform administrators may change that of the account.
func (svc *Service) lock(ctx context.Context, userID uuid.UUID, account bool) (subject, error) {
	caller := access.From(ctx)
	if account {
		return svc.lockAccount(ctx, caller, userID)
	}
	organizationID, err := caller.Active()
	if err != nil {
		return subject{}, forPlatformAdmin(caller, err, errNoOrganization)
	}
	locked, err := svc.gate.Lock(ctx, organizationID, userID)
	if err != nil {
		return subject{}, err
	}
	if locked.Target.Role == access.NoRole {
		if locked.Target.AccountExists {
			return subject{}, forPlatformAdmin(locked.Caller, access.ErrUserNotFound, errNotInOrganization)
		}
		return subject{}, access.ErrUserNotFound
	}
	return subject{userID: userID, organizationID: caller.OrganizationID, target: locked.Target}, locked.CheckOutranks()
}

// forPlatformAdmin returns the refusal for platform administrators, which names the missing
// member of the body, or the refusal for others. The command line sends no body, so it gets
// the latter.
func forPlatformAdmin(caller access.Caller, others, operators error) error {
	if caller.PlatformAdmin && caller.By().Valid {
		return operators
	}
	return others
}

func (svc *Service) lockAccount(ctx context.Context, caller access.Caller, userID uuid.UUID) (subject, error) {
	if !caller.PlatformAdmin {
		return subject{}, access.ErrPlatformAdminRequired
	}
	if userID == caller.UserID {
		return subject{}, access.ErrOwnStanding
	}
	if err := svc.gate.LockUser(ctx, userID); err != nil {
		return subject{}, err
	}
	target, err := svc.gate.Of(ctx, userID, uuid.NullUUID{})
	return subject{userID: userID, target: target}, err
}

// change applies one change of standing under the lock and returns the result.
func (svc *Service) change(ctx context.Context, userID uuid.UUID, account bool, action audit.Action, details map[string]string, apply func(context.Context, subject) error) (view userView, err error) {
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.checkVersion(ctx, userID); err != nil {
			return err
		}
		s, err := svc.lock(ctx, userID, account)
		if err != nil {
			return err
		}
		if account {
			ctx = access.AsPlatformAdmin(ctx)
		}
		if err := apply(ctx, s); err != nil {
			return err
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: action, OrganizationID: s.organizationID, UserID: userID, Details: details}); err != nil {
			return err
		}
		view, err = svc.get(ctx, userPath{userID})
		return err
	})
	return view, err
}

// activate makes a person active and lifts an open suspension. It refuses an archived
// account (account_archived).
func (svc *Service) activate(ctx context.Context, in standingInput) (userView, error) {
	return svc.change(ctx, in.UserID, in.Scope.isAccount(), audit.UserActivated, nil, func(ctx context.Context, s subject) error {
		if s.isAccount() && s.target.AccountArchived {
			return errArchived
		}
		by := access.From(ctx).By()
		if err := svc.store.lifecycle.Activate(ctx, s.key(), by, svc.now()); err != nil {
			return err
		}
		return svc.store.lifecycle.Lift(ctx, s.key(), by, svc.now())
	})
}

// deactivate makes a person inactive. It refuses the owner of the organization
// (owner_required).
func (svc *Service) deactivate(ctx context.Context, in standingInput) (userView, error) {
	return svc.change(ctx, in.UserID, in.Scope.isAccount(), audit.UserDeactivated, nil, func(ctx context.Context, s subject) error {
		if !s.isAccount() && s.target.Role == access.Owner {
			return errOwnerRequired
		}
		if err := svc.store.lifecycle.Deactivate(ctx, s.key(), access.From(ctx).By(), svc.now()); err != nil {
			return err
		}
		return svc.endSessions(ctx, s, "account_deactivated")
	})
}

// suspend suspends a person until a time or until the suspension is lifted. It refuses the
// owner of the organization (owner_required) and a second suspension (already_suspended).
func (svc *Service) suspend(ctx context.Context, in suspendInput) (userView, error) {
	until := in.SuspendedUntil.Pointer()
	if until != nil && !until.After(svc.now()) {
		return userView{}, httpapi.Invalid("body.suspended_until", "must be in the future.")
	}
	account, reason := in.Scope.isAccount(), string(in.Reason)
	details := audit.ReasonDetails(reason, until)
	if account {
		details = audit.Salted(details)
	}
	return svc.change(ctx, in.UserID, account, audit.UserSuspended, details, func(ctx context.Context, s subject) error {
		if !s.isAccount() && s.target.Role == access.Owner {
			return errOwnerRequired
		}
		err := svc.store.lifecycle.Suspend(ctx, s.key(), Suspension{
			Reason: reason, SuspendedAt: svc.now(), SuspendedBy: access.From(ctx).By(), SuspendedUntil: until,
		})
		if err != nil {
			return err
		}
		return svc.endSessions(ctx, s, "account_suspended")
	})
}

// endSessions ends the person's sessions when the account may no longer act, so that none
// becomes live again when the account is restored.
func (svc *Service) endSessions(ctx context.Context, s subject, reason string) error {
	if !s.isAccount() {
		return nil
	}
	return svc.sessions.EndAll(ctx, s.userID, reason) // mutant: sessions-end-with-account
}
