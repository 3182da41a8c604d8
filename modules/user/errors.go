package user

import "guildhall/platform/fault"

var (
	errEmailTaken       = fault.New(fault.Conflict, "email_taken", "This email address already has an account.")
	errAlreadySuspended = fault.New(fault.Conflict, "already_suspended", "This person is already suspended.")
	errArchived         = fault.New(fault.Conflict, "account_archived", "This account is archived: restore it first.")
	errAlreadyArchived  = fault.New(fault.Conflict, "already_archived", "This account is already archived.")
	errNotArchived      = fault.New(fault.Conflict, "not_archived", "This account is not archived.")
	errOwnerRequired    = fault.New(fault.Conflict, "owner_required", "This person owns the organization: transfer its ownership first.")
	errOwnsOrganization = fault.New(fault.Conflict, "owner_required", "This person owns an organization that others are in: transfer its ownership first.")
)
