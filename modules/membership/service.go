package membership

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/httpapi"
	"guildhall/platform/ratelimit"
)

// Found makes a person the first member and the owner of a new organization,
// within the caller's transaction.
func (m *Module) Found(ctx context.Context, organizationID, userID uuid.UUID) error {
	now := m.now()
	if err := m.store.add(ctx, organizationID, userID, now); err != nil {
		return err
	}
	if err := m.store.setOwner(ctx, organizationID, userID, now); err != nil {
		return err
	}
	return m.users.Welcome(ctx, userID, organizationID)
}

// adding is limited for each person who adds others: it tells who has an account.
var adding = ratelimit.Policy{Name: "member-adding", Burst: 200, Interval: 2 * time.Second}

// join adds a person, named by id or else by canonical email.
func (m *Module) join(ctx context.Context, organizationID, userID uuid.UUID, email string) (answer httpapi.Created[grantView], err error) {
	attempt := ratelimit.Demand{Policy: adding, Key: access.From(ctx).UserID.String()}
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		if err := m.limit.Take(ctx, attempt); err != nil {
			return err
		}
		id, err := userID, error(nil)
		if id == uuid.Nil && email != "" {
			if id, err = m.store.byEmail(ctx, email); err != nil {
				return err
			}
		}
		view, err := m.enter(ctx, organizationID, id)
		if err != nil {
			return err
		}
		answer, err = created(ctx, "members", view)
		return err
	})
	if database.IsDuplicate(err) { // at SERIALIZABLE what was read may be older than the lock
		err = errAlreadyMember
	}
	var refused *fault.Error
	if errors.As(err, &refused) && !errors.Is(err, ratelimit.Refusal()) {
		// What was refused was rolled back; that it was tried is counted all the same.
		if err := m.limit.Take(ctx, attempt); err != nil {
			return answer, err
		}
	}
	return answer, err
}

// enter makes a person a member, within the caller's transaction.
func (m *Module) enter(ctx context.Context, organizationID, userID uuid.UUID) (view grantView, err error) {
	held, err := m.gate.Hold(ctx, organizationID, userID)
	switch {
	case err != nil:
		return view, err
	case !held.Target.AccountExists || held.Target.AccountArchived:
		return view, access.ErrUserNotFound
	case held.Target.Role != access.NoRole:
		return view, errAlreadyMember
	}
	view = grantView{OrganizationID: organizationID, UserID: userID, Role: access.Member, JoinedAt: m.now()}
	if err := m.store.add(ctx, organizationID, userID, view.JoinedAt); err != nil {
		return view, err
	}
	if err := m.users.Welcome(ctx, userID, organizationID); err != nil {
		return view, err
	}
	return view, m.record(ctx, audit.MemberAdded, organizationID, userID)
}

// Enrol makes an account a member of an organization, or an admin, within the
// transaction that makes the account.
func (m *Module) Enrol(ctx context.Context, organizationID, userID uuid.UUID, role access.Role) error {
	if _, err := m.enter(ctx, organizationID, userID); err != nil || !role.Includes(access.Admin) {
		return err
	}
	_, err := m.raise(ctx, organizationID, userID)
	return err
}

func (m *Module) record(ctx context.Context, action audit.Action, organizationID, userID uuid.UUID) error {
	return m.trail.Record(ctx, audit.Event{Action: action, OrganizationID: audit.In(organizationID), UserID: userID})
}

// leave removes a member: themselves, or somebody below the caller.
func (m *Module) leave(ctx context.Context, organizationID, userID uuid.UUID) error {
	return m.db.InTx(ctx, func(ctx context.Context) error {
		held, err := m.gate.Hold(ctx, organizationID, userID)
		if err != nil {
			return err
		}
		oneself := userID == held.Caller.UserID
		if !oneself && !held.Caller.May(access.Admin) {
			return access.ErrInsufficientRole
		}
		if held.Target.Role == access.NoRole {
			return errMemberNotFound
		}
		if !oneself {
			if err := held.Over(); err != nil {
				return err
			}
		}
		if held.Target.Role == access.Owner {
			return errOwnerRequired
		}
		if err := m.store.remove(ctx, organizationID, userID); err != nil {
			return err
		}
		if oneself {
			return m.record(ctx, audit.MemberLeft, organizationID, userID)
		}
		return m.record(ctx, audit.MemberRemoved, organizationID, userID)
	})
}

func (m *Module) promote(ctx context.Context, organizationID, userID uuid.UUID) (answer httpapi.Created[grantView], err error) {
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		view, err := m.raise(ctx, organizationID, userID)
		if err != nil {
			return err
		}
		answer, err = created(ctx, "admins", view)
		return err
	})
	return answer, err
}

// raise makes a member an admin, within the caller's transaction.
func (m *Module) raise(ctx context.Context, organizationID, userID uuid.UUID) (view grantView, err error) {
	held, err := m.gate.Hold(ctx, organizationID, userID)
	if err != nil {
		return view, err
	}
	switch {
	case held.Target.Role == access.NoRole:
		return view, errNotAMember
	case userID == held.Caller.UserID:
		return view, access.ErrOwnStanding
	case held.Target.Role.Includes(access.Admin):
		return view, errAlreadyAdmin
	}
	if view, err = m.store.grant(ctx, organizationID, userID, held.Caller.By(), m.now()); err != nil {
		return view, err
	}
	return view, m.record(ctx, audit.AdminGranted, organizationID, userID)
}

func (m *Module) demote(ctx context.Context, organizationID, userID uuid.UUID) error {
	return m.db.InTx(ctx, func(ctx context.Context) error {
		held, err := m.gate.Hold(ctx, organizationID, userID)
		if err != nil {
			return err
		}
		if held.Target.Role != access.Admin {
			return errAdminNotFound
		}
		if err := held.Over(); err != nil {
			return err
		}
		if err := m.store.revoke(ctx, organizationID, userID); err != nil {
			return err
		}
		return m.record(ctx, audit.AdminRevoked, organizationID, userID)
	})
}

// handOver makes a member the owner and the former owner an admin. The new
// owner's account is locked too, so that it is not archived meanwhile.
func (m *Module) handOver(ctx context.Context, organizationID, newOwnerID uuid.UUID) error {
	return m.db.InTx(ctx, func(ctx context.Context) error {
		err := m.gate.LockUser(ctx, newOwnerID)
		if errors.Is(err, access.ErrUserNotFound) {
			return errNotAMember
		}
		if err != nil {
			return err
		}
		held, err := m.gate.Hold(ctx, organizationID, newOwnerID)
		if err != nil {
			return err
		}
		switch {
		case held.Target.Role == access.NoRole:
			return errNotAMember
		case held.Target.Role == access.Owner:
			return errAlreadyOwner
		case !held.Target.AccountGood() || !held.Target.MembershipGood():
			return errNotInGoodStanding
		}
		if err := m.store.transfer(ctx, organizationID, newOwnerID, held.Caller.By(), m.now()); err != nil {
			return err
		}
		return m.record(ctx, audit.OwnershipTransferred, organizationID, newOwnerID)
	})
}

// standingOf shows a member's standing to themselves and to admins.
func (m *Module) standingOf(ctx context.Context, organizationID, userID uuid.UUID) (access.Standing, error) {
	caller := access.From(ctx)
	if userID != caller.UserID && !caller.May(access.Admin) {
		return access.Standing{}, access.ErrInsufficientRole
	}
	s, err := m.gate.Of(ctx, userID, uuid.NullUUID{UUID: organizationID, Valid: true})
	if err == nil && s.Role == access.NoRole {
		err = errMemberNotFound
	}
	return s, err
}
