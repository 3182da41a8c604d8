package access

import "guildhall/platform/fault"

// The refusals of the gate. None reveals more than the caller may know.
var (
	ErrAuthenticationRequired = fault.New(fault.Unauthenticated, "authentication_required", "This needs an access token: log in and send it as a Bearer token.")
	ErrInvalidToken           = fault.New(fault.Unauthenticated, "invalid_token", "The access token is invalid, has expired or has been revoked.")

	ErrOrganizationNotFound = fault.New(fault.NotFound, "organization_not_found", "There is no such organization.")
	ErrUserNotFound         = fault.New(fault.NotFound, "user_not_found", "There is no such user.")
	ErrMemberNotFound       = fault.New(fault.NotFound, "member_not_found", "There is no such member in this organization.")

	ErrOrganizationRequired  = fault.New(fault.Forbidden, "organization_required", "No organization is active: switch to one or send X-Organization-ID.")
	ErrInsufficientRole      = fault.New(fault.Forbidden, "insufficient_role", "Your role does not allow this.")
	ErrNotYours              = fault.New(fault.Forbidden, "not_yourself", "Only the person themselves may do this.")
	ErrPlatformAdminRequired = fault.New(fault.Forbidden, "platform_administrator_required", "Only a platform administrator may do this.")
	ErrOwnStanding           = fault.New(fault.Forbidden, "own_standing", "Nobody may change their own standing or role.")
	ErrEqualOrHigherRole     = fault.New(fault.Forbidden, "equal_or_higher_role", "This person's role is not below yours.")
	ErrMembershipSuspended   = fault.New(fault.Forbidden, "membership_suspended", "You are suspended in this organization.")
	ErrMembershipInactive    = fault.New(fault.Forbidden, "membership_inactive", "You have been deactivated in this organization.")
	ErrOrganizationSuspended = fault.New(fault.Forbidden, "organization_suspended", "This organization is suspended.")
	ErrStepUpRequired        = fault.New(fault.Unauthenticated, "step_up_required", "Your log-in is too long ago for this, or proved too little. Confirm that it is you, then repeat the request.")
	ErrFactorRequired        = fault.New(fault.Forbidden, "mfa_enrolment_required", "This needs a second factor. Set one up for your account first.")
	ErrKeyWithoutFactor      = fault.New(fault.Forbidden, "key_without_factor", "This API key was made without a second factor, which the organization requires. Make a new one.")
	ErrKeyNotAllowed         = fault.New(fault.Forbidden, "key_not_allowed", "An API key may not do this: log in.")
	ErrInsufficientScope     = fault.New(fault.Forbidden, "insufficient_scope", "The scopes of this API key do not allow this.")
	ErrAPIOnly               = fault.New(fault.Forbidden, "api_key_required", "This needs the key of a registered API.")
	ErrSuspendedByPlatform   = fault.New(fault.Forbidden, "suspended_by_platform", "A platform administrator suspended this organization; only they can lift it.")
)
