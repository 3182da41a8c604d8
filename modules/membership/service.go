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
	"guildhall/platform/lifecycle"
	"guildhall/platform/mail"
	"guildhall/platform/ratelimit"
	"guildhall/platform/roster"
)

// Users stores the standing of members.
type Users interface {
	// Welcome gives a person who joins an organization a good standing there, unless they
	// have had a standing in it before. It runs within the caller's transaction.
	Welcome(ctx context.Context, userID, organizationID uuid.UUID) error
}

// Notify tells a person what was done with their account, with a link to disavow it, within
// the caller's transaction.
type Notify func(ctx context.Context, userID uuid.UUID, kind mail.Kind, data mail.Data) error

// Dependencies of a Service. All are required except Limits: nil limits nothing.
type Dependencies struct {
	DB     *database.DB
	Gate   *access.Gate
	Trail  *audit.Trail
	Limits *ratelimit.Store
	Users  Users
	Mail   *mail.Outbox
	Now    func() time.Time
}

// Service implements the operations of the routes, the command line and other modules. The
// handlers of the routes are its methods, named after the operations.
type Service struct {
	db     *database.DB
	gate   *access.Gate
	trail  *audit.Trail
	limits *ratelimit.Store
	users  Users
	mail   *mail.Outbox
	now    func() time.Time
	store  *store

	withdrawInvitations WithdrawInvitations
	notify              Notify
	removed             Removed
}

// NewService returns the service. Call Connect before its first use.
func NewService(d Dependencies) *Service {
	return &Service{db: d.DB, gate: d.Gate, trail: d.Trail, limits: d.Limits, users: d.Users, mail: d.Mail, now: d.Now, store: newStore(d.DB)}
}

// WithdrawInvitations revokes the invitations that a person who lost a role has open and may
// not make any more, within the caller's transaction. They keep a role, if any.
type WithdrawInvitations func(ctx context.Context, organizationID uuid.NullUUID, userID uuid.UUID, kept access.Role) error

// Removed ends what a member leaves behind, within the transaction that removes them: API keys
// and, if it is a program, its account.
type Removed func(ctx context.Context, organizationID, userID uuid.UUID, isService bool) error

// Connect sets the functions of the services that depend on this one.
func (svc *Service) Connect(withdraw WithdrawInvitations, notify Notify, removed Removed) {
	svc.withdrawInvitations, svc.notify, svc.removed = withdraw, notify, removed
}

// AddOwner makes a person the first member and the owner of a new organization,
// within the caller's transaction.
func (svc *Service) AddOwner(ctx context.Context, organizationID, userID uuid.UUID) error {
	now := svc.now()
	if err := svc.store.add(ctx, organizationID, userID, now); err != nil {
		return err
	}
	if err := svc.store.setOwner(ctx, organizationID, userID, now); err != nil {
		return err
	}
	return svc.users.Welcome(ctx, userID, organizationID)
}

// adding limits how many members each person may add, because a response reveals whether
// an account exists.
var adding = ratelimit.Policy{Name: "member-adding", Burst: 200, Interval: 2 * time.Second}

// addMember adds a person, given by either id or email address, to the organization. It
// refuses a person without an account (user_not_found) and a member (already_member).
func (svc *Service) addMember(ctx context.Context, in addInput) (answer httpapi.Created[grantView], err error) {
	if (in.UserID == nil) == (in.Email == nil) {
		return answer, httpapi.Invalid("body", fault.UserOrEmail)
	}
	attempt := ratelimit.Demand{Policy: adding, Key: access.From(ctx).UserID.String()}
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.limits.Take(ctx, attempt); err != nil {
			return err
		}
		who, err := svc.store.named(ctx, in)
		if err != nil {
			return err
		}
		view, err := svc.add(ctx, in.OrganizationID, who)
		if err != nil {
			return err
		}
		if err := svc.announce(ctx, mail.MemberAdded, in.OrganizationID, access.Member, who.id); err != nil {
			return err
		}
		answer, err = created(ctx, "members", view)
		return err
	})
	err = orAlreadyMember(err)
	var refused *fault.Error
	if errors.As(err, &refused) && !errors.Is(err, ratelimit.Refusal()) {
		// The refusal rolled back the transaction, but the attempt must count.
		if err := svc.limits.Take(ctx, attempt); err != nil {
			return answer, err
		}
	}
	return answer, err
}

// orAlreadyMember returns the refusal for a member who was added in the meantime: at
// SERIALIZABLE, the snapshot may be older than the lock.
func orAlreadyMember(err error) error {
	if database.IsDuplicate(err) {
		return errAlreadyMember
	}
	return err
}

// add makes a person a member, within the caller's transaction. If the service can send
// mail, it refuses a person named by an address that nobody has proved (email_unverified):
// anyone could have registered it.
func (svc *Service) add(ctx context.Context, organizationID uuid.UUID, who named) (view grantView, err error) {
	userID := who.id
	locked, err := svc.gate.Lock(ctx, organizationID, userID)
	switch {
	case err != nil:
		return view, err
	case !locked.Target.AccountExists || locked.Target.AccountArchived:
		return view, access.ErrUserNotFound
	case locked.TargetIsService && locked.Target.Role == access.NoRole: // mutant: service-account-elsewhere
		return view, access.ErrUserNotFound // it is in its own organization only
	case locked.Target.Role != access.NoRole:
		return view, errAlreadyMember
	case who.unverified && svc.mail.Configured(): // mutant: unverified-member
		return view, errEmailUnverified
	}
	now := svc.now()
	if err := svc.store.add(ctx, organizationID, userID, now); err != nil {
		return view, err
	}
	if err := svc.users.Welcome(ctx, userID, organizationID); err != nil {
		return view, err
	}
	standing := locked.Target
	standing.MembershipActive = standing.MembershipActive || !locked.WasMember
	view = grantView{OrganizationID: organizationID, UserID: userID, Role: access.Member, JoinedAt: now, Standing: lifecycle.OfMember(standing)}
	return view, svc.record(ctx, audit.MemberAdded, organizationID, userID, ofRole(access.Member))
}

// AddToOrganization makes a person a member or an admin, within the transaction that
// creates their account.
func (svc *Service) AddToOrganization(ctx context.Context, organizationID, userID uuid.UUID, role access.Role) error {
	if _, err := svc.add(ctx, organizationID, named{id: userID}); err != nil || !role.Includes(access.Admin) {
		return err
	}
	_, err := svc.grant(ctx, organizationID, userID)
	return err
}

// Join makes an invited person a member or an admin, within the caller's transaction. The
// caller has locked the organization, and the person is not a member.
func (svc *Service) Join(ctx context.Context, organizationID, userID uuid.UUID, role access.Role, inviterID uuid.UUID) error {
	now := svc.now()
	if err := svc.store.add(ctx, organizationID, userID, now); err != nil {
		return err
	}
	if err := svc.users.Welcome(ctx, userID, organizationID); err != nil {
		return err
	}
	joined := audit.Event{Action: audit.MemberAdded, OrganizationID: audit.In(organizationID), UserID: userID, Actor: userID, Details: ofRole(access.Member)}
	if err := svc.trail.Record(ctx, joined); err != nil || role != access.Admin {
		return err
	}
	if _, err := svc.store.grant(ctx, organizationID, userID, uuid.NullUUID{UUID: inviterID, Valid: true}, now); err != nil {
		return err
	}
	return svc.trail.Record(ctx, audit.Event{Action: audit.AdminGranted, OrganizationID: audit.In(organizationID), UserID: userID, Actor: userID})
}

func (svc *Service) record(ctx context.Context, action audit.Action, organizationID, userID uuid.UUID, details map[string]string) error {
	return svc.trail.Record(ctx, audit.Event{Action: action, OrganizationID: audit.In(organizationID), UserID: userID, Details: details})
}

func ofRole(r access.Role) map[string]string { return map[string]string{"role": r.String()} }

// removeMember removes a member: the caller themselves, or a member with a lower role. It
// refuses to remove the owner (owner_required).
func (svc *Service) removeMember(ctx context.Context, in memberPath) (none httpapi.NoContent, err error) {
	organizationID, userID := in.OrganizationID, in.UserID
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		locked, err := svc.gate.Lock(ctx, organizationID, userID)
		if err != nil {
			return err
		}
		oneself := userID == locked.Caller.UserID
		if !oneself && !locked.Caller.May(access.Admin) {
			return access.ErrInsufficientRole
		}
		if locked.Target.Role == access.NoRole {
			return access.ErrMemberNotFound
		}
		current := func(ctx context.Context) (memberView, error) { return svc.getMember(ctx, in) }
		if err := httpapi.CheckVersion(ctx, current); err != nil {
			return err
		}
		if !oneself {
			if err := locked.CheckOutranks(); err != nil {
				return err
			}
		}
		if locked.Target.Role == access.Owner {
			return errOwnerRequired
		}
		if err := svc.store.remove(ctx, organizationID, userID); err != nil {
			return err
		}
		if err := svc.withdrawInvitations(ctx, audit.In(organizationID), userID, access.NoRole); err != nil { // mutant: removed-inviter
			return err
		}
		if err := svc.removed(ctx, organizationID, userID, locked.TargetIsService); err != nil {
			return err
		}
		action := audit.MemberRemoved
		if oneself {
			action = audit.MemberLeft
		}
		if err := svc.record(ctx, action, organizationID, userID, ofRole(locked.Target.Role)); err != nil || oneself { // mutant: removal-event
			return err
		}
		return svc.announce(ctx, mail.MemberRemoved, organizationID, access.NoRole, userID)
	})
}

// grantAdmin makes a member an admin. It refuses a person who is not a member
// (not_a_member) and an admin (already_admin).
func (svc *Service) grantAdmin(ctx context.Context, in grantInput) (answer httpapi.Created[grantView], err error) {
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		view, err := svc.grant(ctx, in.OrganizationID, in.UserID)
		if err != nil {
			return err
		}
		if err := svc.announce(ctx, mail.RoleChanged, in.OrganizationID, access.Admin, in.UserID); err != nil {
			return err
		}
		answer, err = created(ctx, "admins", view)
		return err
	})
	return answer, err
}

// grant makes a member an admin, within the caller's transaction.
func (svc *Service) grant(ctx context.Context, organizationID, userID uuid.UUID) (view grantView, err error) {
	locked, err := svc.gate.Lock(ctx, organizationID, userID)
	if err != nil {
		return view, err
	}
	switch {
	case locked.Target.Role == access.NoRole:
		return view, errNotAMember
	case userID == locked.Caller.UserID:
		return view, access.ErrOwnStanding
	case locked.Target.Role.Includes(access.Admin):
		return view, errAlreadyAdmin
	}
	if view, err = svc.store.grant(ctx, organizationID, userID, locked.Caller.By(), svc.now()); err != nil {
		return view, err
	}
	view.Standing = lifecycle.OfMember(locked.Target)
	var details map[string]string
	if locked.Target.AsksAdmins() {
		details = map[string]string{"second_factor": "required"} // their tokens may say less
	}
	return view, svc.record(ctx, audit.AdminGranted, organizationID, userID, details)
}

// revokeAdmin revokes an admin's grant. It refuses a person without one (admin_not_found).
func (svc *Service) revokeAdmin(ctx context.Context, in memberPath) (none httpapi.NoContent, err error) {
	organizationID, userID := in.OrganizationID, in.UserID
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		locked, err := svc.gate.Lock(ctx, organizationID, userID)
		if err != nil {
			return err
		}
		if locked.Target.Role != access.Admin {
			return errAdminNotFound
		}
		if err := locked.CheckOutranks(); err != nil {
			return err
		}
		if err := svc.store.revoke(ctx, organizationID, userID); err != nil {
			return err
		}
		if err := svc.withdrawInvitations(ctx, audit.In(organizationID), userID, access.Member); err != nil { // mutant: demoted-inviter
			return err
		}
		if err := svc.record(ctx, audit.AdminRevoked, organizationID, userID, nil); err != nil {
			return err
		}
		return svc.announce(ctx, mail.RoleChanged, organizationID, access.Member, userID)
	})
}

// transferOwnership makes a member the owner and the former owner an admin. It refuses a
// person who is not a member (not_a_member) or not in good standing. It also locks the new
// owner's account, so that it can't be archived meanwhile.
func (svc *Service) transferOwnership(ctx context.Context, in transferInput) (transferView, error) {
	organizationID, newOwnerID := in.OrganizationID, in.NewOwnerUserID
	err := svc.db.InTx(ctx, func(ctx context.Context) error {
		err := svc.gate.LockUser(ctx, newOwnerID)
		if errors.Is(err, access.ErrUserNotFound) {
			return errNotAMember
		}
		if err != nil {
			return err
		}
		locked, err := svc.gate.Lock(ctx, organizationID, newOwnerID)
		if err != nil {
			return err
		}
		switch {
		case locked.Target.Role == access.NoRole:
			return errNotAMember
		case locked.Target.Role == access.Owner:
			return errAlreadyOwner
		case locked.TargetIsService: // mutant: service-account-owner
			return errServiceAccount
		case !locked.Target.AccountGood() || !locked.Target.MembershipGood():
			return errNotInGoodStanding
		}
		former, err := svc.store.transfer(ctx, organizationID, newOwnerID, locked.Caller.By(), svc.now())
		if err != nil {
			return err
		}
		if err := svc.withdrawInvitations(ctx, audit.In(organizationID), former, access.Admin); err != nil {
			return err
		}
		if err := svc.record(ctx, audit.OwnershipTransferred, organizationID, newOwnerID, map[string]string{"former_owner_user_id": former.String()}); err != nil {
			return err
		}
		if err := svc.announceToFormerOwner(ctx, organizationID, former); err != nil {
			return err
		}
		return svc.announce(ctx, mail.OwnershipTransferred, organizationID, access.Owner, newOwnerID)
	})
	return transferView{Message: "Ownership transferred.", OrganizationID: organizationID, OwnerUserID: newOwnerID}, err
}

// listMembers lists all members, or a selection of them.
func (svc *Service) listMembers(ctx context.Context, in listMembersInput) (httpapi.Page[memberView], error) {
	selection := in.selection()
	w, err := selection.Window(in.PageInput)
	if err != nil {
		return httpapi.Page[memberView]{}, err
	}
	if selection != (roster.Selection{}) {
		return svc.store.selected(ctx, in.OrganizationID, selection, w, svc.now())
	}
	return svc.store.list(ctx, svc.store.membersSQL, "organization_members", in.OrganizationID, w, svc.now())
}

// listAdmins lists the members with the admin grant.
func (svc *Service) listAdmins(ctx context.Context, in listInput) (httpapi.Page[memberView], error) {
	w, err := in.Window()
	if err != nil {
		return httpapi.Page[memberView]{}, err
	}
	return svc.store.list(ctx, svc.store.adminsSQL, "organization_admins", in.OrganizationID, w, svc.now())
}

// getOwner returns the owner.
func (svc *Service) getOwner(ctx context.Context, in organizationPath) (memberView, error) {
	return svc.store.owner(ctx, in.OrganizationID, svc.now())
}

// getMember returns a member. It refuses a person who is not one (member_not_found).
func (svc *Service) getMember(ctx context.Context, in memberPath) (memberView, error) {
	return svc.store.member(ctx, in.OrganizationID, in.UserID, svc.now())
}

// getMyPermissions returns what the caller may do. It refuses a platform administrator
// who is not a member (member_not_found).
func (svc *Service) getMyPermissions(ctx context.Context, in organizationPath) (permissionsView, error) {
	return svc.getPermissions(ctx, memberPath{in, access.From(ctx).UserID})
}

// getPermissions returns what a member may do. Callers may ask about themselves, admins
// about any member.
func (svc *Service) getPermissions(ctx context.Context, in memberPath) (permissionsView, error) {
	caller := access.From(ctx)
	if in.UserID != caller.UserID && !caller.May(access.Admin) {
		return permissionsView{}, access.ErrInsufficientRole
	}
	s, err := svc.gate.Of(ctx, in.UserID, uuid.NullUUID{UUID: in.OrganizationID, Valid: true})
	if err != nil {
		return permissionsView{}, err
	}
	if s.Role == access.NoRole {
		return permissionsView{}, access.ErrMemberNotFound
	}
	may := s.AccountGood() && s.MembershipGood() && !s.OrganizationSuspended
	return permissionsView{
		OrganizationID:        in.OrganizationID,
		UserID:                in.UserID,
		PermissionLevel:       s.Role,
		IsOwner:               s.Role.Includes(access.Owner),
		IsAdmin:               s.Role.Includes(access.Admin),
		IsMember:              s.Role.Includes(access.Member),
		CanManageMembers:      may && s.Role.Includes(access.Admin),
		CanManageAdmins:       may && s.Role.Includes(access.Owner),
		CanTransferOwnership:  may && s.Role.Includes(access.Owner),
		CanAccessOrganization: may,
	}, nil
}

// created returns the response for a person who was added to one of the organization's
// collections.
func created(ctx context.Context, collection string, view grantView) (httpapi.Created[grantView], error) {
	return httpapi.NewCreated(ctx, httpapi.BasePath+"/organizations/"+view.OrganizationID.String()+"/"+collection+"/"+view.UserID.String(), view)
}
