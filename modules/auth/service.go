package auth

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/password"
	"guildhall/platform/ratelimit"
	"guildhall/platform/token"
)

// Users creates accounts.
type Users interface {
	// Register creates an account within the caller's transaction. It refuses an email
	// address that has an account (email_taken).
	Register(ctx context.Context, email, canonicalEmail, name string) (uuid.UUID, error)
}

// Organizations creates organizations.
type Organizations interface {
	// Create creates an organization with its owner, within the caller's
	// transaction.
	Create(ctx context.Context, ownerID uuid.UUID, name string) (uuid.UUID, error)
}

// Meter counts log-ins and refreshes by their result.
type Meter interface {
	LoggedIn(result string)
	Refreshed(result string)
}

// Options are the configured rules.
type Options struct {
	Registration    bool
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
	Limits        *ratelimit.Store
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
		users: d.Users, organizations: d.Organizations, meter: d.Meter, options: options, now: d.Now, store: store,
		limits: newLimits(d.Limits, store, d.Now),
	}
}

// register creates an account, unless declined with its first organization, and logs the
// person in, in one transaction. Hashing is slow, so it comes before the transaction. It refuses an email
// address that has an account (email_taken), an unsuitable password, and any request while
// registration is disabled.
func (svc *Service) register(ctx context.Context, in registerInput) (created httpapi.Created[tokenView], err error) {
	if !svc.options.Registration {
		return created, errRegistrationDisabled
	}
	if err := svc.hasher.Ready(); err != nil {
		return created, err
	}
	if err := svc.limits.register(ctx); err != nil {
		return created, err
	}
	if problem := password.Check(string(in.Password), string(in.Email)); problem != nil {
		return created, httpapi.Invalid("body.password", problem)
	}
	hash, err := svc.hasher.Hash(ctx, string(in.Password))
	if err != nil {
		return created, err
	}
	founds := field.NameOf(string(in.Name), "'s Organization")
	organizationName := &founds
	if in.OrganizationName.Set {
		organizationName = in.OrganizationName.Value
	}
	p := person{email: string(in.Email), name: string(in.Name)}
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		if p.id, err = svc.users.Register(ctx, p.email, in.Email.Canonical(), p.name); err != nil {
			return err
		}
		var organizationID uuid.NullUUID
		if organizationName != nil {
			if organizationID.UUID, err = svc.organizations.Create(ctx, p.id, string(*organizationName)); err != nil {
				return err
			}
			organizationID.Valid = true
		}
		if err := svc.store.savePassword(ctx, p.id, hash, svc.now()); err != nil {
			return err
		}
		s, err := svc.sessions.begin(ctx, p.id, organizationID, svc.options.SessionLifetime)
		if err != nil {
			return err
		}
		svc.gate.WrittenBy(ctx, s.ID)
		view, err := svc.issueTokens(p, s)
		if err != nil {
			return err
		}
		created, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/users/"+p.id.String(), view)
		return err
	})
	return created, err
}

// logIn verifies a password and begins a session, in the requested organization if one is
// given. It reveals nothing about an account without the right password: an unknown email
// address costs the same hash and gets the same answer.
func (svc *Service) logIn(ctx context.Context, email, typed string, requested uuid.NullUUID) (tokenView, error) {
	if err := svc.hasher.Ready(); err != nil { // an attempt that is not verified does not count
		return tokenView{}, err
	}
	if err := svc.limits.logIn(ctx, email); err != nil {
		return tokenView{}, err
	}
	p, err := svc.store.findByEmail(ctx, email)
	if err != nil {
		return tokenView{}, err
	}
	if p == nil {
		if err := svc.hasher.VerifyAbsent(ctx, typed); err != nil {
			return tokenView{}, err
		}
		return tokenView{}, svc.logInFailed(ctx, uuid.Nil, errInvalidCredentials) // mutant: unknown-email
	}
	ok, renew, err := svc.hasher.Verify(ctx, p.hash, typed)
	if err != nil {
		return tokenView{}, err
	}
	if !ok {
		return tokenView{}, svc.logInFailed(ctx, p.id, errInvalidCredentials)
	}
	view, err := svc.beginSession(ctx, *p, typed, renew, requested)
	var refused *fault.Error
	if errors.As(err, &refused) {
		return tokenView{}, svc.logInFailed(ctx, p.id, refused)
	}
	return view, err
}

// logInFailed records the refusal in the audit log and returns it.
func (svc *Service) logInFailed(ctx context.Context, userID uuid.UUID, refusal *fault.Error) error {
	err := svc.trail.Record(ctx, audit.Event{Action: audit.LogInFailed, UserID: userID, Details: map[string]string{"code": refusal.Code}})
	if err != nil {
		return err
	}
	return refusal
}

// beginSession begins a session for a person whose password was verified. It refuses an
// account that is not in good standing, and an organization in which the person may not
// act. With renew it also replaces the password hash, because its parameters are outdated.
func (svc *Service) beginSession(ctx context.Context, p person, typed string, renew bool, requested uuid.NullUUID) (tokenView, error) {
	ctx = database.For(ctx, database.Tenant{UserID: p.id})
	renewed, err := "", error(nil)
	if renew {
		if renewed, err = svc.hasher.Hash(ctx, typed); err != nil {
			return tokenView{}, err
		}
	}
	var s session
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		// Under the account's lock, so that no session begins while the account is
		// being suspended or its password changed.
		if err := svc.gate.LockUser(ctx, p.id); err != nil { // mutant: log-in-lock
			return err
		}
		state, err := svc.store.logInState(ctx, p.id, svc.now())
		if err != nil {
			return err
		}
		if err := state.refusal(p); err != nil {
			return err
		}
		organizationID := state.preferred
		if requested.Valid {
			organizationID = requested
			if err := svc.checkMayActIn(ctx, p.id, requested.UUID); err != nil {
				return err
			}
		}
		if renewed != "" {
			if err := svc.store.savePassword(ctx, p.id, renewed, svc.now()); err != nil {
				return err
			}
		}
		if err := svc.limits.loggedIn(ctx, field.Login(p.email).CanonicalEmail()); err != nil {
			return err
		}
		if s, err = svc.sessions.begin(ctx, p.id, organizationID, svc.options.SessionLifetime); err == nil {
			svc.gate.WrittenBy(ctx, s.ID) // mutant: first-write
		}
		return err
	})
	if err != nil {
		return tokenView{}, err
	}
	return svc.issueTokens(p, s)
}

// refusal returns why a log-in with the password of p is refused, or nil.
func (e logInState) refusal(p person) error {
	switch {
	case e.hash != p.hash:
		return errInvalidCredentials // changed while it was being verified
	case e.standing.AccountArchived:
		return errAccountArchived
	case e.standing.AccountSuspended:
		return errAccountSuspended
	case !e.standing.AccountActive:
		return errAccountInactive
	default:
		return nil
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
	list, err := svc.sessions.list(ctx, userID, current, w.After, w.Limit+1, w.Offset)
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
	if err := svc.hasher.Ready(); err != nil {
		return none, err
	}
	if err := svc.limits.changePassword(ctx, in.UserID); err != nil {
		return none, err
	}
	ok, _, err := svc.hasher.Verify(ctx, p.hash, string(in.OldPassword))
	if err != nil {
		return none, err
	}
	if !ok {
		return none, errWrongPassword
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
		return svc.sessions.endOthers(ctx, in.UserID, access.From(ctx).SessionID, "password_changed")
	})
}

// issueTokens signs both tokens of a session's current generation.
func (svc *Service) issueTokens(p person, s session) (tokenView, error) {
	accessToken, expires, err := svc.tokens.IssueAccess(p.id, s.ID, s.OrganizationID, s.ExpiresAt)
	if err != nil {
		return tokenView{}, err
	}
	refreshToken, err := svc.tokens.IssueRefresh(p.id, s.ID, s.Generation, s.issuedAt(), s.ExpiresAt)
	if err != nil {
		return tokenView{}, err
	}
	return tokenView{
		UserID: p.id, OrganizationID: s.OrganizationID, Email: p.email, Name: p.name,
		AccessToken: accessToken, RefreshToken: refreshToken, TokenType: "bearer",
		ExpiresIn: int(math.Ceil(expires.Sub(svc.now()).Seconds())),
	}, nil
}
