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
	"guildhall/platform/mail"
	"guildhall/platform/person"
	"guildhall/platform/ratelimit"
	"guildhall/platform/roster"
)

// Sessions ends sessions.
type Sessions interface {
	// EndAll ends every session of a person, within the caller's transaction.
	EndAll(ctx context.Context, userID uuid.UUID, reason string) error
}

// Passwords judges and stores the password of a new account.
type Passwords interface {
	// Check returns what is wrong with a password (a fault.Problem), or nil.
	Check(ctx context.Context, chosen, email string) error
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

// Notify tells a person by mail what was done with their account, within the caller's
// transaction.
type Notify func(ctx context.Context, userID uuid.UUID, kind mail.Kind, data mail.Data) error

// Dependencies of a Service. All are required except Limits: nil limits nothing.
type Dependencies struct {
	DB        *database.DB
	Gate      *access.Gate
	Trail     *audit.Trail
	Sessions  Sessions
	Passwords Passwords
	People    *person.People
	Admins    *access.PlatformAdmins
	Limits    *ratelimit.Store
	Now       func() time.Time
}

// Options of a Service.
type Options struct {
	ErasureDelay time.Duration
	// Erased is called in each transaction that erases a person, before its commit. It may be
	// nil.
	Erased func(context.Context, person.Erased) error
}

// Service implements the operations of the routes, the command line and other modules.
type Service struct {
	db                *database.DB
	gate              *access.Gate
	trail             *audit.Trail
	sessions          Sessions
	passwords         Passwords
	people            *person.People
	admins            *access.PlatformAdmins
	limits            *ratelimit.Store
	options           Options
	now               func() time.Time
	store             *store
	addToOrganization AddToOrganization
	beforeArchive     ArchiveHook

	withdrawInvitations WithdrawInvitations
	notify              Notify
}

// NewService returns the service. Call Connect before its first use.
func NewService(d Dependencies, o Options) *Service {
	return &Service{
		db: d.DB, gate: d.Gate, trail: d.Trail, sessions: d.Sessions, passwords: d.Passwords,
		people: d.People, admins: d.Admins, limits: d.Limits, options: o, now: d.Now, store: newStore(d.DB),
	}
}

// Connect sets the functions of the services that depend on this one.
func (svc *Service) Connect(add AddToOrganization, beforeArchive ArchiveHook, withdraw WithdrawInvitations, notify Notify) {
	svc.addToOrganization, svc.beforeArchive, svc.withdrawInvitations, svc.notify = add, beforeArchive, withdraw, notify
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

// SetEnrolled records since when a person has a second factor, or that they have none (nil),
// within the caller's transaction.
func (svc *Service) SetEnrolled(ctx context.Context, id uuid.UUID, since *time.Time) error {
	return svc.store.setEnrolled(ctx, id, since)
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
	v.reveal(caller)
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
// only these people, and former members too; with a selection, those whom it shows.
func (svc *Service) list(ctx context.Context, w httpapi.Window, all bool, ids []uuid.UUID, selection roster.Selection) (page httpapi.Page[listedUserView], err error) {
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
		page, err = svc.store.listNamed(ctx, organizationID, all, ids, w, svc.now())
	case selection != (roster.Selection{}):
		page, err = svc.store.listSelected(ctx, organizationID, all, selection, w, svc.now())
	case all:
		page, err = svc.store.listAll(ctx, organizationID, w, svc.now())
	default:
		page, err = svc.store.listMembers(ctx, organizationID.UUID, w, svc.now())
	}
	for i := range page.Items {
		page.Items[i].reveal(caller)
	}
	return page, err
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
// everything. It refuses an email address that has an account (email_taken). The caller has
// checked the password.
func (svc *Service) create(ctx context.Context, n NewUser, then func(context.Context, userView) error) error {
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

// checkPassword returns what is wrong with the password of a new account, if it has one.
func (svc *Service) checkPassword(ctx context.Context, n NewUser) error {
	if n.Password == "" {
		return nil
	}
	return svc.passwords.Check(ctx, string(n.Password), string(n.Email))
}

// CreateService creates an account without a password for a program, within the caller's
// transaction. Its address is one that no mail server can have (RFC 2606).
func (svc *Service) CreateService(ctx context.Context, name string) (uuid.UUID, error) {
	hash, err := svc.passwords.Hash(ctx, "")
	if err != nil {
		return uuid.Nil, err
	}
	id := uuid.Must(uuid.NewV7())
	email := field.ServiceEmail(id.String())
	if _, err := svc.store.createAs(ctx, id, string(email), email.Canonical(), name, nil, svc.now()); err != nil {
		return uuid.Nil, err
	}
	return id, svc.passwords.Save(ctx, id, hash)
}

// ArchiveService archives the account of a program that is not needed any more, within the
// caller's transaction.
func (svc *Service) ArchiveService(ctx context.Context, id uuid.UUID, reason string) error {
	if err := svc.store.lifecycle.Archive(ctx, subject{userID: id}.key(), reason, access.From(ctx).By(), svc.now()); err != nil {
		return err
	}
	return svc.trail.Record(ctx, audit.Event{Action: audit.UserArchived, UserID: id, Details: audit.Salted(audit.ReasonDetails(reason, nil))})
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
		if err := svc.close(ctx, id, reason); err != nil {
			return err
		}
		view, err = svc.get(ctx, userPath{id})
		return err
	})
	return view, err
}

// close archives an account that is locked, within the caller's transaction.
func (svc *Service) close(ctx context.Context, id uuid.UUID, reason string) error {
	if err := svc.store.lifecycle.Archive(ctx, subject{userID: id}.key(), reason, access.From(ctx).By(), svc.now()); err != nil {
		return err
	}
	// An earlier release may have restored an account that was to be erased. This archive is
	// another one.
	if err := svc.keep(ctx, id); err != nil { // mutant: erasure-of-former-archive
		return err
	}
	if err := svc.beforeArchive(ctx, id, reason); err != nil {
		return err
	}
	if err := svc.endSessions(ctx, subject{userID: id}, "account_archived"); err != nil {
		return err
	}
	return svc.record(ctx, audit.Event{Action: audit.UserArchived, UserID: id, Details: audit.Salted(audit.ReasonDetails(reason, nil))})
}

// unarchive restores an archived account, which then will not be erased. Its organizations
// stay archived. It refuses an account that is not archived (not_archived), and an erased one
// (account_erased).
func (svc *Service) unarchive(ctx context.Context, in unarchiveInput) (view userView, err error) {
	id, reason := in.UserID, (*string)(in.Reason)
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, id); err != nil {
			return err
		}
		if err := svc.checkVersion(ctx, id); err != nil {
			return err
		}
		if err := svc.reopen(ctx, id, reason, access.From(ctx).By()); err != nil {
			return err
		}
		view, err = svc.get(ctx, userPath{id})
		return err
	})
	return view, err
}

// reopen restores an archived account that is locked, within the caller's transaction.
func (svc *Service) reopen(ctx context.Context, id uuid.UUID, reason *string, by uuid.NullUUID) error {
	if err := svc.keep(ctx, id); err != nil {
		return err
	}
	if err := svc.store.lifecycle.Unarchive(ctx, subject{userID: id}.key(), reason, by, svc.now()); err != nil {
		return err
	}
	event := audit.Event{Action: audit.UserUnarchived, UserID: id}
	if reason != nil {
		event.Details = audit.Salted(audit.ReasonDetails(*reason, nil))
	}
	return svc.record(ctx, event)
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
