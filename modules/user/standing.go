package user

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/lifecycle"
)

// target names the standing that a request changes: that of an account, of a membership
// in the organization in the path, or of one in the caller's active organization.
type target struct {
	userID         uuid.UUID
	account        bool
	organizationID uuid.NullUUID // in the path
}

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

// isActive and isSuspended return the standing that the change is about.
func (s subject) isActive() bool {
	if s.isAccount() {
		return s.target.AccountActive
	}
	return s.target.MembershipActive
}

func (s subject) isSuspended() bool {
	if s.isAccount() {
		return s.target.AccountSuspended
	}
	return s.target.MembershipSuspended
}

// lock locks the rows that decide whether the caller may change this standing, and
// authorizes the caller. Admins may change the standing only within their organization;
// only platform administrators may change that of the account. Former says that in the
// organization in the path it may be that of a former member.
func (svc *Service) lock(ctx context.Context, t target, former bool) (subject, error) {
	caller := access.From(ctx)
	if t.account {
		return svc.lockAccount(ctx, caller, t.userID)
	}
	organizationID, unknown := t.organizationID.UUID, access.ErrMemberNotFound
	if !t.organizationID.Valid {
		var err error
		if organizationID, err = caller.Active(); err != nil {
			return subject{}, forPlatformAdmin(caller, err, errNoOrganization)
		}
		former, unknown = false, access.ErrUserNotFound
	}
	locked, err := svc.gate.Lock(ctx, organizationID, t.userID)
	if err != nil {
		return subject{}, err
	}
	s := subject{userID: t.userID, organizationID: audit.In(organizationID), target: locked.Target}
	switch {
	case locked.Target.Role != access.NoRole, former && locked.WasMember:
		return s, locked.CheckOutranks()
	case locked.Target.AccountExists && !t.organizationID.Valid:
		return subject{}, forPlatformAdmin(locked.Caller, unknown, errNotInOrganization)
	default:
		return subject{}, unknown
	}
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

// change is one kind of change of a standing.
type change struct {
	action audit.Action
	former bool // also of a former member, if the organization is in the path
	// apply returns the details of the audit event, or nil if nothing changed.
	apply func(context.Context, subject) (details map[string]string, err error)
}

// change makes a change under the lock, and records it.
func (svc *Service) change(ctx context.Context, t target, c change) error {
	return svc.db.InTx(ctx, func(ctx context.Context) error {
		s, err := svc.lock(ctx, t, c.former)
		if err != nil {
			return err
		}
		if s.isAccount() {
			ctx = access.AsPlatformAdmin(ctx)
		}
		details, err := c.apply(ctx, s)
		if err != nil || details == nil {
			return err
		}
		if s.isAccount() && details["reason"] != "" {
			details = audit.Salted(details)
		}
		return svc.trail.Record(ctx, audit.Event{Action: c.action, OrganizationID: s.organizationID, UserID: s.userID, Details: details})
	})
}

// changed makes a change and returns the person.
func (svc *Service) changed(ctx context.Context, t target, c change) (view userView, err error) {
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.checkVersion(ctx, t.userID); err != nil {
			return err
		}
		if err := svc.change(ctx, t, c); err != nil {
			return err
		}
		view, err = svc.get(ctx, userPath{t.userID})
		return err
	})
	return view, err
}

// changedMember makes a change and returns the person's standing in the organization.
func (svc *Service) changedMember(ctx context.Context, in memberPath, c change) (view memberStandingView, err error) {
	t := in.target()
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.change(ctx, t, c); err != nil {
			return err
		}
		s, err := svc.gate.Of(ctx, t.userID, t.organizationID)
		if err != nil {
			return err
		}
		view = memberStandingView{OrganizationID: in.OrganizationID, UserID: in.UserID, Role: s.Role.OrNil(), Standing: lifecycle.OfMembership(s)}
		view.Suspension, err = svc.store.lifecycle.Suspension(ctx, subject{userID: t.userID, organizationID: t.organizationID}.key(), svc.now())
		return err
	})
	return view, err
}

// activate makes a person active and lifts an open suspension. It refuses an archived
// account (account_archived).
func (svc *Service) activate(ctx context.Context, in standingInput) (userView, error) {
	return svc.changed(ctx, in.target(), svc.activation())
}

// activateMember does it for a member or former member of the organization in the path. It
// refuses a person who was never one (member_not_found).
func (svc *Service) activateMember(ctx context.Context, in memberPath) (memberStandingView, error) {
	return svc.changedMember(ctx, in, svc.activation())
}

func (svc *Service) activation() change {
	return change{action: audit.UserActivated, former: true, apply: func(ctx context.Context, s subject) (map[string]string, error) {
		if s.isAccount() && s.target.AccountArchived {
			return nil, errArchived
		}
		by := access.From(ctx).By()
		var lifted []string
		if !s.isActive() {
			if err := svc.store.lifecycle.Activate(ctx, s.key(), by, svc.now()); err != nil {
				return nil, err
			}
			lifted = append(lifted, "deactivation")
		}
		if s.isSuspended() {
			if err := svc.store.lifecycle.Lift(ctx, s.key(), by, svc.now()); err != nil {
				return nil, err
			}
			lifted = append(lifted, "suspension")
		}
		if lifted == nil { // mutant: silent-repeat
			return nil, nil
		}
		return map[string]string{"lifted": strings.Join(lifted, " ")}, nil
	}}
}

// deactivate makes a person inactive. It refuses the owner of the organization
// (owner_required).
func (svc *Service) deactivate(ctx context.Context, in standingInput) (userView, error) {
	return svc.changed(ctx, in.target(), svc.deactivation())
}

func (svc *Service) deactivateMember(ctx context.Context, in memberPath) (memberStandingView, error) {
	return svc.changedMember(ctx, in, svc.deactivation())
}

func (svc *Service) deactivation() change {
	return change{action: audit.UserDeactivated, apply: func(ctx context.Context, s subject) (map[string]string, error) {
		if !s.isAccount() && s.target.Role == access.Owner {
			return nil, errOwnerRequired
		}
		if !s.isActive() {
			return nil, nil
		}
		if err := svc.store.lifecycle.Deactivate(ctx, s.key(), access.From(ctx).By(), svc.now()); err != nil {
			return nil, err
		}
		return map[string]string{}, svc.endSessions(ctx, s, "account_deactivated")
	}}
}

// suspend suspends a person until a time or until the suspension is lifted. It refuses the
// owner of the organization (owner_required) and a second suspension (already_suspended).
func (svc *Service) suspend(ctx context.Context, in suspendInput) (userView, error) {
	return svc.changed(ctx, in.target(), svc.suspension(in.Reason, in.SuspendedUntil))
}

func (svc *Service) suspendMember(ctx context.Context, in suspendMemberInput) (memberStandingView, error) {
	return svc.changedMember(ctx, in.memberPath, svc.suspension(in.Reason, in.SuspendedUntil))
}

func (svc *Service) suspension(because field.Reason, end *field.Time) change {
	reason, until := string(because), end.Pointer()
	return change{action: audit.UserSuspended, apply: func(ctx context.Context, s subject) (map[string]string, error) {
		if !s.isAccount() && s.target.Role == access.Owner {
			return nil, errOwnerRequired
		}
		if err := lifecycle.CheckEnd(until, svc.now()); err != nil {
			return nil, err
		}
		n := svc.newSuspension(ctx, s)
		n.Reason, n.SuspendedUntil = reason, until
		if err := svc.store.lifecycle.Suspend(ctx, s.key(), n); err != nil {
			return nil, err
		}
		return audit.ReasonDetails(reason, until), svc.endSessions(ctx, s, "account_suspended")
	}}
}

// newSuspension returns a suspension by the caller, from now on. The person may read the
// reason of a suspension in an organization. That of their account is between platform
// administrators.
func (svc *Service) newSuspension(ctx context.Context, s subject) Suspension {
	return Suspension{SuspendedAt: svc.now(), SuspendedBy: access.From(ctx).By(), ReasonShared: !s.isAccount()}
}

// amend changes the reason or the end of the suspension of an account. It refuses one that
// is not suspended (not_suspended).
func (svc *Service) amend(ctx context.Context, in amendInput) (userView, error) {
	return svc.changed(ctx, target{userID: in.UserID, account: true}, svc.amendment(in.Amendment))
}

// updateMemberSuspension does it for a member or former member of the organization in the
// path.
func (svc *Service) updateMemberSuspension(ctx context.Context, in amendMemberInput) (memberStandingView, error) {
	return svc.changedMember(ctx, in.memberPath, svc.amendment(in.Amendment))
}

func (svc *Service) amendment(a lifecycle.Amendment) change {
	return change{action: audit.UserAmended, former: true, apply: func(ctx context.Context, s subject) (map[string]string, error) {
		return svc.store.lifecycle.Amend(ctx, s.key(), a, svc.newSuspension(ctx, s))
	}}
}

// endSessions ends the person's sessions when the account may no longer act, so that none
// becomes live again when the account is restored. It also revokes the invitations that they
// made where they may no longer act.
func (svc *Service) endSessions(ctx context.Context, s subject, reason string) error {
	if err := svc.withdrawInvitations(ctx, s.organizationID, s.userID, access.NoRole); err != nil { // mutant: suspended-inviter
		return err
	}
	if !s.isAccount() {
		return nil
	}
	return svc.sessions.EndAll(ctx, s.userID, reason) // mutant: sessions-end-with-account
}

// listMemberSuspensions lists the suspensions of a person in the organization in the path,
// as the caller may see them. It refuses a person who was never a member
// (member_not_found).
func (svc *Service) listMemberSuspensions(ctx context.Context, in memberHistoryInput) (page httpapi.Page[lifecycle.SuspensionRecord], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	s := subject{userID: in.UserID, organizationID: audit.In(in.OrganizationID)}
	switch known, err := svc.gate.WasMember(ctx, s.userID, s.organizationID); {
	case err != nil:
		return page, err
	case !known:
		return page, access.ErrMemberNotFound
	}
	return svc.history(ctx, s, w, access.From(ctx).May(access.Admin))
}

// listSuspensions lists the suspensions of an account, as the caller may see them. It
// refuses an account that does not exist (user_not_found).
func (svc *Service) listSuspensions(ctx context.Context, in historyInput) (page httpapi.Page[lifecycle.SuspensionRecord], err error) {
	w, err := in.Window()
	if err == nil {
		err = svc.gate.CheckUserExists(ctx, in.UserID)
	}
	if err != nil {
		return page, err
	}
	return svc.history(ctx, subject{userID: in.UserID}, w, access.From(ctx).PlatformAdmin)
}

func (svc *Service) history(ctx context.Context, s subject, w httpapi.Window, everything bool) (httpapi.Page[lifecycle.SuspensionRecord], error) {
	page, err := svc.store.lifecycle.History(ctx, s.key(), w, svc.now())
	if !everything {
		for i, r := range page.Items {
			page.Items[i] = r.ForThePerson()
		}
	}
	return page, err
}
