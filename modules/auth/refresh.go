package auth

import (
	"context"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// refresh exchanges a refresh token for its successor (RFC 9700 §4.14.2). If several
// requests present the current generation at once, one of them rotates it. The others then
// have an earlier generation, and get the same successor within the grace period after that
// was superseded. Later, it is a stolen token, or the owner's after a thief used it: the
// session is revoked.
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
		// The tenant is not known yet: the statement itself reads the session's
		// organization, so it needs access to all of them.
		rotated, err := svc.sessions.rotate(database.ForAll(ctx), claims.SessionID, claims.UserID, claims.Generation, svc.options.Grace)
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

// inGoodStanding reports whether the account may act and is still a member of the session's
// organization.
func (a *rotation) inGoodStanding() bool {
	return a.standing.AccountGood() && (!a.OrganizationID.Valid || a.standing.Present())
}

// refreshSlowly handles every case but the common one: rotation is off, the generation is
// not the current one, or the account or membership was lost. current is the outcome if
// the generation is the current one.
func (svc *Service) refreshSlowly(ctx context.Context, sessionID, userID uuid.UUID, generation int64, current refreshOutcome) (view tokenView, outcome refreshOutcome, err error) {
	var s session
	err = svc.db.InTx(ctx, func(ctx context.Context) (err error) {
		s, outcome, err = svc.classify(ctx, sessionID, userID, generation, current)
		if err != nil || outcome.refusal() != nil {
			return err // nil for a refusal, so that a revocation commits
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

// classify returns the session and the outcome of presenting this generation of it. It
// revokes the session if the generation is reused.
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
	case generation < s.Generation && svc.now().Sub(s.supersededAt(generation)) <= svc.options.Grace: // mutant: refresh-grace
		return *s, repeatedToken, nil
	case generation < s.Generation:
		return session{}, reusedToken, svc.endReused(ctx, userID, sessionID)
	default: // a generation from the future: the database was restored from a backup
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

// recheckStanding checks what may have changed since the last refresh: the account, and the
// membership in the session's organization. If the account may no longer act, it ends the
// session and returns false.
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
		return true, svc.sessions.clearOrganization(ctx, s.ID)
	}
	return true, nil
}
