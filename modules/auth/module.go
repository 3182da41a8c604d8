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
	_ module.Module      = (*Module)(nil)
	_ module.Checker     = (*Module)(nil)
	_ module.WithWorkers = (*Module)(nil)
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
	"If the account has a second factor, either answers 403 `mfa_required` with `challenge_token`, `expires_in` and `methods`, and no session exists yet. `grant_type=challenge` with that `challenge_token` and `otp`, `recovery_code` or, for a passkey, `credential` completes the log-in, within 5 minutes and 5 attempts. " +
	"A passkey alone logs in, too: ask `/auth/challenges` with the purpose `log_in` and the method `passkey`, and answer with `challenge_token` and `credential`. A form has the text of its JSON. " +
	"After a log-in with a provider (the purpose `log_in` and the method `provider` of `/auth/challenges`), send `challenge_token` with what the provider sent back: `authorization_code`, `state`, and `iss` if it did. " +
	"A linked account logs in. One that is not linked yet logs in to the account with its email address if both the provider and this service have verified that, and is linked; if only the provider has, everything that was set up in the account before ends. Otherwise that is 409 `account_exists`. Without an account, one without a password is created, as by `/auth/register`.\n\n" +
	"`grant_type=refresh_token` is what `/auth/refresh` does, also with `organization_id`.\n\n" +
	"No client is registered: `client_id`, `client_secret` and client authentication by HTTP Basic are ignored. " +
	"So is `scope`: a token has all rights of the person. In a form, unknown parameters are ignored, and one without a value counts as absent.\n\n" +
	"Errors of a form have `error` and `error_description` beside the members of a problem, as `application/json`; with a 401, `WWW-Authenticate` repeats both:\n\n" +
	"| `error` | status |\n|---|---|\n" +
	"| `invalid_request` | 400, 403 and 404 (`organization_id`), 413, 415, 422 |\n" +
	"| `unsupported_grant_type` | 422 |\n" +
	"| `mfa_required` | 403: go on with `grant_type=challenge` |\n" +
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
		Refusals: append(invitationRefusals, errRegistrationDisabled, errEmailTaken, errInvalidChallenge, errAlreadySetUp, password.ErrBusy, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/token", access.Public().NotByKey(), m.token, httpapi.Doc{
		ID: "logIn", Summary: "Log in, or refresh", Form: true,
		Description: aboutToken,
		Refusals: append(invitationRefusals, errUnsupportedGrantType, errInvalidRefreshToken, errRefreshTokenReused,
			errInvalidCredentials, errInvalidChallenge, errProviderNotFound, errProviderUnavailable, errNoProviderEmail, errAccountExists, errIdentityExists, errTooManyIdentities, errRegistrationDisabled, errMFARequired, errOTPUnavailable, errEmailTaken, errAccountSuspended, errAccountInactive, errAccountArchived,
			access.ErrOrganizationNotFound, access.ErrOrganizationSuspended, access.ErrMembershipSuspended, access.ErrMembershipInactive, access.ErrStepUpRequired, access.ErrFactorRequired, password.ErrBusy,
			ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/challenges", access.Public().OrSignedIn().MayStepUp(), m.createChallenge, httpapi.Doc{
		ID: "createChallenge", Summary: "Send a code by mail, ask for a passkey, or send a person to a provider",
		Description: "For a passkey the answer has `public_key`, for the browser, and the passkey's `credential` is sent with the `challenge_token`, within 5 minutes. No mail is sent, and no email address is needed:\n\n" +
			"| `purpose`, `method` | who | `public_key` is for | answered at |\n|---|---|---|---|\n" +
			"| `log_in`, `passkey` | anyone | `navigator.credentials.get` | `/auth/token` |\n" +
			"| `step_up`, `passkey` | signed in, with a passkey | `navigator.credentials.get` | `/auth/step-up` |\n" +
			"| `enrol_passkey` | signed in, after a recent proof | `navigator.credentials.create` | `/auth/factors/passkeys` |\n\n" +
			"For a provider the answer has `authorization_url`. Keep the `challenge_token` in the client that asked, and send the person's browser there. It comes back to `redirect_uri` with `code`, `state` and perhaps `iss`, or with `error`. Within 10 minutes, once, send these with the `challenge_token`:\n\n" +
			"| `purpose`, `method` | who | answered at |\n|---|---|---|\n" +
			"| `log_in`, `provider` | anyone | `/auth/token` |\n" +
			"| `link_identity` | signed in, after a recent proof | `/auth/identities` |\n\n" +
			"Otherwise a mail goes out. It has a code of 8 digits and, except for `step_up`, a link. Both can be used once. A code needs the `challenge_token` of this answer, and 5 attempts are allowed.\n\n" +
			"| `purpose` | who | the mail goes to | answered at | valid for |\n|---|---|---|---|---|\n" +
			"| `reset_password` | anyone | `email` | `/auth/password-reset` | 1 hour |\n" +
			"| `log_in` (where `LOG_IN_BY_EMAIL` is on) | anyone | `email` | `/auth/token` | 10 minutes |\n" +
			"| `verify_email` | signed in | one's address | `/auth/email-confirmation` | 24 hours |\n" +
			"| `change_email` | signed in, at most 10 minutes ago (`STEP_UP_MAX_AGE_SECONDS`) | `new_email` | `/auth/email-confirmation` | 1 hour |\n" +
			"| `recover_factors` | anyone | `email`, without a link | `/auth/factor-recovery` | 1 hour |\n" +
			"| `step_up` | signed in | one's confirmed address | `/auth/step-up` | 10 minutes |\n\n" +
			"Whether `email` or `new_email` has an account does not show: the answer, its time and the limits are the same.",
		Refusals: httpapi.Refusals(access.ErrAuthenticationRequired, mail.ErrNotConfigured, errPasskeysNotConfigured, errNoPasskey, errTooManyFactors, errProviderNotFound, errRedirectNotAllowed, errProviderUnavailable, errLogInByEmailDisabled, errAlreadyVerified, errEmailNotVerified, ratelimit.Refusal()),
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
		Description: "Renews the proof of this session: of a person with a second factor by `otp`, `recovery_code` or a passkey (`challenge_token` and `credential`), of others by the password or by a code (`step_up`). Then repeat the request that was refused with `step_up_required`, with the same access token.",
		Refusals:    httpapi.Refusals(errInvalidChallenge, errWrongPassword, errMFARequired, errWrongOTP, errWrongRecoveryCode, errOTPUnavailable, password.ErrBusy, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/disavow", access.Public(), m.disavow, httpapi.Doc{
		ID: "disavow", Summary: "Undo a change that a mail told you about",
		Description: "\"This wasn't me\": ends all sessions, takes back that change of the email address and later ones, and removes the password, so that a reset by mail is needed. Every such mail can do this, whatever it told. The link is valid for 72 hours.",
		Refusals:    httpapi.Refusals(errInvalidChallenge, errEmailTaken),
	})
	httpapi.Post(r, "/auth/refresh", access.Public().NotByKey(), m.refresh, httpapi.Doc{
		ID: "refresh", Summary: "Exchange a refresh token for new tokens", Form: true,
		Description: "The same as `grant_type=refresh_token` at `/auth/token`. The refresh token is rotated. For a short grace period after that (10 seconds by default), the old token gives the same successor, " +
			"also if that was rotated again: a request can be repeated, and tabs may refresh at once. Reuse after the grace period ends the session with all its tokens.\n\n" +
			"The tokens are for the organization of the refresh token, or for `organization_id`, which then is that of later refreshes. An organization in which the caller may not act is refused, and the refresh token stays valid.",
		Refusals: httpapi.Refusals(errUnsupportedGrantType, errInvalidRefreshToken, errRefreshTokenReused,
			access.ErrOrganizationNotFound, access.ErrOrganizationSuspended, access.ErrMembershipSuspended, access.ErrMembershipInactive, access.ErrStepUpRequired, access.ErrFactorRequired, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/switch-organization", access.SignedIn(), m.switchOrganization, httpapi.Doc{
		ID: "switchOrganization", Summary: "Get tokens for another organization",
		Description: "The new tokens, and those that they are refreshed to, are for that organization. They belong to the same session: a log-out ends them too. " +
			"The tokens of the request stay valid in their own organization, for other tabs. " +
			"A session has the tokens of at most 100 switches: a further one ends those that were used longest ago. A switch to the organization that is active already changes nothing, and returns the current refresh token.",
		Refusals: httpapi.Refusals(access.ErrOrganizationNotFound, access.ErrOrganizationSuspended, access.ErrMembershipSuspended, access.ErrMembershipInactive, access.ErrStepUpRequired, access.ErrFactorRequired),
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
	selfOrPlatform := access.Self().OrPlatformAdmin()
	httpapi.Get(r, "/users/:user_id/sessions", selfOrPlatform, m.listPersonSessions, httpapi.Doc{
		ID: "listUserSessions", Summary: "List a person's live sessions",
		Description: "As `/auth/sessions` does for the caller.",
		Refusals:    httpapi.Refusals(access.ErrUserNotFound),
	})
	httpapi.Delete(r, "/users/:user_id/sessions", selfOrPlatform, m.endPersonSessions, httpapi.Doc{
		ID: "endUserSessions", Summary: "End all sessions of a person",
		Description: "Their access tokens become invalid at once, also that of this request if the caller is the person. If no session is live, that is 204, too.",
		Refusals:    httpapi.Refusals(access.ErrUserNotFound),
	})
	httpapi.Delete(r, "/users/:user_id/sessions/:session_id", selfOrPlatform, m.endPersonSession, httpapi.Doc{
		ID: "endUserSession", Summary: "End one of a person's sessions",
		Description: "Its access tokens become invalid at once.",
		Refusals:    httpapi.Refusals(access.ErrUserNotFound, errSessionNotFound),
	})
	httpapi.Patch(r, "/users/:user_id/password", access.Self().StepUpByFactor(), m.changePassword, httpapi.Doc{
		ID: "changePassword", Summary: "Change one's password",
		Description: "Ends every other session of the person.",
		Refusals:    httpapi.Refusals(errWrongPassword, password.ErrBusy, ratelimit.Refusal()),
	})
	m.factorRoutes(r)
	m.identityRoutes(r)
}

func (m *Module) identityRoutes(r *httpapi.Router) {
	stepUp := access.SignedIn().StepUp()
	httpapi.Get(r, "/auth/providers", access.Public(), m.listProviders, httpapi.Doc{
		ID: "listProviders", Summary: "List the services with which people may log in",
		Description: "Ask `/auth/challenges` to send a person to one of them.",
	})
	httpapi.Post(r, "/auth/providers/apple/callback", access.Public(), m.passOn, httpapi.Doc{
		ID: "passOn", Summary: "Take the answer of Apple, and send the browser on", Form: true,
		Description: "Apple posts its answer here, and not to a client. The browser goes on to the `redirect_uri` of the challenge with `code`, `state` or `error` in the query, as from other providers.",
		Refusals:    httpapi.Refusals(errInvalidChallenge),
	})
	httpapi.Get(r, "/auth/identities", access.SignedIn(), m.listIdentities, httpapi.Doc{
		ID: "listIdentities", Summary: "List the accounts of providers with which one may log in",
	})
	httpapi.Post(r, "/auth/identities", stepUp, m.addIdentity, httpapi.Doc{
		ID: "createIdentity", Summary: "Link an account of a provider",
		Description: "Answers the purpose `link_identity`. From now on, that account logs in to this one, whatever its email address is. A mail tells the person.",
		Refusals:    httpapi.Refusals(errInvalidChallenge, errProviderNotFound, errProviderUnavailable, errIdentityExists, errTooManyIdentities, ratelimit.Refusal()),
	})
	httpapi.Delete(r, "/auth/identities/:identity_id", stepUp, m.removeIdentity, httpapi.Doc{
		ID: "deleteIdentity", Summary: "Unlink an account of a provider",
		Description: "Every other session of the person ends, and a mail tells the person.",
		Refusals:    httpapi.Refusals(errIdentityNotFound, errLastLogInMethod),
	})
}

func (m *Module) factorRoutes(r *httpapi.Router) {
	stepUp := access.SignedIn().StepUp()
	httpapi.Get(r, "/auth/factors", access.SignedIn(), m.listFactors, httpapi.Doc{
		ID: "listFactors", Summary: "List one's second factors",
	})
	httpapi.Post(r, "/auth/factors/totp", stepUp, m.offerTOTP, httpapi.Doc{
		ID: "createTotp", Summary: "Set up an authenticator app",
		Description: "Show `qr_svg` or `secret` to the person. The app becomes a factor when its first code confirms it. Until then it changes nothing, and another request replaces it.",
		Refusals:    httpapi.Refusals(errTooManyFactors),
	})
	httpapi.Post(r, "/auth/factors/totp/:factor_id/confirm", stepUp, m.confirmTOTP, httpapi.Doc{
		ID: "confirmTotp", Summary: "Confirm an authenticator app by its first code",
		Description: "From now on, every log-in of the person needs a second factor. With the first one they get 10 recovery codes. This session counts as one with two factors; every other session ends.",
		Refusals:    httpapi.Refusals(errFactorNotFound, errTooManyFactors, errWrongOTP, ratelimit.Refusal()),
	})
	httpapi.Post(r, "/auth/factors/passkeys", stepUp, m.addPasskey, httpapi.Doc{
		ID: "createPasskey", Summary: "Set up a passkey",
		Description: "Answers the purpose `enrol_passkey`. From now on, every log-in of the person needs a second factor, and the passkey alone is one, too. With the first factor they get 10 recovery codes. This session counts as one with two factors; every other session ends.",
		Refusals:    httpapi.Refusals(errInvalidChallenge, errPasskeysNotConfigured, errPasskeyExists, errTooManyFactors),
	})
	httpapi.Patch(r, "/auth/factors/:factor_id", stepUp, m.renameFactor, httpapi.Doc{
		ID: "renameFactor", Summary: "Rename a second factor", Refusals: httpapi.Refusals(errFactorNotFound),
	})
	httpapi.Delete(r, "/auth/factors/:factor_id", stepUp, m.removeFactor, httpapi.Doc{
		ID: "removeFactor", Summary: "Remove a second factor",
		Description: "Every other session of the person ends. With the last factor, the recovery codes end too, and an organization that requires one refuses the person. A passkey stays if it is the last way to log in.",
		Refusals:    httpapi.Refusals(errFactorNotFound, errLastLogInMethod),
	})
	httpapi.Post(r, "/auth/factor-recovery", access.Public(), m.startRecovery, httpapi.Doc{
		ID: "startFactorRecovery", Summary: "Ask for the removal of one's lost second factors",
		Description: "For a person who lost every second factor and every recovery code. It needs the password, and a code from a mail (`recover_factors` of `/auth/challenges`). After a delay (`recovers_at`; 24 hours by default), the next log-in needs no second factor and removes them all. Meanwhile mails tell the person, `recovers_at` of `/auth/factors` shows it in every session, and it stops when a session cancels it, a factor or a recovery code is used, the password is changed, or the mail's link says \"this wasn't me\". Another request begins the delay anew.",
		Refusals:    httpapi.Refusals(errInvalidChallenge, errInvalidCredentials, errNoFactor, errAccountSuspended, errAccountInactive, errAccountArchived, password.ErrBusy, ratelimit.Refusal()),
	})
	httpapi.Delete(r, "/auth/factor-recovery", access.SignedIn(), m.cancelRecovery, httpapi.Doc{
		ID: "cancelFactorRecovery", Summary: "Keep one's second factors",
		Description: "Stops what `startFactorRecovery` began. If nothing is under way, that is 204, too.",
	})
	httpapi.Post(r, "/auth/recovery-codes", stepUp, m.renewRecoveryCodes, httpapi.Doc{
		ID: "createRecoveryCodes", Summary: "Get new recovery codes",
		Description: "The old ones end.", Refusals: httpapi.Refusals(errNoFactor),
	})
}
