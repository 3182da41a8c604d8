package audit

import (
	"slices"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

// Action is the kind of an audit event: what was done or attempted.
type Action string

// actions has all actions in the order of their declaration below, which the OpenAPI
// document keeps.
var actions []Action

func action(name string) Action {
	actions = append(actions, Action(name))
	return Action(name)
}

var (
	UserRegistered  = action("user.registered")
	UserCreated     = action("user.created") // by a platform administrator
	UserActivated   = action("user.activated")
	UserDeactivated = action("user.deactivated")
	UserSuspended   = action("user.suspended")
	UserAmended     = action("user.suspension_changed")
	UserArchived    = action("user.archived")
	UserUnarchived  = action("user.unarchived")
	// UserErasureRequested: the account is archived, and will be erased.
	UserErasureRequested = action("user.erasure_requested")
	UserErasureCancelled = action("user.erasure_cancelled")
	UserErased           = action("user.erased")
	UserUnlocked         = action("user.unlocked") // the limits on guessing their password were reset
	ProfileChanged       = action("profile.changed")
	PasswordChanged      = action("password.changed")

	FactorAdded             = action("factor.added")
	FactorRemoved           = action("factor.removed")
	FactorsReset            = action("factors.reset")
	FactorRecoveryStarted   = action("factors.recovery_started")
	FactorRecoveryCancelled = action("factors.recovery_cancelled")
	FactorsRecovered        = action("factors.recovered")
	RecoveryCodesCreated    = action("recovery_codes.created")
	RecoveryCodeUsed        = action("recovery_code.used")
	PasskeyRefused          = action("passkey.refused") // its counter went back: it may have been copied
	IdentityLinked          = action("identity.linked") // an account of a provider, with which the person may log in
	IdentityUnlinked        = action("identity.unlinked")
	EmailVerified           = action("email.verified")
	EmailChanged            = action("email.changed")
	ChangeDisavowed         = action("change.disavowed") // "this wasn't me", from a mail

	LogInFailed          = action("log_in.failed")
	SessionStarted       = action("session.started")
	SessionEnded         = action("session.ended")
	SessionSwitched      = action("session.organization_switched")
	RefreshTokenReused   = action("session.refresh_token_reused")
	OrganizationCreated  = action("organization.created")
	OrganizationRenamed  = action("organization.renamed")
	OrganizationSecured  = action("organization.security_changed")
	OrganizationSuspend  = action("organization.suspended")
	OrganizationAmended  = action("organization.suspension_changed")
	OrganizationActivate = action("organization.activated")
	OrganizationArchive  = action("organization.archived")
	OrganizationRestore  = action("organization.unarchived")
	OrganizationImported = action("organization.imported")

	MemberAdded          = action("member.added")
	MemberRemoved        = action("member.removed")
	MembersRefused       = action("members.refused") // a batch that named addresses without an account
	MemberLeft           = action("member.left")
	AdminGranted         = action("admin.granted")
	AdminRevoked         = action("admin.revoked")
	OwnershipTransferred = action("ownership.transferred")

	InvitationCreated     = action("invitation.created")
	InvitationResent      = action("invitation.resent")
	InvitationRevoked     = action("invitation.revoked")
	InvitationAccepted    = action("invitation.accepted")
	InvitationDeclined    = action("invitation.declined")
	InvitationLinkCreated = action("invitation_link.created")
	InvitationLinkRevoked = action("invitation_link.revoked")
	InvitationLinkUsed    = action("invitation_link.used")
	// InvitationsWithdrawn: a person lost a role, or a thief their account, and with it the
	// invitations and links that were open.
	InvitationsWithdrawn = action("invitations.withdrawn")

	ServiceAccountCreated = action("service_account.created")
	APIKeyCreated         = action("api_key.created")
	APIKeyRotated         = action("api_key.rotated")
	APIKeyRevoked         = action("api_key.revoked")
	APIRegistered         = action("api.registered")
	APIChanged            = action("api.changed")
	APIRemoved            = action("api.removed")

	PlatformAdminGranted = action("platform_administrator.granted")
	PlatformAdminRevoked = action("platform_administrator.revoked")

	SigningKeyCreated = action("signing_key.created") // and perhaps the former ones revoked

	// DatabaseRestored: the database was restored from a backup. Changes after the backup
	// are lost.
	DatabaseRestored = action("database.restored")

	// EventsErased: what told of a person was erased from events of this chain, whose numbers
	// and new hashes the details have.
	EventsErased = action("events.erased")

	// RowSecurityOn and RowSecurityOff: row-level security, the second isolation of
	// organizations, was enabled or disabled in the database.
	RowSecurityOn  = action("database.row_security_on")
	RowSecurityOff = action("database.row_security_off")

	// OperationForbidden: an operation was refused with 403.
	OperationForbidden = action("operation.forbidden")
)

// Actions returns all actions.
func Actions() []Action { return slices.Clone(actions) }

// UnmarshalText refuses an unknown action.
func (a *Action) UnmarshalText(text []byte) error {
	if known := Action(text); slices.Contains(actions, known) {
		*a = known
		return nil
	}
	return fault.UnknownAction
}

func (Action) JSONSchema() (jsonschema.Schema, error) { return field.Enum(Actions()...), nil }

// RecordedAction is the action of an event in an answer. An old client may read an action
// that a later version has added, so the document does not close the list.
type RecordedAction Action

func (RecordedAction) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(Actions()...), nil
}
