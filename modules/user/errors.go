package user

import (
	"guildhall/platform/access"
	"guildhall/platform/fault"
)

var (
	errEmailTaken       = fault.New(fault.Conflict, "email_taken", "This email address already has an account.")
	errAlreadySuspended = fault.New(fault.Conflict, "already_suspended", "This person is already suspended.")
	errNotSuspended     = fault.New(fault.Conflict, "not_suspended", "This person is not suspended.")
	errArchived         = fault.New(fault.Conflict, "account_archived", "This account is archived: restore it first.")
	errAlreadyArchived  = fault.New(fault.Conflict, "already_archived", "This account is already archived.")
	errNotArchived      = fault.New(fault.Conflict, "not_archived", "This account is not archived.")
	errOwnerRequired    = fault.New(fault.Conflict, "owner_required", "This person owns the organization: transfer its ownership first.")
	// Refusals for platform administrators, who probably meant something other than their
	// active organization.
	errNoOrganization = fault.New(fault.Forbidden, access.ErrOrganizationRequired.Code,
		`No organization is active: send "scope": "account" to act on the whole account, or name an organization in X-Organization-ID.`)
	errNotInOrganization = fault.New(fault.NotFound, access.ErrUserNotFound.Code,
		`This person is not in the active organization: send "scope": "account" to act on the whole account, or name another organization in X-Organization-ID.`)
	errNoOrganizationToList = fault.New(fault.Forbidden, access.ErrOrganizationRequired.Code,
		`No organization is active: ask for "scope=all" to list everybody, or name an organization in X-Organization-ID.`)
	errServiceAccount    = fault.New(fault.Conflict, "service_account", "This is the account of a program: remove it from its organization instead.")
	errErased            = fault.New(fault.Conflict, "account_erased", "This account was erased, which can't be undone.")
	errNotBeingErased    = fault.New(fault.Conflict, "not_being_erased", "Nobody asked for the erasure of this account.")
	errLastPlatformAdmin = fault.New(fault.Conflict, "last_platform_administrator", "This is the last platform administrator who can log in: name another first.")
	errOwnsOrganization  = fault.New(fault.Conflict, "owner_required", "This person owns an organization that others are in: transfer its ownership first.")
)
