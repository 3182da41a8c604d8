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
	errSessionNotFound      = fault.New(fault.NotFound, "session_not_found", "You have no such session.")
	errInvalidChallenge     = fault.New(fault.Unauthenticated, "invalid_challenge", "The code or the link is wrong, was used before or has expired. Ask for a new one.")
	errStepUpRequired       = fault.New(fault.Unauthenticated, "step_up_required", "Your log-in is too long ago for this. Confirm that it is you, then repeat the request.")
	errLogInByEmailDisabled = fault.New(fault.Forbidden, "log_in_by_email_disabled", "Log-in by email is turned off.")
	errAlreadyVerified      = fault.New(fault.Conflict, "already_verified", "This email address is already confirmed.")
	errEmailNotVerified     = fault.New(fault.Forbidden, "email_not_verified", "Confirm your email address first.")
	errWrongPassword        = fault.New(fault.Forbidden, "wrong_password", "The password is wrong.")

	// Refusals by Invitations, declared for the OpenAPI document.
	errInvitationNotFound   = fault.New(fault.NotFound, "invitation_not_found", "There is no such invitation.")
	errInvitationExpired    = fault.New(fault.Gone, "invitation_expired", "This invitation has expired. Ask for a new one.")
	errInvitationRevoked    = fault.New(fault.Gone, "invitation_revoked", "This invitation was revoked.")
	errInvitationUsed       = fault.New(fault.Gone, "invitation_used", "This invitation was already accepted, declined or used up.")
	errInvitationForAnother = fault.New(fault.Forbidden, "invitation_for_another_address", "This invitation is for another email address.")

	// A refusal by Users, declared for the OpenAPI document.
	errEmailTaken = fault.New(fault.Conflict, "email_taken", "This email address already has an account.")
)

// invitationRefusals are those of a registration by invitation.
var invitationRefusals = []*fault.Error{
	errInvitationNotFound, errInvitationExpired, errInvitationRevoked, errInvitationUsed, errInvitationForAnother, errEmailNotVerified, access.ErrOrganizationSuspended,
}

func unsupportedGrantType(supported ...string) error {
	return errUnsupportedGrantType.WithFields(fault.Field{Location: "body.grant_type", Problem: fault.NotInEnum.Of(supported...)})
}
