package auth

import (
	"guildhall/platform/access"
	"guildhall/platform/fault"
)

var (
	errRegistrationDisabled = fault.New(fault.Forbidden, "registration_disabled", "Registration is closed.")
	errInvalidCredentials   = fault.New(fault.Unauthenticated, "invalid_credentials", "The email address or the password is wrong.")
	errAccountSuspended     = fault.New(fault.Forbidden, "account_suspended", "This account is suspended.")
	errAccountInactive      = fault.New(fault.Forbidden, "account_inactive", "This account has been deactivated.")
	errAccountArchived      = fault.New(fault.Forbidden, "account_archived", "This account is archived.")
	errInvalidRefreshToken  = fault.New(fault.Unauthenticated, "invalid_refresh_token", "The refresh token is invalid, has expired or has been revoked.")
	errRefreshTokenReused   = fault.New(fault.Unauthenticated, "refresh_token_reused", "This refresh token was used before, so its session has been ended. Log in again.")
	errUnsupportedGrantType = fault.New(fault.Invalid, "unsupported_grant_type", "This grant type is not supported.")
	errSessionNotFound      = fault.New(fault.NotFound, "session_not_found", "There is no such session.")
	errInvalidChallenge     = fault.New(fault.Unauthenticated, "invalid_challenge", "The code or the link is wrong, was used before or has expired. Ask for a new one.")
	errLogInByEmailDisabled = fault.New(fault.Forbidden, "log_in_by_email_disabled", "Log-in by email is turned off.")
	errAlreadyVerified      = fault.New(fault.Conflict, "already_verified", "This email address is already confirmed.")
	errEmailNotVerified     = fault.New(fault.Forbidden, "email_not_verified", "Confirm your email address first.")
	errMFARequired          = fault.New(fault.Forbidden, "mfa_required", "This account has a second factor. Prove it, too.")
	errWrongOTP             = fault.New(fault.Forbidden, "wrong_otp", "The code of the authenticator app is wrong, or was used before. Wait for the next one.")
	errWrongRecoveryCode    = fault.New(fault.Forbidden, "wrong_recovery_code", "The recovery code is wrong, or was used before.")
	errOTPUnavailable       = fault.New(fault.Unavailable, "otp_unavailable", "This service can't check the codes of authenticator apps at present. Use a recovery code, or ask its operator.")
	errFactorNotFound       = fault.New(fault.NotFound, "factor_not_found", "There is no such factor.")
	errTooManyFactors       = fault.New(fault.Conflict, "too_many_factors", "This account has 10 second factors, which is the limit. Remove one first.")
	errNoPasskey            = fault.New(fault.Conflict, "no_passkey", "This account has no passkey that can be used here. Set one up first.")
	errPasskeyExists        = fault.New(fault.Conflict, "passkey_exists", "This passkey is set up already.")
	errNoFactor             = fault.New(fault.Conflict, "no_factor", "This account has no second factor. Set one up first.")
	errWrongPassword        = fault.New(fault.Forbidden, "wrong_password", "The password is wrong.")

	errProviderNotFound    = fault.New(fault.NotFound, "provider_not_found", "There is no such provider.")
	errProviderUnavailable = fault.New(fault.Unavailable, "provider_unavailable", "The provider does not answer as it should. Try again later, or log in another way.")
	errRedirectNotAllowed  = fault.New(fault.Invalid, "redirect_not_allowed", "People may not be sent back to this address: AUTH_REDIRECT_URIS does not have it.")
	errNoProviderEmail     = fault.New(fault.Conflict, "provider_email_missing", "The provider gave no email address. Log in another way, and link it.")
	errAccountExists       = fault.New(fault.Conflict, "account_exists", "This email address has an account. Log in to it another way, and link the provider there.")
	errIdentityExists      = fault.New(fault.Conflict, "identity_exists", "This account of the provider is linked already.")
	errTooManyIdentities   = fault.New(fault.Conflict, "too_many_identities", "This account is linked with 10 accounts of providers, which is the limit. Unlink one first.")
	errIdentityNotFound    = fault.New(fault.NotFound, "identity_not_found", "There is no such identity.")
	errLastLogInMethod     = fault.New(fault.Conflict, "last_log_in_method", "This is the last way to log in to this account. Set a password or link another provider first.")

	errPasskeysNotConfigured = fault.New(fault.Unavailable, "passkeys_not_configured", "Passkeys can't be used here: the service does not know its own domain.")

	// Refusals by Invitations, declared for the OpenAPI document.
	errInvitationNotFound   = fault.New(fault.NotFound, "invitation_not_found", "There is no such invitation.")
	errInvitationExpired    = fault.New(fault.Gone, "invitation_expired", "This invitation has expired. Ask for a new one.")
	errInvitationRevoked    = fault.New(fault.Gone, "invitation_revoked", "This invitation was revoked.")
	errInvitationUsed       = fault.New(fault.Gone, "invitation_used", "This invitation was already accepted, declined or used up.")
	errInvitationForAnother = fault.New(fault.Forbidden, "invitation_for_another_address", "This invitation is for another email address.")

	// A refusal by Users, declared for the OpenAPI document.
	errAlreadySetUp = fault.New(fault.Conflict, "already_set_up", "There is a platform administrator already. Log in, or ask them for an account.")
	errEmailTaken   = fault.New(fault.Conflict, "email_taken", "This email address already has an account.")
)

// invitationRefusals are those of a registration by invitation.
var invitationRefusals = []*fault.Error{
	errInvitationNotFound, errInvitationExpired, errInvitationRevoked, errInvitationUsed, errInvitationForAnother, errEmailNotVerified, access.ErrOrganizationSuspended,
}

func unsupportedGrantType(supported ...string) error {
	return errUnsupportedGrantType.WithFields(fault.Field{Location: "body.grant_type", Problem: fault.NotInEnum.Of(supported...)})
}
