package machine

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/fault"
	"guildhall/platform/httpapi"
	"guildhall/platform/ratelimit"
	"guildhall/platform/request"
	"guildhall/platform/token"
)

// ofCaller is the rule of those who get a token: people and keys that are in good standing in
// the organization, if there is one.
var ofCaller = access.SignedIn().ByKey().AsMember()

// identify returns the claims of the API key by which a program identifies itself: by HTTP
// Basic, by a Bearer key, or by members of the body (invalid_client). Whether the key is live
// is for the gate.
func (svc *Service) identify(ctx context.Context, in clientInput) (token.Access, error) {
	sent := httpapi.ClientFrom(ctx)
	id, key := sent.ID, sent.Secret
	switch {
	case sent.Bearer != "":
		key = sent.Bearer
	case key == "" && in.ClientSecret != nil:
		key = string(*in.ClientSecret)
		if in.ClientID != nil {
			id = string(*in.ClientID)
		}
	}
	if !svc.gate.IsKey(key) {
		return token.Access{}, errInvalidClient
	}
	claims, err := svc.gate.Authenticate(ctx, key)
	if err != nil {
		return claims, asClient(err)
	}
	// The holder's id stays the same when the key is rotated.
	if sent.Bearer == "" && id != claims.ClientID && id != claims.UserID.String() { // mutant: client-id
		return claims, errInvalidClient
	}
	return claims, nil
}

// asClient returns a refusal of the gate as OAuth's endpoints call it. Failures stay as they
// are.
func asClient(err error) error {
	switch {
	case !isRefusal(err):
		return err
	case access.ErrInvalidToken.Is(err), access.ErrAuthenticationRequired.Is(err):
		return errInvalidClient.WithCause(err)
	default:
		return errUnauthorizedClient.WithCause(err)
	}
}

// isRefusal reports whether the gate refuses, and did not fail.
func isRefusal(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && slices.Contains([]fault.Kind{fault.Unauthenticated, fault.Forbidden, fault.NotFound}, f.Kind)
}

// token gives a program a token for its key (client_credentials): for a registered API or,
// without a resource, for this service. The token belongs to the key: it ends with it.
func (svc *Service) token(ctx context.Context, in tokenInput) (view accessTokenView, err error) {
	if in.GrantType != "client_credentials" {
		return view, errUnsupportedGrantType
	}
	claims, err := svc.identify(ctx, in.clientInput)
	if err != nil {
		return view, err
	}
	p := presented(claims, uuid.NullUUID{})
	caller, err := svc.gate.Admit(ctx, p.Rule, p.Claims, p.Request)
	if err != nil { // mutant: client-standing
		return view, asClient(err)
	}
	if !claims.OrganizationID.Valid { // the key of a registered API
		return view, errUnauthorizedClient
	}
	grant, resource := grantOf(caller), in.Resource.or("")
	if resource == "" || svc.isOurs(resource) {
		scopes, err := chosen(among(names(ownScopes), strings.Fields(claims.Scopes)), in.Scope)
		if err != nil {
			return view, err
		}
		if len(scopes) == 0 { // mutant: key-token-scopes
			return view, errInvalidScope
		}
		grant.Scopes = strings.Join(scopes, " ")
		return svc.issueToken(ctx, grant)
	}
	api, known, err := svc.registry.identified(ctx, resource)
	if err != nil {
		return view, err
	}
	if !known {
		return view, errInvalidTarget
	}
	scopes, err := chosen(among(api.allowed(caller.Role), strings.Fields(claims.Scopes)), in.Scope)
	if err != nil {
		return view, err
	}
	return svc.issueToken(ctx, forAPI(grant, api, scopes, caller.Role))
}

// apiToken gives the caller a token for a registered API. It belongs to their session: it ends
// with it.
func (svc *Service) apiToken(ctx context.Context, in apiTokenInput) (view accessTokenView, err error) {
	api, known, err := svc.registry.identified(ctx, string(in.Resource))
	if err != nil {
		return view, err
	}
	if !known {
		return view, errUnknownResource
	}
	caller := access.From(ctx)
	if _, err := chosen(names(api.Scopes), in.Scope); err != nil {
		return view, errUnknownScope
	}
	scopes, err := chosen(api.allowed(caller.Role), in.Scope)
	if err != nil {
		return view, errScopeBeyondRole
	}
	return svc.issueToken(ctx, forAPI(grantOf(caller), api, scopes, caller.Role))
}

// isOurs reports whether a resource is this service itself.
func (svc *Service) isOurs(resource string) bool {
	return resource == svc.options.Audience || resource == svc.options.URL
}

// chosen returns the scopes that a request asks for, or all that it may have if it does not
// say (RFC 6749 §3.3). It refuses others (invalid_scope).
func chosen(may []string, asked *scopeList) ([]string, error) {
	if asked == nil {
		return may, nil
	}
	list := strings.Fields(string(*asked))
	for _, s := range list {
		if !slices.Contains(may, s) { // mutant: token-scopes
			return nil, errInvalidScope
		}
	}
	return among(may, list), nil
}

// grantOf returns what every token for the caller has.
func grantOf(caller access.Caller) token.Grant {
	g := token.Grant{UserID: caller.UserID, SessionID: caller.SessionID, OrganizationID: caller.OrganizationID, NotAfter: caller.SessionEnds()}
	if caller.ByKey() {
		g.ClientID = caller.SessionID.String()
	}
	return g
}

// forAPI makes a grant one for a registered API.
func forAPI(g token.Grant, api API, scopes []string, role access.Role) token.Grant {
	g.Audience, g.Life, g.Scopes = api.Identifier, api.TokenLife, strings.Join(scopes, " ")
	if api.WantsRole && role != access.NoRole {
		g.Role = role.String()
	}
	return g
}

func (svc *Service) issueToken(ctx context.Context, g token.Grant) (view accessTokenView, err error) {
	g.Began = request.From(ctx).Began
	text, expires, err := svc.tokens.Issue(g)
	if err != nil {
		return view, err
	}
	return accessTokenView{AccessToken: text, TokenType: "Bearer", ExpiresIn: int(math.Ceil(expires.Sub(svc.now()).Seconds())), Scope: g.Scopes}, nil
}

// read reads a token for this service or an API, or an API key. Whether it is for whoever asks,
// and live, is checked by at and by the gate.
func (svc *Service) read(ctx context.Context, credential string) (token.Access, error) {
	if svc.gate.IsKey(credential) {
		return svc.gate.Authenticate(ctx, credential)
	}
	claims, err := svc.tokens.ParseForAny(credential)
	if err != nil {
		return claims, access.ErrInvalidToken.WithCause(err)
	}
	return claims, nil
}

// admitted is what somebody may do at an API now.
type admitted struct {
	claims token.Access
	caller access.Caller
	scopes []string
}

// presented is a token or key about which the gate is asked. An organization that is named
// takes the place of the token's.
func presented(claims token.Access, organizationID uuid.NullUUID) access.Presented {
	if !organizationID.Valid {
		organizationID = claims.OrganizationID
	}
	return access.Presented{Rule: ofCaller, Claims: claims, Request: access.Request{Organization: organizationID, Reads: true}}
}

// admit decides whether a token or key is good for an API now, and what it may do there. The
// gate is asked each time, also about a token for somebody else, so that the time of the answer
// does not tell one refusal from another.
func (svc *Service) admit(ctx context.Context, api API, credential string, organizationID uuid.NullUUID) (a admitted, err error) {
	claims, err := svc.read(ctx, credential)
	if err != nil {
		return a, err
	}
	p := presented(claims, organizationID)
	caller, err := svc.gate.Admit(ctx, p.Rule, p.Claims, p.Request)
	if err != nil { // mutant: admit-standing
		return a, err
	}
	return svc.at(api, p, caller)
}

// at decides what a token or key that the gate admits may do at an API. An organization that
// differs from the token's must be that of a log-in's session.
func (svc *Service) at(api API, p access.Presented, caller access.Caller) (admitted, error) {
	a := admitted{claims: p.Claims, caller: caller}
	forUs := a.claims.Audience == svc.options.Audience
	if p.Request.Organization != a.claims.OrganizationID && !forUs { // mutant: admit-organization
		return a, access.ErrOrganizationNotFound
	}
	a.scopes = api.allowed(a.caller.Role)
	switch {
	case a.claims.Audience == api.Identifier, // a token for this API
		a.claims.BySecret() && a.claims.OrganizationID.Valid: // a key of an organization
		a.scopes = among(a.scopes, strings.Fields(a.claims.Scopes))
	case forUs && api.SessionTokens && !a.claims.IsKey(): // a log-in, of which a first-party API knows
	default: // mutant: admit-audience
		return a, access.ErrInvalidToken
	}
	return a, nil
}

// introspect tells a registered API about a token or key (RFC 7662). All that is not good for
// that API now gets the same answer.
func (svc *Service) introspect(ctx context.Context, in introspectInput) (view introspectionView, err error) {
	client, err := svc.identify(ctx, in.clientInput)
	if err != nil {
		return view, err
	}
	claims, unreadable := svc.read(access.Asking(ctx), string(in.Token))
	switch {
	case unreadable == nil:
	case isRefusal(unreadable):
		claims = client // there is nothing else to ask about
	default:
		return view, unreadable
	}
	asking := access.Presented{Rule: access.API(), Claims: client, Request: access.Request{Organization: client.OrganizationID, Reads: true}}
	about := presented(claims, uuid.NullUUID{})
	both, err := svc.gate.AdmitBoth(ctx, asking, about)
	if err != nil {
		return view, err
	}
	if both[0].Err != nil { // mutant: introspection-client
		return view, asClient(both[0].Err)
	}
	api, known, err := svc.registry.of(ctx, client.UserID)
	if err != nil {
		return view, err
	}
	if !known { // registered a moment ago, by another process
		return view, errUnauthorizedClient
	}
	if err = both[1].Err; err == nil { // mutant: introspection-standing
		var a admitted
		if a, err = svc.at(api, about, both[1].Caller); err == nil {
			svc.meter.Introspected(true)
			return a.introspection(svc.options.Issuer, api), nil
		}
	}
	if isRefusal(err) {
		svc.meter.Introspected(false)
		return view, nil
	}
	return view, err
}

// revokeToken ends the session of whatever token or key is presented (RFC 7009): whoever finds
// a leaked one can end it. What is unknown has ended.
func (svc *Service) revokeToken(ctx context.Context, in revokeInput) (none struct{}, err error) {
	credential := string(in.Token)
	claims, err := svc.read(ctx, credential)
	if errors.Is(err, access.ErrTooManyKeys) { // mutant: revocation-not-looked-up
		return none, ratelimit.Refusal().WithRetryAfter(access.KeyGuessing.Interval) // 200 would say that it has ended
	}
	if err != nil && !isRefusal(err) {
		return none, err
	}
	if err != nil {
		refresh, err := svc.tokens.ParseRefresh(credential)
		if err != nil {
			return none, nil //nolint:nilerr // RFC 7009 §2.2: an invalid token is no error
		}
		claims = token.Access{UserID: refresh.UserID, SessionID: refresh.SessionID}
	}
	ctx = access.With(ctx, access.Caller{UserID: claims.UserID, SessionID: claims.SessionID, OrganizationID: claims.OrganizationID})
	if !claims.IsKey() {
		return none, svc.sessions.End(ctx, claims.UserID, claims.SessionID, "token_revoked")
	}
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		k := apiKey{id: claims.SessionID, holderID: claims.UserID, organizationID: claims.OrganizationID}
		if err := svc.store.revoke(ctx, k, "token_revoked", svc.now()); err != nil {
			return err
		}
		return svc.record(ctx, audit.APIKeyRevoked, k, map[string]string{"reason": "token_revoked"})
	})
	if errKeyNotFound.Is(err) {
		err = nil // it has ended before
	}
	return none, err
}
