package auth

import (
	"context"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// refresh trades a refresh token for its successor (RFC 9700 §4.14.2). When several
// requests present the current generation at once, one rotates it. The others then
// present the previous generation, and get the same successor within the grace. An
// older generation is a stolen copy, or the owner's after a thief used it: the
// session ends.
func (svc *Service) refresh(ctx context.Context, presented string) (view tokenView, outcome refreshOutcome, err error) {
	claims, err := svc.tokens.ParseRefresh(presented)
	if err != nil {
		return view, refused, errInvalidRefreshToken.WithCause(err)
	}
	if err := svc.limits.refresh(ctx, claims.SessionID); err != nil {
		return view, refused, err
	}
	ctx = database.For(ctx, database.Tenant{UserID: claims.UserID})
	if svc.options.Rotation {
		// The statement reads the session's organization itself, so it may see all.
		rotated, err := svc.sessions.rotate(database.ForAll(ctx), claims.SessionID, claims.UserID, claims.Generation)
		if err != nil {
			return view, refused, err
		}
		if rotated != nil && rotated.inGoodStanding() {
			view, err = svc.issueTokens(person{id: rotated.UserID, email: rotated.email, name: rotated.name}, rotated.session)
			return view, rotatedSession, err
		}
		if rotated != nil { // the new generation is checked below
			return svc.refreshSlowly(ctx, claims.SessionID, claims.UserID, rotated.Generation, rotatedSession)
		}
	}
	return svc.refreshSlowly(ctx, claims.SessionID, claims.UserID, claims.Generation, keptToken)
}

// inGoodStanding says that the account may act and still has the session's
// organization.
func (a *rotation) inGoodStanding() bool {
	return a.standing.AccountGood() && (!a.OrganizationID.Valid || a.standing.Present())
}

// refreshSlowly handles every case but the common one: rotation is off, the
// generation is not the current one, or the account or membership was lost. The
// outcome of presenting the current generation is given.
func (svc *Service) refreshSlowly(ctx context.Context, sessionID, userID uuid.UUID, generation int64, current refreshOutcome) (view tokenView, outcome refreshOutcome, err error) {
	var s session
	err = svc.db.InTx(ctx, func(ctx context.Context) (err error) {
		s, outcome, err = svc.classify(ctx, sessionID, userID, generation, current)
		if err != nil || outcome.refusal() != nil {
			return err // a refusal commits: the session it ended stays ended
		}
		good, err := svc.recheckStanding(ctx, &s)
		if !good {
			outcome = refused
		}
		return err
	})
	if err != nil {
		return view, outcome, err
	}
	if refusal := outcome.refusal(); refusal != nil {
		return view, outcome, refusal
	}
	p, err := svc.store.find(ctx, s.UserID)
	if err != nil {
		return view, outcome, err
	}
	view, err = svc.issueTokens(p, s)
	return view, outcome, err
}

// classify finds the session and says what it means that this generation of it was
// presented. It ends the session of a generation that is reused.
func (svc *Service) classify(ctx context.Context, sessionID, userID uuid.UUID, generation int64, current refreshOutcome) (session, refreshOutcome, error) {
	s, err := svc.sessions.find(ctx, sessionID, userID)
	if err != nil {
		return session{}, refused, err
	}
	if s == nil {
		return session{}, refused, nil
	}
	switch {
	case generation == s.Generation: // without rotation, or just rotated
		return *s, current, nil
	case generation == s.Generation-1 && svc.now().Sub(s.RotatedAt) <= svc.options.Grace: // mutant: refresh-grace
		return *s, repeatedToken, nil
	case generation < s.Generation:
		return session{}, reusedToken, svc.endReused(ctx, userID, sessionID)
	default: // a generation that this database has not seen: it was restored
		return session{}, refused, nil
	}
}

func (svc *Service) endReused(ctx context.Context, userID, sessionID uuid.UUID) error {
	if _, err := svc.sessions.end(ctx, userID, sessionID, "refresh_token_reused"); err != nil {
		return err
	}
	return svc.trail.Record(ctx, audit.Event{
		Action: audit.RefreshTokenReused, UserID: userID, Details: map[string]string{"session_id": sessionID.String()},
	})
}

// recheckStanding checks what may have changed since the last refresh: the account,
// and whether the person still has the session's organization. It ends the session
// of an account that may no longer act, and then returns false.
func (svc *Service) recheckStanding(ctx context.Context, s *session) (bool, error) {
	standing, err := svc.gate.Of(ctx, s.UserID, s.OrganizationID)
	if err != nil {
		return false, err
	}
	if !standing.AccountGood() {
		_, err := svc.sessions.end(ctx, s.UserID, s.ID, "account_not_in_good_standing")
		return false, err
	}
	if s.OrganizationID.Valid && !standing.Present() {
		s.OrganizationID = uuid.NullUUID{}
		return true, svc.sessions.forgetOrganization(ctx, s.ID)
	}
	return true, nil
}
