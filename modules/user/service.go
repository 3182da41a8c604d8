package user

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/password"
	"guildhall/platform/search"
)

// Sessions ends sessions.
type Sessions interface {
	// EndAll ends every session of a person, within the caller's transaction.
	EndAll(ctx context.Context, userID uuid.UUID, reason string) error
}

// Passwords stores the password of a new account.
type Passwords interface {
	// Hash returns the hash of a password. For an empty one it returns a hash that no
	// password matches. It is slow.
	Hash(ctx context.Context, chosen string) (string, error)
	// Save stores the password hash of an account, within the caller's transaction.
	Save(ctx context.Context, userID uuid.UUID, hash string) error
}

// AddToOrganization makes a new account a member or an admin of an organization,
// within the transaction that creates the account.
type AddToOrganization func(ctx context.Context, organizationID, userID uuid.UUID, role access.Role) error

// ArchiveHook runs in the transaction that archives an account. An error prevents the
// archive.
type ArchiveHook func(ctx context.Context, userID uuid.UUID, reason string) error

// WithdrawInvitations revokes the invitations of a person who may not act any more: in one
// organization, or in all. It runs in the transaction that changes their standing.
type WithdrawInvitations func(ctx context.Context, organizationID uuid.NullUUID, userID uuid.UUID, kept access.Role) error

// Dependencies of a Service. All are required.
type Dependencies struct {
	DB        *database.DB
	Gate      *access.Gate
	Trail     *audit.Trail
	Sessions  Sessions
	Passwords Passwords
	Now       func() time.Time
}

// Service implements the operations of the routes, the command line and other modules.
type Service struct {
	db                *database.DB
	gate              *access.Gate
	trail             *audit.Trail
	sessions          Sessions
	passwords         Passwords
	now               func() time.Time
	store             *store
	addToOrganization AddToOrganization
	beforeArchive     ArchiveHook

	withdrawInvitations WithdrawInvitations
}

// NewService returns the service. Call Connect before its first use.
func NewService(d Dependencies) *Service {
	return &Service{db: d.DB, gate: d.Gate, trail: d.Trail, sessions: d.Sessions, passwords: d.Passwords, now: d.Now, store: newStore(d.DB)}
}

// Connect sets the functions of the services that depend on this one.
func (svc *Service) Connect(add AddToOrganization, beforeArchive ArchiveHook, withdraw WithdrawInvitations) {
	svc.addToOrganization, svc.beforeArchive, svc.withdrawInvitations = add, beforeArchive, withdraw
}

// Register creates the account of a person who registers, in good standing and within the
// caller's transaction. It refuses an email address that has an account in any spelling
// (email_taken).
func (svc *Service) Register(ctx context.Context, email, canonicalEmail, name string, locale *field.Locale) (uuid.UUID, error) {
	id, err := svc.store.create(ctx, email, canonicalEmail, name, locale, svc.now())
	if err != nil {
		return id, err
	}
	return id, svc.trail.Record(ctx, audit.Event{Action: audit.UserRegistered, UserID: id, Actor: id, First: true})
}

// Verify marks the address of an account as proved, within the caller's transaction. It
// returns false if it was already.
func (svc *Service) Verify(ctx context.Context, id uuid.UUID) (bool, error) {
	first, err := svc.store.verify(ctx, id, svc.now())
	if err != nil || !first {
		return first, err
	}
	return first, svc.trail.Record(ctx, audit.Event{Action: audit.EmailVerified, UserID: id})
}

// ChangeEmail replaces the address of an account, within the caller's transaction. It
// refuses an address that has another account (email_taken).
func (svc *Service) ChangeEmail(ctx context.Context, id uuid.UUID, email, canonicalEmail string, verifiedAt *time.Time) error {
	if err := svc.store.changeEmail(ctx, id, email, canonicalEmail, verifiedAt, svc.now()); err != nil {
		return err
	}
	return svc.trail.Record(ctx, audit.Event{Action: audit.EmailChanged, UserID: id})
}

// Welcome gives a person who joins an organization a good standing there, unless they have
// had a standing in it before. So removing and adding a member does not clear a suspension.
func (svc *Service) Welcome(ctx context.Context, userID, organizationID uuid.UUID) error {
	return svc.store.welcome(ctx, userID, organizationID, svc.now())
}

// get returns a person as the caller sees them. It refuses a person who does not exist
// (user_not_found).
func (svc *Service) get(ctx context.Context, in userPath) (userView, error) {
	caller := access.From(ctx)
	v, err := svc.store.find(ctx, in.UserID, caller.OrganizationID, svc.now())
	if err != nil || !v.IsSuspended {
		return v, err
	}
	v.Suspensions, err = svc.suspensions(ctx, caller, in.UserID)
	return v, err
}

// suspensions returns the suspensions in force whose reasons the caller may see: platform
// administrators see that of the account, admins that in their active organization.
func (svc *Service) suspensions(ctx context.Context, caller access.Caller, id uuid.UUID) (list []userSuspensionView, err error) {
	show := func(scope standingScope, s subject) error {
		found, err := svc.store.lifecycle.Suspension(ctx, s.key(), svc.now())
		if found != nil {
			list = append(list, userSuspensionView{scope, *found})
		}
		return err
	}
	if caller.PlatformAdmin {
		err = show(scopeAccount, subject{userID: id})
	}
	if err == nil && caller.OrganizationID.Valid && caller.May(access.Admin) {
		err = show(scopeOrganization, subject{userID: id, organizationID: caller.OrganizationID})
	}
	return list, err
}

// checkVersion refuses a change if the request names another version of the person than the
// one that get shows. It locks the account, before any organization.
func (svc *Service) checkVersion(ctx context.Context, id uuid.UUID) error {
	return httpapi.CheckVersion(ctx, func(ctx context.Context) (userView, error) {
		if err := svc.gate.LockUser(ctx, id); err != nil {
			return userView{}, err
		}
		return svc.get(ctx, userPath{id})
	})
}

// list returns a page of the members of the active organization, or of all accounts. Only
// platform administrators may list all accounts (operator_required). With ids it returns
// only these people, and former members too; with q, those who match.
func (svc *Service) list(ctx context.Context, w httpapi.Window, all bool, ids []uuid.UUID, q *search.Query) (page httpapi.Page[listedUserView], err error) {
	caller := access.From(ctx)
	if all && !caller.PlatformAdmin {
		return page, access.ErrPlatformAdminRequired
	}
	organizationID := caller.OrganizationID
	if !all {
		active, err := caller.Active()
		if err != nil {
			return page, forPlatformAdmin(caller, err, errNoOrganizationToList)
		}
		organizationID = uuid.NullUUID{UUID: active, Valid: true}
	}
	switch {
	case len(ids) > 0:
		return svc.store.listNamed(ctx, organizationID, all, ids, w, svc.now())
	case q != nil:
		return svc.store.search(ctx, organizationID, all, *q, w, svc.now())
	case all:
		return svc.store.listAll(ctx, organizationID, w, svc.now())
	default:
		return svc.store.listMembers(ctx, organizationID.UUID, w, svc.now())
	}
}

// NewUser is an account that a platform administrator creates.
type NewUser struct {
	Email          field.Email
	Name           field.Name
	Password       field.NewPassword   // empty: no log-in is possible until one is set
	OrganizationID uuid.NullUUID       // the person joins it
	Role           *access.JoiningRole // in that organization; nil: member
}

// create creates an account. In the same transaction it calls then, whose error rolls back
// everything. It refuses an email address that has an account (email_taken).
func (svc *Service) create(ctx context.Context, n NewUser, then func(context.Context, userView) error) error {
	if n.Password != "" {
		if problem := password.Check(string(n.Password), string(n.Email)); problem != nil {
			return httpapi.Invalid("body.password", problem)
		}
	}
	hash, err := svc.passwords.Hash(ctx, string(n.Password))
	if err != nil {
		return err
	}
	return svc.db.InTx(ctx, func(ctx context.Context) error {
		id, err := svc.store.create(ctx, string(n.Email), n.Email.Canonical(), string(n.Name), nil, svc.now())
		if err != nil {
			return err
		}
		if err := svc.passwords.Save(ctx, id, hash); err != nil {
			return err
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: audit.UserCreated, UserID: id, First: true}); err != nil {
			return err
		}
		if n.OrganizationID.Valid {
			if err := svc.addToOrganization(ctx, n.OrganizationID.UUID, id, n.Role.Role()); err != nil {
				return err
			}
		}
		view, err := svc.get(ctx, userPath{id})
		if err != nil {
			return err
		}
		return then(ctx, view)
	})
}

// updateProfile changes the given columns of a person's profile.
func (svc *Service) updateProfile(ctx context.Context, id uuid.UUID, changes map[string]any) (view userView, err error) {
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.checkVersion(ctx, id); err != nil {
			return err
		}
		if len(changes) > 0 {
			if err := svc.changeProfile(ctx, id, changes); err != nil {
				return err
			}
		}
		view, err = svc.get(ctx, userPath{id})
		return err
	})
	return view, err
}

func (svc *Service) changeProfile(ctx context.Context, id uuid.UUID, changes map[string]any) error {
	if err := svc.store.updateProfile(ctx, id, changes, svc.now()); err != nil {
		return err
	}
	return svc.trail.Record(ctx, audit.Event{
		Action: audit.ProfileChanged, UserID: id, Details: map[string]string{"fields": strings.Join(slices.Sorted(maps.Keys(changes)), " ")},
	})
}

// archive archives an account, ends its sessions, and archives the organizations whose only
// member is the person. It refuses the owner of an organization that has other members
// (owner_required), and an archived account (already_archived).
func (svc *Service) archive(ctx context.Context, in archiveInput) (view userView, err error) {
	id, reason := in.UserID, string(in.Reason)
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, id); err != nil {
			return err
		}
		if err := svc.checkVersion(ctx, id); err != nil {
			return err
		}
		if err := svc.store.lifecycle.Archive(ctx, subject{userID: id}.key(), reason, access.From(ctx).By(), svc.now()); err != nil {
			return err
		}
		if err := svc.beforeArchive(ctx, id, reason); err != nil {
			return err
		}
		if err := svc.endSessions(ctx, subject{userID: id}, "account_archived"); err != nil {
			return err
		}
		if err := svc.record(ctx, audit.Event{Action: audit.UserArchived, UserID: id, Details: audit.Salted(audit.ReasonDetails(reason, nil))}); err != nil {
			return err
		}
		view, err = svc.get(ctx, userPath{id})
		return err
	})
	return view, err
}

// unarchive restores an archived account. Its organizations stay archived. It refuses an
// account that is not archived (not_archived).
func (svc *Service) unarchive(ctx context.Context, in unarchiveInput) (view userView, err error) {
	id, reason := in.UserID, (*string)(in.Reason)
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, id); err != nil {
			return err
		}
		if err := svc.checkVersion(ctx, id); err != nil {
			return err
		}
		if err := svc.store.lifecycle.Unarchive(ctx, subject{userID: id}.key(), reason, access.From(ctx).By(), svc.now()); err != nil {
			return err
		}
		event := audit.Event{Action: audit.UserUnarchived, UserID: id}
		if reason != nil {
			event.Details = audit.Salted(audit.ReasonDetails(*reason, nil))
		}
		if err := svc.record(ctx, event); err != nil {
			return err
		}
		view, err = svc.get(ctx, userPath{id})
		return err
	})
	return view, err
}

// record records that an account was archived or restored: in its own log and, without
// the details, in the log of each organization whose member the person is. For these, the
// caller acts outside of any organization.
func (svc *Service) record(ctx context.Context, e audit.Event) error {
	if err := svc.trail.Record(ctx, e); err != nil {
		return err
	}
	organizations, err := svc.store.organizationsOf(ctx, e.UserID)
	if err != nil {
		return err
	}
	ctx = access.OutsideOrganizations(ctx)
	for _, id := range organizations {
		if err := svc.trail.Record(ctx, audit.Event{Action: e.Action, OrganizationID: audit.In(id), UserID: e.UserID}); err != nil {
			return err
		}
	}
	return nil
}
