// Package auth authenticates people: registration, log-in, and the sessions behind
// their tokens.
package auth

import (
	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/password"
	"guildhall/platform/ratelimit"
)

// Module registers the routes and tables of accounts' credentials and sessions.
type Module struct{ handlers }

var (
	_ module.Module  = (*Module)(nil)
	_ module.Checker = (*Module)(nil)
)

// NewModule returns the module that serves the service.
func NewModule(svc *Service) *Module { return &Module{handlers{svc}} }

// Name implements module.Module.
func (*Module) Name() string { return "auth" }

// Migrations implements module.Module.
func (*Module) Migrations() []migrate.Migration { return migrations() }

const aboutToken = "OAuth 2.0's token endpoint (RFC 6749), by a form or the same as JSON. " +
	"`grant_type=password` logs in; the active organization is the one asked for, else the last one used, else the first joined that is in good standing. " +
	"`grant_type=refresh_token` is what `/auth/refresh` does, also with `organization_id`.\n\n" +
	"No client is registered: `client_id`, `client_secret` and client authentication by HTTP Basic are ignored. " +
	"So is `scope`: a token has all rights of the person. In a form, unknown parameters are ignored, and one without a value counts as absent.\n\n" +
	"Errors of a form have `error` and `error_description` beside the members of a problem, as `application/json`; with a 401, `WWW-Authenticate` repeats both:\n\n" +
	"| `error` | status |\n|---|---|\n" +
	"| `invalid_request` | 400, 403 and 404 (`organization_id`), 413, 415, 422 |\n" +
	"| `unsupported_grant_type` | 422 |\n" +
	"| `invalid_grant` | 401, 403 (the account): log in again, or not at all |\n" +
	"| `temporarily_unavailable` | 429, 503: try again, after `Retry-After` |\n" +
	"| `server_error` | 500 |"

// Routes implements module.Module.
func (m *Module) Routes(r *httpapi.Router) {
	r.Describe("Registration, log-in, and the sessions behind the tokens.")
	httpapi.Post(r, "/auth/register", access.Public(), m.register, httpapi.Doc{
		ID: "register", Summary: "Create an account and its first organization",
		Description: "With `organization_name: null` no organization is created.",
		Refusals:    httpapi.Refusals(errRegistrationDisabled, errEmailTaken, password.ErrBusy, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/token", access.Public(), m.token, httpapi.Doc{
		ID: "logIn", Summary: "Log in, or refresh", Form: true,
		Description: aboutToken,
		Refusals: httpapi.Refusals(errUnsupportedGrantType, errInvalidRefreshToken, errRefreshTokenReused,
			errInvalidCredentials, errAccountSuspended, errAccountInactive, errAccountArchived,
			access.ErrOrganizationNotFound, access.ErrOrganizationSuspended, access.ErrMembershipSuspended, access.ErrMembershipInactive, password.ErrBusy,
			ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/refresh", access.Public(), m.refresh, httpapi.Doc{
		ID: "refresh", Summary: "Exchange a refresh token for new tokens", Form: true,
		Description: "The same as `grant_type=refresh_token` at `/auth/token`. The refresh token is rotated. For a short grace period after that (10 seconds by default), the old token gives the same successor, " +
			"also if that was rotated again: a request can be repeated, and tabs may refresh at once. Reuse after the grace period ends the session with all its tokens.\n\n" +
			"The tokens are for the organization of the refresh token, or for `organization_id`, which then is that of later refreshes. An organization in which the caller may not act is refused, and the refresh token stays valid.",
		Refusals: httpapi.Refusals(errUnsupportedGrantType, errInvalidRefreshToken, errRefreshTokenReused,
			access.ErrOrganizationNotFound, access.ErrOrganizationSuspended, access.ErrMembershipSuspended, access.ErrMembershipInactive, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/switch-organization", access.SignedIn(), m.switchOrganization, httpapi.Doc{
		ID: "switchOrganization", Summary: "Get tokens for another organization",
		Description: "The new tokens, and those that they are refreshed to, are for that organization. They belong to the same session: a log-out ends them too. " +
			"The tokens of the request stay valid in their own organization, for other tabs. " +
			"A session has the tokens of at most 100 switches: a further one ends those that were used longest ago. A switch to the organization that is active already changes nothing, and returns the current refresh token.",
		Refusals: httpapi.Refusals(access.ErrOrganizationNotFound, access.ErrOrganizationSuspended, access.ErrMembershipSuspended, access.ErrMembershipInactive),
	})
	httpapi.Post(r, "/auth/logout", access.SignedIn(), m.logOut, httpapi.Doc{
		ID: "logOut", Summary: "End this session, or all of one's sessions",
		Description: "A session has all tokens since the log-in, in every organization.",
	})
	httpapi.Get(r, "/auth/sessions", access.SignedIn(), m.listSessions, httpapi.Doc{
		ID: "listSessions", Summary: "List one's live sessions",
		Description: "One for each log-in, the oldest first. Organization, address and client are those of its last use.",
	})
	httpapi.Delete(r, "/auth/sessions/:session_id", access.SignedIn(), m.endSession, httpapi.Doc{
		ID: "endSession", Summary: "End one of one's sessions",
		Description: "Its access tokens become invalid at once.", Refusals: httpapi.Refusals(errSessionNotFound),
	})
	httpapi.Patch(r, "/users/:user_id/password", access.Self(), m.changePassword, httpapi.Doc{
		ID: "changePassword", Summary: "Change one's password",
		Description: "Ends every other session of the person.",
		Refusals:    httpapi.Refusals(errWrongPassword, password.ErrBusy, ratelimit.Refusal()),
	})
}
