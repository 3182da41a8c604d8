package organization

import "guildhall/platform/fault"

var (
	errAlreadySuspended = fault.New(fault.Conflict, "already_suspended", "This organization is already suspended.")
	errNotSuspended     = fault.New(fault.Conflict, "not_suspended", "This organization is not suspended.")
	errAlreadyArchived  = fault.New(fault.Conflict, "already_archived", "This organization is already archived.")
	errNotArchived      = fault.New(fault.Conflict, "not_archived", "This organization is not archived.")
	errOwnerRequired    = fault.New(fault.Conflict, "owner_required", "This person owns an organization that others are in: transfer its ownership first.")
)
