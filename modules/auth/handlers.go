package auth

import (
	"context"

	"github.com/google/uuid"
)

// handlers translates requests for the service. A route without a method here is served by
// the service's method of the same name.
type handlers struct{ *Service }

// token is the token endpoint of OAuth 2.0. It logs in or refreshes, depending on the
// grant type.
func (h handlers) token(ctx context.Context, in tokenInput) (tokenView, error) {
	switch in.GrantType.or(passwordGrant) {
	case passwordGrant:
		return h.logIn(ctx, in)
	case refreshGrant:
		return h.refresh(ctx, refreshInput{RefreshToken: *in.RefreshToken, OrganizationID: in.OrganizationID})
	case challengeGrant:
		view, err := h.answerChallenge(ctx, in)
		h.meter.LoggedIn(logInResult(err))
		return view, err
	default:
		return tokenView{}, unsupportedGrantType(string(passwordGrant), string(refreshGrant), string(challengeGrant))
	}
}

func (h handlers) answerChallenge(ctx context.Context, in tokenInput) (tokenView, error) {
	if in.AuthorizationCode != nil {
		return h.logInByProvider(ctx, in)
	}
	if in.given() {
		return h.completeLogIn(ctx, string(*in.ChallengeToken), in.secondFactor(), optional(in.OrganizationID))
	}
	return h.logInByChallenge(ctx, in.proof(), optional(in.OrganizationID))
}

func (h handlers) logIn(ctx context.Context, in tokenInput) (tokenView, error) {
	view, err := h.Service.logIn(ctx, in.Username.CanonicalEmail(), string(*in.Password), optional(in.OrganizationID))
	h.meter.LoggedIn(logInResult(err))
	return view, err
}

func (h handlers) refresh(ctx context.Context, in refreshInput) (tokenView, error) {
	if in.GrantType.or(refreshGrant) != refreshGrant {
		return tokenView{}, unsupportedGrantType(string(refreshGrant))
	}
	view, outcome, err := h.Service.refresh(ctx, string(in.RefreshToken), optional(in.OrganizationID))
	h.meter.Refreshed(refreshResult(outcome, err))
	return view, err
}

func optional(id *uuid.UUID) uuid.NullUUID {
	if id == nil {
		return uuid.NullUUID{}
	}
	return uuid.NullUUID{UUID: *id, Valid: true}
}
