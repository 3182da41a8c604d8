package invitation

import "guildhall/platform/fault"

var (
	errNotFound       = fault.New(fault.NotFound, "invitation_not_found", "There is no such invitation.")
	errLinkNotFound   = fault.New(fault.NotFound, "invitation_link_not_found", "There is no such invitation link.")
	errExpired        = fault.New(fault.Gone, "invitation_expired", "This invitation has expired. Ask for a new one.")
	errRevoked        = fault.New(fault.Gone, "invitation_revoked", "This invitation was revoked.")
	errUsed           = fault.New(fault.Gone, "invitation_used", "This invitation was already accepted, declined or used up.")
	errAnotherAddress = fault.New(fault.Forbidden, "invitation_for_another_address", "This invitation is for another email address.")
	errNotVerified    = fault.New(fault.Forbidden, "email_not_verified", "Confirm your email address first.")
	errAlreadyMember  = fault.New(fault.Conflict, "already_member", "This person is already a member.")
	errAlreadyInvited = fault.New(fault.Conflict, "already_invited", "This person is already invited.")
	errClosed         = fault.New(fault.Conflict, "invitation_closed", "This invitation is not open any more.")
)
