package auth

import (
	"context"
	"log/slog"
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
	"guildhall/platform/request"
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
	// SetEnrolled records since when a person has a second factor, or that they have none (nil),
	// within the caller's transaction.
	SetEnrolled(ctx context.Context, id uuid.UUID, since *time.Time) error
	// KeepOwn cancels the erasure of an account that seems to be by the person, within the
	// caller's transaction.
	KeepOwn(ctx context.Context, id uuid.UUID) error
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
	Product         string        // its name, in authenticator apps
	RecoveryDelay   time.Duration // until whoever lost every second factor may log in without one
	PasskeyDomain   string        // of passkeys; empty if there are none
	PasskeyOrigins  []string
	Providers       []Provider // other services with which people may log in
	RedirectURIs    []string   // to which they send people back, exactly
	AppleCallback   string     // the URL to which Apple sends people back
	Rotation        bool
	Grace           time.Duration // how long a superseded refresh token is still accepted
	SessionLifetime time.Duration
	// SessionRetention is how long the rows of ended sessions are kept, for the
	// investigation of an intrusion.
	SessionRetention time.Duration
}

// Admins are the platform administrators.
type Admins interface {
	// Exist reports whether there is one.
	Exist(ctx context.Context) (bool, error)
	// GrantFirst makes a person the first one, within the caller's transaction. It reports
	// whether there was none.
	GrantFirst(ctx context.Context, userID uuid.UUID) (bool, error)
}

// Dependencies of a Service. All are required except Limits: nil limits nothing.
type Dependencies struct {
	DB            *database.DB
	Gate          *access.Gate
	Trail         *audit.Trail
	Hasher        *password.Hasher
	Rules         *password.Rules
	Tokens        *token.Service
	Sessions      *Sessions
	Users         Users
	Organizations Organizations
	Invitations   Invitations
	Admins        Admins
	Limits        *ratelimit.Store
	Mail          *mail.Outbox
	Sealer        *keyring.Sealer
	Meter         Meter
	Log           *slog.Logger
	Now           func() time.Time
}

// Service implements the operations of the routes and the command line.
type Service struct {
	db            *database.DB
	gate          *access.Gate
	trail         *audit.Trail
	hasher        *password.Hasher
	rules         *password.Rules
	tokens        *token.Service
	sessions      *Sessions
	users         Users
	organizations Organizations
	invitations   Invitations
	admins        Admins
	mail          *mail.Outbox
	sealer        *keyring.Sealer // of what is stored with challenges
	meter         Meter
	log           *slog.Logger
	options       Options
	now           func() time.Time
	store         *store
	limits        limits
	passkeys      *relyingParty // nil if there are none
	providers     []*provider
}

// NewService returns the service.
func NewService(d Dependencies, options Options) *Service {
	store := newStore(d.DB)
	providers := make([]*provider, len(options.Providers))
	for i, p := range options.Providers {
		providers[i] = newProvider(p, d.Sealer, options.AppleCallback, d.Now)
	}
	return &Service{
		db: d.DB, gate: d.Gate, trail: d.Trail, hasher: d.Hasher, rules: d.Rules, tokens: d.Tokens, sessions: d.Sessions,
		users: d.Users, organizations: d.Organizations, invitations: d.Invitations, admins: d.Admins, meter: d.Meter, options: options, now: d.Now, store: store,
		limits: newLimits(d.Limits, store, d.Now), mail: d.Mail, sealer: d.Sealer, log: d.Log,
		passkeys: newRelyingParty(options.PasskeyDomain, options.Product, options.PasskeyOrigins), providers: providers,
	}
}

// checkMayActIn refuses an organization in which the person may not act, by a session that has
// proved two factors or one.
func (svc *Service) checkMayActIn(ctx context.Context, userID, organizationID uuid.UUID, strong bool) error {
	s, err := svc.gate.Of(ctx, userID, uuid.NullUUID{UUID: organizationID, Valid: true})
	if err != nil {
		return err
	}
	s.Strong = strong
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
		return s.FactorRefusal()
	}
}

// switchOrganization begins a branch of the caller's log-in in another organization. The
// caller's own session stays in its organization, with its tokens: other tabs may use it.
// It refuses an organization in which the caller may not act.
func (svc *Service) switchOrganization(ctx context.Context, in switchInput) (tokenView, error) {
	caller := access.From(ctx)
	if err := svc.checkMayActIn(ctx, caller.UserID, in.OrganizationID, caller.Standing.Strong); err != nil {
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
	return svc.issueTokens(p, s, request.From(ctx).Began)
}

// logOut ends the caller's log-in, or all of their log-ins.
func (svc *Service) logOut(ctx context.Context, in logOutInput) (httpapi.NoContent, error) {
	caller := access.From(ctx)
	if in.All != nil && *in.All {
		return httpapi.NoContent{}, svc.sessions.EndAll(ctx, caller.UserID, loggedOutEverywhere)
	}
	_, err := svc.sessions.end(ctx, caller.UserID, caller.SessionID, "logged_out")
	return httpapi.NoContent{}, err
}

// listSessions lists the caller's live log-ins.
func (svc *Service) listSessions(ctx context.Context, in httpapi.PageInput) (page httpapi.Page[sessionView], err error) {
	return svc.sessionsOf(ctx, access.From(ctx).UserID, in)
}

// listPersonSessions lists a person's live log-ins. It refuses a person who does not exist
// (user_not_found).
func (svc *Service) listPersonSessions(ctx context.Context, in listPersonSessionsInput) (page httpapi.Page[sessionView], err error) {
	if err := svc.gate.CheckUserExists(ctx, in.UserID); err != nil {
		return page, err
	}
	return svc.sessionsOf(ctx, in.UserID, in.PageInput)
}

func (svc *Service) sessionsOf(ctx context.Context, userID uuid.UUID, in httpapi.PageInput) (page httpapi.Page[sessionView], err error) {
	w, err := in.Window()
	if err != nil {
		return page, err
	}
	page, err = svc.pageOfSessions(ctx, userID, access.From(ctx).SessionID, w)
	if err == nil && w.Count {
		page.Total, err = svc.sessions.count(ctx, userID)
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
	return svc.endSessionOf(ctx, access.From(ctx).UserID, in.SessionID)
}

// endPersonSession ends one of a person's log-ins. It refuses a person who does not exist
// (user_not_found), and a session that is not live or not theirs (session_not_found).
func (svc *Service) endPersonSession(ctx context.Context, in personSessionPath) (none httpapi.NoContent, err error) {
	if err := svc.gate.CheckUserExists(ctx, in.UserID); err != nil {
		return none, err
	}
	return svc.endSessionOf(ctx, in.UserID, in.SessionID)
}

func (svc *Service) endSessionOf(ctx context.Context, userID, sessionID uuid.UUID) (httpapi.NoContent, error) {
	ended, err := svc.sessions.end(ctx, userID, sessionID, endedBy(ctx, userID, "ended_by_the_person"))
	if err == nil && !ended {
		err = errSessionNotFound
	}
	return httpapi.NoContent{}, err
}

// endPersonSessions ends all log-ins of a person. It refuses a person who does not exist
// (user_not_found).
func (svc *Service) endPersonSessions(ctx context.Context, in personPath) (none httpapi.NoContent, err error) {
	if err := svc.gate.CheckUserExists(ctx, in.UserID); err != nil {
		return none, err
	}
	return none, svc.sessions.EndAll(ctx, in.UserID, endedBy(ctx, in.UserID, loggedOutEverywhere))
}

// The reasons why sessions of a person end that several operations give.
const (
	loggedOutEverywhere = "logged_out_everywhere"
	endedByPlatform     = "ended_by_platform"
)

// endedBy returns the reason if the caller is the person, and otherwise that a platform
// administrator ends their sessions.
func endedBy(ctx context.Context, userID uuid.UUID, ifThemselves string) string {
	if access.From(ctx).UserID == userID {
		return ifThemselves
	}
	return endedByPlatform
}

// changePassword replaces the caller's password and ends their other sessions. It
// refuses a wrong old password and an unsuitable new one.
func (svc *Service) changePassword(ctx context.Context, in changePasswordInput) (none httpapi.NoContent, err error) {
	p, err := svc.store.find(ctx, in.UserID)
	if err != nil {
		return none, err
	}
	if problem := svc.rules.Check(ctx, string(in.NewPassword), p.email); problem != nil {
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

// changingOneself runs a change of how the caller proves who they are, in a transaction that has
// their account locked.
func (svc *Service) changingOneself(ctx context.Context, change func(ctx context.Context, p person) error) error {
	p, err := svc.store.find(ctx, access.From(ctx).UserID)
	if err != nil {
		return err
	}
	return svc.db.InTx(ctx, func(ctx context.Context) error {
		if err := svc.gate.LockUser(ctx, p.id); err != nil { // mutant: unlink-lock
			return err
		}
		return change(ctx, p)
	})
}
