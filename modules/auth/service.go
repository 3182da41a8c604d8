package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/keyring"
	"guildhall/platform/mail"
	"guildhall/platform/password"
	"guildhall/platform/ratelimit"
	"guildhall/platform/token"
)

// Users creates accounts.
type Users interface {
	// Register creates an account within the caller's transaction. It refuses an email
	// address that has an account (email_taken).
	Register(ctx context.Context, email, canonicalEmail, name string, locale *field.Locale) (uuid.UUID, error)
	// Verify marks the address of an account as proved, within the caller's transaction. It
	// returns false if it was already.
	Verify(ctx context.Context, id uuid.UUID) (bool, error)
	// ChangeEmail replaces the address of an account, within the caller's transaction. It
	// refuses an address that has another account (email_taken).
	ChangeEmail(ctx context.Context, id uuid.UUID, email, canonicalEmail string, verifiedAt *time.Time) error
}

// Organizations creates organizations.
type Organizations interface {
	// Create creates an organization with its owner, within the caller's
	// transaction.
	Create(ctx context.Context, ownerID uuid.UUID, name string) (uuid.UUID, error)
}

// Invitations are what a person may register with, and what they offer to others.
type Invitations interface {
	// Invited refuses a token with which a person with this address can't register, and
	// reports whether it proves their mailbox.
	Invited(ctx context.Context, token, canonicalEmail string) (provesMailbox bool, err error)
	// Join makes a person who has just registered a member, within the transaction that
	// creates their account.
	Join(ctx context.Context, token string, userID uuid.UUID) (organizationID uuid.UUID, err error)
	// Withdraw revokes what a person has open and may not offer with the role that they keep,
	// in one organization or in all, within the caller's transaction.
	Withdraw(ctx context.Context, organizationID uuid.NullUUID, userID uuid.UUID, kept access.Role) error
}

// Meter counts log-ins and refreshes by their result.
type Meter interface {
	LoggedIn(result string)
	Refreshed(result string)
}

// Options are the configured rules.
type Options struct {
	Registration    bool
	ConfirmEmail    bool // an account is created when its address is proved
	LogInByEmail    bool // a code from a mail is enough to log in
	LinkBase        string
	StepUpMaxAge    time.Duration // how long a log-in allows what needs a recent one
	Rotation        bool
	Grace           time.Duration // how long a superseded refresh token is still accepted
	SessionLifetime time.Duration
	// SessionRetention is how long the rows of ended sessions are kept, for the
	// investigation of an intrusion.
	SessionRetention time.Duration
}

// Dependencies of a Service. All are required except Limits: nil limits nothing.
type Dependencies struct {
	DB            *database.DB
	Gate          *access.Gate
	Trail         *audit.Trail
	Hasher        *password.Hasher
	Tokens        *token.Service
	Sessions      *Sessions
	Users         Users
	Organizations Organizations
	Invitations   Invitations
	Limits        *ratelimit.Store
	Mail          *mail.Outbox
	Sealer        *keyring.Sealer
	Meter         Meter
	Now           func() time.Time
}

// Service implements the operations of the routes and the command line.
type Service struct {
	db            *database.DB
	gate          *access.Gate
	trail         *audit.Trail
	hasher        *password.Hasher
	tokens        *token.Service
	sessions      *Sessions
	users         Users
	organizations Organizations
	invitations   Invitations
	mail          *mail.Outbox
	sealer        *keyring.Sealer // of what is stored with challenges
	meter         Meter
	options       Options
	now           func() time.Time
	store         *store
	limits        limits
}

// NewService returns the service.
func NewService(d Dependencies, options Options) *Service {
	store := newStore(d.DB)
	return &Service{
		db: d.DB, gate: d.Gate, trail: d.Trail, hasher: d.Hasher, tokens: d.Tokens, sessions: d.Sessions,
		users: d.Users, organizations: d.Organizations, invitations: d.Invitations, meter: d.Meter, options: options, now: d.Now, store: store,
		limits: newLimits(d.Limits, store, d.Now), mail: d.Mail, sealer: d.Sealer,
	}
}

// checkMayActIn refuses an organization in which the person may not act.
func (svc *Service) checkMayActIn(ctx context.Context, userID, organizationID uuid.UUID) error {
	s, err := svc.gate.Of(ctx, userID, uuid.NullUUID{UUID: organizationID, Valid: true})
	if err != nil {
		return err
	}
	return refusalWithin(s)
}

// refusalWithin returns why a person with this standing may not act in the organization, or
// nil.
func refusalWithin(s access.Standing) error {
	switch {
	case !s.Present():
		return access.ErrOrganizationNotFound
	case s.MembershipSuspended:
		return access.ErrMembershipSuspended
	case !s.MembershipActive:
		return access.ErrMembershipInactive
	case s.OrganizationSuspended:
		return access.ErrOrganizationSuspended
	default:
		return nil
	}
}

// switchOrganization begins a branch of the caller's log-in in another organization. The
// caller's own session stays in its organization, with its tokens: other tabs may use it.
// It refuses an organization in which the caller may not act.
func (svc *Service) switchOrganization(ctx context.Context, in switchInput) (tokenView, error) {
	caller := access.From(ctx)
	if err := svc.checkMayActIn(ctx, caller.UserID, in.OrganizationID); err != nil {
		return tokenView{}, err
	}
	var s session
	err := svc.db.InTx(ctx, func(ctx context.Context) (err error) {
		if s, err = svc.sessions.branch(ctx, caller.UserID, caller.SessionID, in.OrganizationID); err == nil {
			svc.gate.WrittenBy(ctx, s.ID)
		}
		return err
	})
	if err != nil {
		return tokenView{}, err
	}
	p, err := svc.store.find(ctx, caller.UserID)
	if err != nil {
		return tokenView{}, err
	}
	return svc.issueTokens(p, s)
}

// logOut ends the caller's log-in, or all of their log-ins.
func (svc *Service) logOut(ctx context.Context, in logOutInput) (httpapi.NoContent, error) {
	caller := access.From(ctx)
	if in.All != nil && *in.All {
		return httpapi.NoContent{}, svc.sessions.EndAll(ctx, caller.UserID, "logged_out_everywhere")
	}
	_, err := svc.sessions.end(ctx, caller.UserID, caller.SessionID, "logged_out")
	return httpapi.NoContent{}, err
}

// listSessions lists the caller's live log-ins.
func (svc *Service) listSessions(ctx context.Context, in httpapi.PageInput) (page httpapi.Page[sessionView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	caller := access.From(ctx)
	page, err = svc.pageOfSessions(ctx, caller.UserID, caller.SessionID, w)
	if err == nil && w.Count {
		page.Total, err = svc.sessions.count(ctx, caller.UserID)
	}
	return page, err
}

func (svc *Service) pageOfSessions(ctx context.Context, userID, current uuid.UUID, w httpapi.Window) (page httpapi.Page[sessionView], err error) {
	list, err := svc.sessions.list(ctx, userID, current, w)
	if err != nil {
		return page, err
	}
	views := make([]sessionView, len(list))
	for i, s := range list {
		views[i] = sessionView{
			ID: s.ID, OrganizationID: s.OrganizationID, CreatedAt: s.CreatedAt.UTC(), LastUsedAt: s.RotatedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
			Address: s.Address, Client: s.Client, IsCurrent: s.current,
		}
	}
	return httpapi.NewPage(views, w, func(v sessionView) uuid.UUID { return v.ID }), nil
}

// endSession ends one of the caller's log-ins. It refuses a session that is not live or
// not the caller's (session_not_found).
func (svc *Service) endSession(ctx context.Context, in sessionPath) (httpapi.NoContent, error) {
	ended, err := svc.sessions.end(ctx, access.From(ctx).UserID, in.SessionID, "ended_by_the_person")
	if err == nil && !ended {
		err = errSessionNotFound
	}
	return httpapi.NoContent{}, err
}

// changePassword replaces the caller's password and ends their other sessions. It
// refuses a wrong old password and an unsuitable new one.
func (svc *Service) changePassword(ctx context.Context, in changePasswordInput) (none httpapi.NoContent, err error) {
	p, err := svc.store.find(ctx, in.UserID)
	if err != nil {
		return none, err
	}
	if problem := password.Check(string(in.NewPassword), p.email); problem != nil {
		return none, httpapi.Invalid("body.new_password", problem)
	}
	if err := svc.verifyPassword(ctx, p, string(in.OldPassword)); err != nil {
		return none, err
	}
	hash, err := svc.hasher.Hash(ctx, string(in.NewPassword))
	if err != nil {
		return none, err
	}
	return none, svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, in.UserID); err != nil {
			return err
		}
		current, err := svc.store.hash(ctx, in.UserID)
		if err != nil {
			return err
		}
		if current != p.hash {
			return errWrongPassword // changed while it was being verified
		}
		if err := svc.store.savePassword(ctx, in.UserID, hash, svc.now()); err != nil {
			return err
		}
		if err := svc.trail.Record(ctx, audit.Event{Action: audit.PasswordChanged, UserID: in.UserID}); err != nil {
			return err
		}
		if err := svc.sessions.endOthers(ctx, in.UserID, access.From(ctx).SessionID, "password_changed"); err != nil {
			return err
		}
		if err := svc.store.endChallenges(ctx, in.UserID, svc.now()); err != nil {
			return err
		}
		return svc.notify(ctx, p, p.email, mail.PasswordChanged, mail.Data{})
	})
}
