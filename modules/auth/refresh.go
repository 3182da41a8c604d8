package auth

import (
	"context"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/request"
	"guildhall/platform/revocation"
)

// refresh exchanges a refresh token for its successor (RFC 9700 §4.14.2). If several
// requests present the current generation at once, one of them rotates it. The others then
// have an earlier generation, and get the same successor within the grace period after that
// was superseded. Later, it is a stolen token, or the owner's after a thief used it: the
// log-in is ended.
//
// The new tokens are for the requested organization, if any, and else for the session's. A
// requested organization in which the person may not act is refused, and the presented
// token stays valid.
func (svc *Service) refresh(ctx context.Context, presented string, requested uuid.NullUUID) (view tokenView, outcome refreshOutcome, err error) {
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
		rotated, err := svc.sessions.rotate(database.ForAll(ctx), claims.SessionID, claims.UserID, claims.Generation, requested, svc.options.Grace)
		if err != nil {
			return view, refused, err
		}
		if rotated != nil && rotated.inGoodStanding() {
			view, err = svc.issueTokens(person{id: rotated.UserID, email: rotated.email, name: rotated.name}, rotated.session, request.From(ctx).Began)
			if err == nil {
				err = svc.revokeIfBarred(ctx, rotated.session, rotated.standing)
			}
			return view, rotatedSession, err
		}
		if rotated != nil { // the new generation is checked below
			return svc.refreshSlowly(ctx, claims.SessionID, claims.UserID, rotated.Generation, uuid.NullUUID{}, rotatedSession)
		}
	}
	return svc.refreshSlowly(ctx, claims.SessionID, claims.UserID, claims.Generation, requested, keptToken)
}

// inGoodStanding reports whether the account may act and is still a member of the session's
// organization.
func (a *rotation) inGoodStanding() bool {
	return a.standing.AccountGood() && (!a.OrganizationID.Valid || a.standing.Present())
}

// refreshSlowly handles every case but the common one: rotation is off, the generation is
// not the current one, the account or membership was lost, or the requested organization
// is refused. current is the outcome if the generation is the current one.
func (svc *Service) refreshSlowly(ctx context.Context, sessionID, userID uuid.UUID, generation int64, requested uuid.NullUUID, current refreshOutcome) (view tokenView, outcome refreshOutcome, err error) {
	var s session
	var standing access.Standing
	err = svc.db.InTx(ctx, func(ctx context.Context) (err error) {
		s, outcome, err = svc.classify(ctx, sessionID, userID, generation, current)
		if err != nil || outcome.refusal() != nil {
			return err // nil for a refusal, so that a revocation commits
		}
		var good bool
		standing, good, err = svc.recheckStanding(ctx, &s, requested)
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
	if view, err = svc.issueTokens(p, s, request.From(ctx).Began); err == nil {
		err = svc.revokeIfBarred(ctx, s, standing)
	}
	return view, outcome, err
}

// revokeIfBarred revokes the access token that was just issued if the person may not act in its
// organization at present: the gate refuses it there, and so must programs that verify it
// themselves. The session keeps the organization, for when a suspension ends.
func (svc *Service) revokeIfBarred(ctx context.Context, s session, standing access.Standing) error {
	if !s.OrganizationID.Valid {
		return nil
	}
	if standing.FactorRefusal() != nil { // mutant: revokes-before-factor
		return svc.trail.Revocations().Add(ctx, revocation.OfSession(s.ID, s.UserID))
	}
	if standing.MembershipGood() && !standing.OrganizationSuspended { // mutant: revokes-barred
		return nil
	}
	return svc.trail.Revocations().Add(ctx, revocation.OfMember(s.OrganizationID.UUID, s.UserID))
}

// classify returns the session and the outcome of presenting this generation of it. It
// ends the log-in if the generation is reused.
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
		return session{}, reusedToken, svc.endReused(ctx, s)
	default: // a generation from the future: the database was restored from a backup
		return session{}, refused, nil
	}
}

func (svc *Service) endReused(ctx context.Context, s *session) error {
	if _, err := svc.sessions.end(ctx, s.UserID, s.ID, "refresh_token_reused"); err != nil {
		return err
	}
	return svc.trail.Record(ctx, audit.Event{
		Action: audit.RefreshTokenReused, UserID: s.UserID, Details: map[string]string{"session_id": s.login().String()},
	})
}

// recheckStanding checks what may have changed since the last refresh: the account, and the
// membership in the session's organization. If the account may no longer act, it ends the
// log-in and returns false. If an organization is requested, it refuses one in which the
// person may not act, and otherwise makes it the session's. It returns the standing there.
func (svc *Service) recheckStanding(ctx context.Context, s *session, requested uuid.NullUUID) (standing access.Standing, good bool, err error) {
	organizationID := s.OrganizationID
	if requested.Valid {
		organizationID = requested
	}
	if standing, err = svc.gate.Of(ctx, s.UserID, organizationID); err != nil {
		return standing, false, err
	}
	standing.Strong = s.AAL >= 2
	if !standing.AccountGood() {
		_, err := svc.sessions.end(ctx, s.UserID, s.ID, "account_not_in_good_standing")
		return standing, false, err
	}
	if requested.Valid {
		if err := refusalWithin(standing); err != nil || s.OrganizationID == requested {
			return standing, true, err
		}
		s.OrganizationID = requested
		return standing, true, svc.sessions.setOrganization(ctx, s.ID, requested.UUID)
	}
	if s.OrganizationID.Valid && !standing.Present() {
		s.OrganizationID = uuid.NullUUID{}
		return standing, true, svc.sessions.clearOrganization(ctx, s.ID)
	}
	return standing, true, nil
}
