// Package machine lets programs act in an organization, and lets others trust the tokens of this
// service: service accounts, the API keys of people and of service accounts, registered APIs
// with tokens of their own, and the endpoints of OAuth for programs. A key is a session that its
// secret presents, so it passes the same gate as a token.
package machine

import (
	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/ratelimit"
	"guildhall/platform/signing"
)

// Module registers the routes of API keys and service accounts, and the table of these.
type Module struct{ *Service }

var (
	_ module.Module  = (*Module)(nil)
	_ module.Checker = (*Module)(nil)
)

// NewModule returns the module that serves the service.
func NewModule(svc *Service) *Module { return &Module{svc} }

// Name implements module.Module.
func (*Module) Name() string { return "machine" }

// Migrations implements module.Module.
func (*Module) Migrations() []migrate.Migration { return migrations() }

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("API keys, and accounts for programs.")
	const accounts, keys = "/organizations/:organization_id/service-accounts", "/organizations/:organization_id/api-keys"
	admin, member := access.Org(access.Admin), access.Org(access.Member).NotByKey()

	httpapi.Get(r, accounts, admin, m.listServiceAccounts, httpapi.Doc{
		ID: "listServiceAccounts", Summary: "List service accounts", MayLag: true,
	})
	httpapi.Post(r, accounts, admin, m.createServiceAccount, httpapi.Doc{
		ID: "createServiceAccount", Summary: "Create an account for a program",
		Description: "A service account is a member of this organization alone, without a password: it acts by its API keys. It begins as a plain member. The routes of members promote, suspend and remove it; when it is removed, it is archived. It can't own an organization, and gets no mail.",
		Refusals:    httpapi.Refusals(ratelimit.Refusal()),
	})
	httpapi.Get(r, keys, member, m.listKeys, httpapi.Doc{
		ID: "listApiKeys", Summary: "List API keys",
		Description: "Those that work now: for admins all of the organization, for others their own.",
	})
	httpapi.Post(r, keys, member.StepUpByFactor(), m.createKey, httpapi.Doc{
		ID: "createApiKey", Summary: "Make an API key",
		Description: "For oneself or, for admins, for a service account whose role is below theirs (`user_id`). Send the key as a Bearer token, like an access token. It works in this organization only, and can do what its holder's role allows at the time, within its scopes:\n\n" +
			"| scope | allows | needs the role |\n|---|---|---|\n| `read` | `GET` | member |\n| `manage` | everything else | admin |\n\n" +
			"No key can change passwords, sessions, keys or the owner, or act outside of the organization (`key_not_allowed`). A key ends when its holder leaves or is removed, and a suspension stops it meanwhile. A log-out and a new password do not end it; \"this wasn't me\" does.",
		Refusals: httpapi.Refusals(errUnknownScope, errScopeBeyondRole, access.ErrMemberNotFound, access.ErrNotYours, access.ErrInsufficientRole, access.ErrEqualOrHigherRole, ratelimit.Refusal()),
	})
	httpapi.Get(r, keys+"/:key_id", member, m.getKey, httpapi.Doc{
		ID: "getApiKey", Summary: "Show an API key",
		Description: "Admins see every key of the organization, others their own. The key itself is never shown again.",
		Refusals:    httpapi.Refusals(errKeyNotFound),
	})
	httpapi.Post(r, keys+"/:key_id/rotate", member.StepUpByFactor(), m.rotateKey, httpapi.Doc{
		ID: "rotateApiKey", Summary: "Replace an API key by a new one",
		Description: "The new key has the same name, holder, scopes and length of life. The old one works until the overlap is over. Only those who could make the key rotate it.",
		Refusals:    httpapi.Refusals(errKeyNotFound, errAlreadyRotated, errScopeBeyondRole, access.ErrMemberNotFound, access.ErrNotYours, access.ErrInsufficientRole, access.ErrEqualOrHigherRole, ratelimit.Refusal()),
	})
	httpapi.Delete(r, keys+"/:key_id", member, m.revokeKey, httpapi.Doc{
		ID: "revokeApiKey", Summary: "Revoke an API key",
		Description: "One's own, or that of a person or service account whose role is below the caller's. It stops at once.",
		Refusals:    httpapi.Refusals(errKeyNotFound, access.ErrInsufficientRole, access.ErrEqualOrHigherRole),
	})
	httpapi.Get(r, "/auth/me/api-keys", access.SignedIn(), m.listMine, httpapi.Doc{
		ID: "listMyApiKeys", Summary: "List one's own API keys",
		Description: "Those that work now, in all organizations. Each works in its own only.",
	})

	m.apiRoutes(r)
	m.oauthRoutes(r.AtRoot())
}

func (m *Module) apiRoutes(r *httpapi.Router) {
	const one = "/apis/:api_id"
	operator := access.PlatformAdminOnly().WithoutPerson()
	httpapi.Get(r, "/apis", operator, m.listAPIs, httpapi.Doc{
		ID: "listApis", Summary: "List registered APIs",
	})
	httpapi.Post(r, "/apis", operator, m.registerAPI, httpapi.Doc{
		ID: "registerApi", Summary: "Register an API",
		Description: "People and programs then get tokens for it (`/auth/api-token`, `/oauth/token`), which only that API takes: this service refuses them, and so does any other API. The API has an account, which checks tokens by its keys (`/oauth/introspect`).",
		Refusals:    httpapi.Refusals(errAPIExists),
	})
	httpapi.Get(r, one, operator, m.getAPI, httpapi.Doc{
		ID: "getApi", Summary: "Get a registered API", Refusals: httpapi.Refusals(errAPINotFound),
	})
	httpapi.Patch(r, one, operator, m.changeAPI, httpapi.Doc{
		ID: "updateApi", Summary: "Change a registered API",
		Description: "Tokens that were made before keep their scopes until they expire. Introspection and forward-auth judge by the new ones, everywhere within 5 seconds.",
		Refusals:    httpapi.Refusals(errAPINotFound),
	})
	httpapi.Delete(r, one, operator, m.removeAPI, httpapi.Doc{
		ID: "removeApi", Summary: "Remove a registered API",
		Description: "Ends its keys, and archives its account. Nobody gets tokens for it any more, everywhere within 5 seconds.",
		Refusals:    httpapi.Refusals(errAPINotFound),
	})
	httpapi.Get(r, one+"/keys", operator, m.listAPIKeys, httpapi.Doc{
		ID: "listKeysOfApi", Summary: "List the keys of a registered API", Description: "Those that work now.", Refusals: httpapi.Refusals(errAPINotFound),
	})
	httpapi.Post(r, one+"/keys", operator.StepUpByFactor(), m.createAPIKey, httpapi.Doc{
		ID: "createKeyOfApi", Summary: "Make a key for a registered API",
		Description: "With it, the API asks about tokens that were made for it. It can do nothing else here, except ask who it is (`/auth/me`). To rotate a key, make another one and revoke the former.",
		Refusals:    httpapi.Refusals(errAPINotFound, ratelimit.Refusal()),
	})
	httpapi.Delete(r, one+"/keys/:key_id", operator, m.revokeAPIKey, httpapi.Doc{
		ID: "revokeKeyOfApi", Summary: "Revoke a key of a registered API", Description: "It stops at once.",
		Refusals: httpapi.Refusals(errAPINotFound, errKeyNotFound),
	})
	httpapi.Post(r, "/auth/api-token", access.SignedIn().AsMember(), m.apiToken, httpapi.Doc{
		ID: "createApiToken", Summary: "Get a token for a registered API",
		Description: "An access token (RFC 9068) whose audience is that API, for the active organization. It belongs to the caller's session, and ends with it. `scope` has what the caller's role allows.",
		Refusals:    httpapi.Refusals(errUnknownResource, errUnknownScope, errScopeBeyondRole),
	})
}

// oauthRoutes declares the endpoints where programs expect them.
func (m *Module) oauthRoutes(r *httpapi.Router) {
	httpapi.Post(r, signing.TokenPath, access.Public(), m.token, httpapi.Doc{
		ID: "getClientToken", Summary: "Get a token for an API key", OAuth: true,
		Description: "OAuth 2.0's client credentials (RFC 6749 §4.4): the client id is the id of an API key or of its holder, and the client secret the key, by HTTP Basic or in the body. With `resource` (RFC 8707) the token is for a registered API, without it for this service. It belongs to the key: revoking the key ends it.",
		Refusals:    httpapi.Refusals(errInvalidClient, errUnauthorizedClient, errUnsupportedGrantType, errInvalidScope, errInvalidTarget),
	})
	httpapi.Post(r, signing.IntrospectPath, access.Public(), m.introspect, httpapi.Doc{
		ID: "introspectToken", Summary: "Check a token", OAuth: true,
		Description: "For a registered API, by its key as HTTP Basic or as a Bearer token (RFC 7662). What is not good for that API now, has ended or is unknown gets `{\"active\": false}`.",
		Refusals:    httpapi.Refusals(errInvalidClient, errUnauthorizedClient),
	})
	httpapi.Post(r, signing.RevokePath, access.Public(), m.revokeToken, httpapi.Doc{
		ID: "revokeToken", Summary: "End the session of a token, or an API key", OAuth: true,
		Description: "Whoever has it can end it, also the finder of a leaked one (RFC 7009). An access or refresh token ends its session; the token of an API key ends the key. What is unknown or has ended gets 200, too. Credentials of a client are ignored.",
		Refusals:    httpapi.Refusals(ratelimit.Refusal()),
	})
	httpapi.Get(r, "/forward-auth", access.Public(), m.forwardAuth, httpapi.Doc{
		ID: "forwardAuth", Summary: "Let a proxy ask whether a request may pass", ForProxy: true,
		Description: "It reads `Authorization` and `X-Organization-ID` of the request, and no other field. 204 has `" + IdentityHeader + "`, an access token for the API that is valid for 60 seconds: verify it there. Every refusal is 401 or 403.",
		Refusals:    httpapi.Refusals(access.ErrAuthenticationRequired, access.ErrInvalidToken, errUnknownResource, access.ErrOrganizationNotFound, access.ErrMembershipSuspended, access.ErrMembershipInactive, access.ErrOrganizationSuspended, access.ErrStepUpRequired, access.ErrFactorRequired, access.ErrKeyWithoutFactor, access.ErrInsufficientRole, access.ErrInsufficientScope),
	})
}
