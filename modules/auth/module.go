// Package auth authenticates people: registration, log-in, and the sessions behind
// their tokens.
package auth

import (
	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/mail"
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
	"`grant_type=challenge` logs in with `challenge_token` and `code`, or with `link_token`: it answers the purpose `log_in` of `/auth/challenges`, or completes a registration whose address had to be confirmed. " +
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
		Description: "With `organization_name: null` no organization is created. Where addresses have to be confirmed (`REGISTRATION_CONFIRM_EMAIL`), the answer is 202, the same for an address that has an account, and the account is created when the code comes back to `/auth/token` with `grant_type=challenge`.\n\n" +
			"With `invitation_token` the person joins the organization that invites them, also while registration is closed. A link that only the mail had proves the address: the account is created at once. With any other link the address has to be confirmed first, where mail is configured.",
		Refusals: append(invitationRefusals, errRegistrationDisabled, errEmailTaken, password.ErrBusy, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/token", access.Public(), m.token, httpapi.Doc{
		ID: "logIn", Summary: "Log in, or refresh", Form: true,
		Description: aboutToken,
		Refusals: append(invitationRefusals, errUnsupportedGrantType, errInvalidRefreshToken, errRefreshTokenReused,
			errInvalidCredentials, errInvalidChallenge, errEmailTaken, errAccountSuspended, errAccountInactive, errAccountArchived,
			access.ErrOrganizationNotFound, access.ErrOrganizationSuspended, access.ErrMembershipSuspended, access.ErrMembershipInactive, password.ErrBusy,
			ratelimit.Refusal()),
	})
	rule, createChallenge := access.Reading(access.Public().OrSignedIn(), recencyRow, m.createChallenge)
	httpapi.Post(r, "/auth/challenges", rule, createChallenge, httpapi.Doc{
		ID: "createChallenge", Summary: "Send a code by mail",
		Description: "The mail has a code of 8 digits and, except for `step_up`, a link. Both can be used once. A code needs the `challenge_token` of this answer, and 5 attempts are allowed.\n\n" +
			"| `purpose` | who | the mail goes to | answered at | valid for |\n|---|---|---|---|---|\n" +
			"| `reset_password` | anyone | `email` | `/auth/password-reset` | 1 hour |\n" +
			"| `log_in` (where `LOG_IN_BY_EMAIL` is on) | anyone | `email` | `/auth/token` | 10 minutes |\n" +
			"| `verify_email` | signed in | one's address | `/auth/email-confirmation` | 24 hours |\n" +
			"| `change_email` | signed in, at most 10 minutes ago (`STEP_UP_MAX_AGE_SECONDS`) | `new_email` | `/auth/email-confirmation` | 1 hour |\n" +
			"| `step_up` | signed in | one's confirmed address | `/auth/step-up` | 10 minutes |\n\n" +
			"Whether `email` or `new_email` has an account does not show: the answer, its time and the limits are the same.",
		Refusals: httpapi.Refusals(access.ErrAuthenticationRequired, mail.ErrNotConfigured, errLogInByEmailDisabled, errStepUpRequired, errAlreadyVerified, errEmailNotVerified, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/password-reset", access.Public(), m.resetPassword, httpapi.Doc{
		ID: "resetPassword", Summary: "Set a new password with a code or link from a mail",
		Description: "Ends all sessions of the person and begins none: log in with the new password. It also proves the email address. If nobody had proved it before, what was set up until then is removed.",
		Refusals:    httpapi.Refusals(errInvalidChallenge, password.ErrBusy, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/email-confirmation", access.SignedIn(), m.confirmEmail, httpapi.Doc{
		ID: "confirmEmail", Summary: "Confirm or change one's email address",
		Description: "Answers the purposes `verify_email` and `change_email`, as the person who asked. After a change, a mail to the former address can undo it for 72 hours.",
		Refusals:    httpapi.Refusals(errInvalidChallenge, errEmailTaken, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/step-up", access.SignedIn(), m.stepUp, httpapi.Doc{
		ID: "stepUp", Summary: "Confirm that it is still you",
		Description: "Renews the proof of this session, by the password or by a code (`step_up`). Then repeat the request that was refused with `step_up_required`, with the same access token.",
		Refusals:    httpapi.Refusals(errInvalidChallenge, errWrongPassword, password.ErrBusy, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/disavow", access.Public(), m.disavow, httpapi.Doc{
		ID: "disavow", Summary: "Undo a change that a mail told you about",
		Description: "\"This wasn't me\": ends all sessions, takes back that change of the email address and later ones, and removes the password, so that a reset by mail is needed. Every such mail can do this, whatever it told. The link is valid for 72 hours.",
		Refusals:    httpapi.Refusals(errInvalidChallenge, errEmailTaken),
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
