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
		return h.refresh(ctx, refreshInput{RefreshToken: *in.RefreshToken})
	default:
		return tokenView{}, unsupportedGrantType(string(passwordGrant), string(refreshGrant))
	}
}

func (h handlers) logIn(ctx context.Context, in tokenInput) (tokenView, error) {
	var requested uuid.NullUUID
	if in.OrganizationID != nil {
		requested = uuid.NullUUID{UUID: *in.OrganizationID, Valid: true}
	}
	view, err := h.Service.logIn(ctx, in.Username.CanonicalEmail(), string(*in.Password), requested)
	h.meter.LoggedIn(logInResult(err))
	return view, err
}

func (h handlers) refresh(ctx context.Context, in refreshInput) (tokenView, error) {
	if in.GrantType.or(refreshGrant) != refreshGrant {
		return tokenView{}, unsupportedGrantType(string(refreshGrant))
	}
	view, outcome, err := h.Service.refresh(ctx, string(in.RefreshToken))
	h.meter.Refreshed(refreshResult(outcome, err))
	return view, err
}
