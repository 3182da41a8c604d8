package membership

import "guildhall/platform/fault"

var (
	errAdminNotFound     = fault.New(fault.NotFound, "admin_not_found", "There is no such admin in this organization.")
	errAlreadyMember     = fault.New(fault.Conflict, "already_member", "This person is already a member.")
	errEmailUnverified   = fault.New(fault.Conflict, "email_unverified", "Nobody has proved yet that this email address is theirs. Invite the person instead.")
	errNotAMember        = fault.New(fault.Conflict, "not_a_member", "This person is not a member of the organization.")
	errAlreadyAdmin      = fault.New(fault.Conflict, "already_admin", "This person is already an admin.")
	errAlreadyOwner      = fault.New(fault.Conflict, "already_owner", "This person already owns the organization.")
	errOwnerRequired     = fault.New(fault.Conflict, "owner_required", "The owner can't leave or be removed: transfer the ownership first.")
	errServiceAccount    = fault.New(fault.Conflict, "service_account", "A service account can't own an organization.")
	errNotInGoodStanding = fault.New(fault.Conflict, "not_in_good_standing", "This person is suspended, inactive or archived.")
)
