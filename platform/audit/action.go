package audit

import "guildhall/platform/field"

// Action is what was done, or tried.
type Action string

const (
	UserRegistered  Action = "user.registered"
	UserCreated     Action = "user.created" // by a platform administrator
	UserActivated   Action = "user.activated"
	UserDeactivated Action = "user.deactivated"
	UserSuspended   Action = "user.suspended"
	UserArchived    Action = "user.archived"
	UserUnarchived  Action = "user.unarchived"
	UserUnlocked    Action = "user.unlocked" // the limits on guessing their password were forgotten
	ProfileChanged  Action = "profile.changed"
	PasswordChanged Action = "password.changed"

	LogInFailed          Action = "log_in.failed"
	SessionStarted       Action = "session.started"
	SessionEnded         Action = "session.ended"
	SessionSwitched      Action = "session.organization_switched"
	RefreshTokenReused   Action = "session.refresh_token_reused"
	OrganizationCreated  Action = "organization.created"
	OrganizationRenamed  Action = "organization.renamed"
	OrganizationSuspend  Action = "organization.suspended"
	OrganizationActivate Action = "organization.activated"
	OrganizationArchive  Action = "organization.archived"
	OrganizationRestore  Action = "organization.unarchived"
	OrganizationImported Action = "organization.imported"

	MemberAdded          Action = "member.added"
	MemberRemoved        Action = "member.removed"
	MemberLeft           Action = "member.left"
	AdminGranted         Action = "admin.granted"
	AdminRevoked         Action = "admin.revoked"
	OwnershipTransferred Action = "ownership.transferred"

	OperatorGranted Action = "platform_administrator.granted"
	OperatorRevoked Action = "platform_administrator.revoked"

	// DatabaseRestored is a server that was brought back from a backup; what was
	// done after that was taken is lost.
	DatabaseRestored Action = "database.restored"

	// RowSecurityOn and RowSecurityOff are the second wall between organizations, put
	// up or taken down in the database.
	RowSecurityOn  Action = "database.row_security_on"
	RowSecurityOff Action = "database.row_security_off"

	// OperationForbidden is an operation that was refused with 403.
	OperationForbidden Action = "operation.forbidden"
)

// Actions are all there are.
func Actions() []Action {
	return []Action{
		UserRegistered, UserCreated, UserActivated, UserDeactivated, UserSuspended, UserArchived, UserUnarchived, UserUnlocked,
		ProfileChanged, PasswordChanged,
		LogInFailed, SessionStarted, SessionEnded, SessionSwitched, RefreshTokenReused,
		OrganizationCreated, OrganizationRenamed, OrganizationSuspend, OrganizationActivate, OrganizationArchive, OrganizationRestore,
		OrganizationImported,
		MemberAdded, MemberRemoved, MemberLeft, AdminGranted, AdminRevoked, OwnershipTransferred,
		OperatorGranted, OperatorRevoked, DatabaseRestored, RowSecurityOn, RowSecurityOff, OperationForbidden,
	}
}

// UnmarshalText refuses what is none of them.
func (a *Action) UnmarshalText(text []byte) error {
	for _, known := range Actions() {
		if string(known) == string(text) {
			*a = known
			return nil
		}
	}
	return field.Problem("must be an action that the API document lists.")
}

func (Action) InlineJSONSchema() {}

// Enum lists the values for the OpenAPI document.
func (Action) Enum() []any {
	var all []any
	for _, a := range Actions() {
		all = append(all, a)
	}
	return all
}
