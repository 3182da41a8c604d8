package auth

import (
	"context"
	"errors"
	"math"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/password"
)

// signUp makes everything a person starts with, or nothing. The slow hash is
// made before the transaction.
func (m *Module) signUp(ctx context.Context, in registerInput) (created httpapi.Created[tokenView], err error) {
	if !m.options.Registration {
		return created, errRegistrationDisabled
	}
	if err := m.hasher.Ready(); err != nil {
		return created, err
	}
	if err := m.limits.register(ctx); err != nil {
		return created, err
	}
	if problem := password.Check(string(in.Password), string(in.Email)); problem != "" {
		return created, httpapi.Invalid("body.password", problem)
	}
	hash, err := m.hasher.Hash(ctx, string(in.Password))
	if err != nil {
		return created, err
	}
	organizationName := string(field.NameOf(string(in.Name), "'s Organization"))
	if in.OrganizationName != nil {
		organizationName = string(*in.OrganizationName)
	}
	p := person{email: string(in.Email), name: string(in.Name)}
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		if p.id, err = m.users.Create(ctx, p.email, in.Email.Canonical(), p.name); err != nil {
			return err
		}
		organizationID, err := m.organizations.Create(ctx, p.id, organizationName)
		if err != nil {
			return err
		}
		if err := m.store.savePassword(ctx, p.id, hash, m.now()); err != nil {
			return err
		}
		s, err := m.sessions.begin(ctx, p.id, uuid.NullUUID{UUID: organizationID, Valid: true}, m.options.SessionLifetime)
		if err != nil {
			return err
		}
		m.gate.WrittenBy(ctx, s.ID)
		view, err := m.issue(p, s)
		if err != nil {
			return err
		}
		created, err = httpapi.NewCreated(ctx, httpapi.BasePath+"/users/"+p.id.String(), view)
		return err
	})
	return created, err
}

// signIn says nothing of an account before the right password is given: an
// unknown address costs the same hash and answers the same.
func (m *Module) signIn(ctx context.Context, email, typed string, asked uuid.NullUUID) (tokenView, error) {
	if err := m.hasher.Ready(); err != nil { // a guess that is not looked at does not count
		return tokenView{}, err
	}
	if err := m.limits.logIn(ctx, email); err != nil {
		return tokenView{}, err
	}
	p, err := m.store.findByEmail(ctx, email)
	if err != nil {
		return tokenView{}, err
	}
	if p == nil {
		if err := m.hasher.VerifyAbsent(ctx, typed); err != nil {
			return tokenView{}, err
		}
		return tokenView{}, m.logInFailed(ctx, uuid.Nil, errInvalidCredentials)
	}
	ok, renew, err := m.hasher.Verify(ctx, p.hash, typed)
	if err != nil {
		return tokenView{}, err
	}
	if !ok {
		return tokenView{}, m.logInFailed(ctx, p.id, errInvalidCredentials)
	}
	view, err := m.letIn(ctx, *p, typed, renew, asked)
	var refused *fault.Error
	if errors.As(err, &refused) {
		return tokenView{}, m.logInFailed(ctx, p.id, refused)
	}
	return view, err
}

// logInFailed records what it returns, for an account or for nobody's.
func (m *Module) logInFailed(ctx context.Context, userID uuid.UUID, refusal *fault.Error) error {
	err := m.trail.Record(ctx, audit.Event{Action: audit.LogInFailed, UserID: userID, Details: map[string]string{"code": refusal.Code}})
	if err != nil {
		return err
	}
	return refusal
}

// letIn begins a session for somebody who gave the right password.
func (m *Module) letIn(ctx context.Context, p person, typed string, renew bool, asked uuid.NullUUID) (tokenView, error) {
	ctx = database.For(ctx, database.Tenant{UserID: p.id})
	renewed, err := "", error(nil)
	if renew {
		if renewed, err = m.hasher.Hash(ctx, typed); err != nil {
			return tokenView{}, err
		}
	}
	var s session
	err = m.db.InTx(ctx, func(ctx context.Context) error {
		// Under the account's lock, so that no session begins while the account is
		// being suspended or its password changed.
		if err := m.gate.LockUser(ctx, p.id); err != nil {
			return err
		}
		e, err := m.store.entering(ctx, p.id, m.now())
		if err != nil {
			return err
		}
		if err := e.refusal(p); err != nil {
			return err
		}
		organizationID := e.preferred
		if asked.Valid {
			organizationID = asked
			if err := m.mayAct(ctx, p.id, asked.UUID); err != nil {
				return err
			}
		}
		if renewed != "" {
			if err := m.store.savePassword(ctx, p.id, renewed, m.now()); err != nil {
				return err
			}
		}
		if err := m.limits.loggedIn(ctx, field.Login(p.email).CanonicalEmail()); err != nil {
			return err
		}
		if s, err = m.sessions.begin(ctx, p.id, organizationID, m.options.SessionLifetime); err == nil {
			m.gate.WrittenBy(ctx, s.ID)
		}
		return err
	})
	if err != nil {
		return tokenView{}, err
	}
	return m.issue(p, s)
}

func (e entering) refusal(p person) error {
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

// mayAct says whether a person may make an organization their active one.
func (m *Module) mayAct(ctx context.Context, userID, organizationID uuid.UUID) error {
	s, err := m.gate.Of(ctx, userID, uuid.NullUUID{UUID: organizationID, Valid: true})
	switch {
	case err != nil:
		return err
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

// enter makes another organization the active one of the caller's session.
func (m *Module) enter(ctx context.Context, organizationID uuid.UUID) (tokenView, error) {
	caller := access.From(ctx)
	if err := m.mayAct(ctx, caller.UserID, organizationID); err != nil {
		return tokenView{}, err
	}
	var s session
	err := m.db.InTx(ctx, func(ctx context.Context) (err error) {
		s, err = m.sessions.enter(ctx, caller.UserID, caller.SessionID, organizationID, m.options.Rotation)
		return err
	})
	if err != nil {
		return tokenView{}, err
	}
	p, err := m.store.find(ctx, caller.UserID)
	if err != nil {
		return tokenView{}, err
	}
	return m.issue(p, s)
}

func (m *Module) replacePassword(ctx context.Context, userID uuid.UUID, old, chosen string) error {
	p, err := m.store.find(ctx, userID)
	if err != nil {
		return err
	}
	if problem := password.Check(chosen, p.email); problem != "" {
		return httpapi.Invalid("body.new_password", problem)
	}
	if err := m.hasher.Ready(); err != nil {
		return err
	}
	if err := m.limits.changePassword(ctx, userID); err != nil {
		return err
	}
	ok, _, err := m.hasher.Verify(ctx, p.hash, old)
	if err != nil {
		return err
	}
	if !ok {
		return errWrongPassword
	}
	hash, err := m.hasher.Hash(ctx, chosen)
	if err != nil {
		return err
	}
	return m.db.InTx(ctx, func(ctx context.Context) error {
		if err := m.gate.LockUser(ctx, userID); err != nil {
			return err
		}
		current, err := m.store.hash(ctx, userID)
		if err != nil {
			return err
		}
		if current != p.hash {
			return errWrongPassword // changed while it was being verified
		}
		if err := m.store.savePassword(ctx, userID, hash, m.now()); err != nil {
			return err
		}
		if err := m.trail.Record(ctx, audit.Event{Action: audit.PasswordChanged, UserID: userID}); err != nil {
			return err
		}
		return m.sessions.endOthers(ctx, userID, access.From(ctx).SessionID, "password_changed")
	})
}

// issue signs both tokens of a session's live generation.
func (m *Module) issue(p person, s session) (tokenView, error) {
	accessToken, expires, err := m.tokens.IssueAccess(p.id, s.ID, s.OrganizationID, s.ExpiresAt)
	if err != nil {
		return tokenView{}, err
	}
	refreshToken, err := m.tokens.IssueRefresh(p.id, s.ID, s.Generation, s.RotatedAt, s.ExpiresAt)
	if err != nil {
		return tokenView{}, err
	}
	return tokenView{
		UserID: p.id, OrganizationID: s.OrganizationID, Email: p.email, Name: p.name,
		AccessToken: accessToken, RefreshToken: refreshToken, TokenType: "bearer",
		ExpiresIn: int(math.Ceil(expires.Sub(m.now()).Seconds())),
	}, nil
}
