package auth

import (
	"context"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// rotate trades a refresh token for its successor (RFC 9700 §4.14.2). Of many
// that present the live generation at once, one moves it on; the others find
// themselves its parent and get the same successor within the grace. Anything
// older is a stolen copy, or the owner's after a thief used it: the session ends.
func (m *Module) rotate(ctx context.Context, presented string) (view tokenView, how refreshed, err error) {
	claims, err := m.tokens.ParseRefresh(presented)
	if err != nil {
		return view, unknown, errInvalidRefreshToken.WithCause(err)
	}
	if err := m.limits.refresh(ctx, claims.SessionID); err != nil {
		return view, unknown, err
	}
	ctx = database.For(ctx, database.Tenant{UserID: claims.UserID})
	if m.options.Rotation {
		// The statement finds the session's organization itself, and looks at it.
		moved, err := m.sessions.advance(database.ForAll(ctx), claims.SessionID, claims.UserID, claims.Generation)
		if err != nil {
			return view, unknown, err
		}
		if moved != nil && moved.mayGoOn() {
			view, err = m.issue(person{id: moved.UserID, email: moved.email, name: moved.name}, moved.session)
			return view, rotated, err
		}
		if moved != nil { // what it moved on to is looked at again below
			return m.goOn(ctx, claims.SessionID, claims.UserID, moved.Generation, rotated)
		}
	}
	return m.goOn(ctx, claims.SessionID, claims.UserID, claims.Generation, kept)
}

// mayGoOn says that nothing changed since the last refresh.
func (a *advanced) mayGoOn() bool {
	return a.standing.AccountGood() && (!a.OrganizationID.Valid || a.standing.Present())
}

// goOn is for whatever is not the plain case: no rotation, a generation that is
// not the live one, an account or a membership that was lost.
func (m *Module) goOn(ctx context.Context, sessionID, userID uuid.UUID, generation int64, live refreshed) (view tokenView, how refreshed, err error) {
	var s session
	err = m.db.InTx(ctx, func(ctx context.Context) (err error) {
		s, how, err = m.judge(ctx, sessionID, userID, generation, live)
		if err != nil || how.refusal() != nil {
			return err // a refusal commits: the session it ended stays ended
		}
		good, err := m.carryOn(ctx, &s)
		if !good {
			how = unknown
		}
		return err
	})
	if err != nil {
		return view, how, err
	}
	if refusal := how.refusal(); refusal != nil {
		return view, how, refusal
	}
	p, err := m.store.find(ctx, s.UserID)
	if err != nil {
		return view, how, err
	}
	view, err = m.issue(p, s)
	return view, how, err
}

// judge finds the session and says what presenting a generation of it is.
func (m *Module) judge(ctx context.Context, sessionID, userID uuid.UUID, generation int64, live refreshed) (session, refreshed, error) {
	s, err := m.sessions.live(ctx, sessionID, userID)
	if err != nil {
		return session{}, unknown, err
	}
	if s == nil {
		return session{}, unknown, nil
	}
	switch {
	case generation == s.Generation: // without rotation, or just moved on to
		return *s, live, nil
	case generation == s.Generation-1 && m.now().Sub(s.RotatedAt) <= m.options.Grace:
		return *s, repeated, nil
	case generation < s.Generation:
		return session{}, reused, m.reused(ctx, userID, sessionID)
	default: // a generation that this database has not seen: it was restored
		return session{}, unknown, nil
	}
}

func (m *Module) reused(ctx context.Context, userID, sessionID uuid.UUID) error {
	if _, err := m.sessions.end(ctx, userID, sessionID, "refresh_token_reused"); err != nil {
		return err
	}
	return m.trail.Record(ctx, audit.Event{
		Action: audit.RefreshTokenReused, UserID: userID, Details: map[string]string{"session_id": sessionID.String()},
	})
}

// carryOn checks what may have changed since the last refresh: the account, and
// whether the person still has the session's organization. It says whether the
// session lives on.
func (m *Module) carryOn(ctx context.Context, s *session) (bool, error) {
	standing, err := m.gate.Of(ctx, s.UserID, s.OrganizationID)
	if err != nil {
		return false, err
	}
	if !standing.AccountGood() {
		_, err := m.sessions.end(ctx, s.UserID, s.ID, "account_not_in_good_standing")
		return false, err
	}
	if s.OrganizationID.Valid && !standing.Present() {
		s.OrganizationID = uuid.NullUUID{}
		return true, m.sessions.forgetOrganization(ctx, s.ID)
	}
	return true, nil
}
