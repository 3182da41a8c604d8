package mail

import "time"

// Kind is what a mail is about. Each kind has a template per language.
type Kind string

const (
	Test          Kind = "test"           // of `guildhall mail test`
	VerifyEmail   Kind = "verify_email"   // proves the address of an account
	ConfirmEmail  Kind = "confirm_email"  // completes a registration
	ResetPassword Kind = "reset_password" //nolint:gosec // a name
	SetPassword   Kind = "set_password"   //nolint:gosec // a name // to a person whom an import made
	LogInCode     Kind = "log_in_code"
	StepUpCode    Kind = "step_up_code"
	ChangeEmail   Kind = "change_email"   // to the new address
	AccountExists Kind = "account_exists" // somebody registers an address that has an account

	// The notices tell a person what happened to their account. Their link undoes it.
	PasswordChanged Kind = "password_changed" //nolint:gosec // a name
	PasswordRemoved Kind = "password_removed" //nolint:gosec // a name
	EmailChanged    Kind = "email_changed"
	NewDevice       Kind = "new_device"

	FactorAdded           Kind = "factor_added"
	FactorRemoved         Kind = "factor_removed"
	FactorsReset          Kind = "factors_reset"   // by the operator
	FactorGuessed         Kind = "factor_guessed"  // somebody has the first factor, and tried five second ones
	RecoverFactors        Kind = "recover_factors" // a code, for whoever lost them all
	FactorRecoveryStarted Kind = "factor_recovery_started"
	FactorsRecovered      Kind = "factors_recovered"
	RecoveryCodeUsed      Kind = "recovery_code_used"
	RecoveryCodesReplaced Kind = "recovery_codes_replaced"

	IdentityLinked   Kind = "identity_linked"
	IdentityUnlinked Kind = "identity_unlinked"

	ErasureRequested Kind = "erasure_requested"

	Invitation           Kind = "invitation"
	MemberAdded          Kind = "member_added"
	MemberRemoved        Kind = "member_removed"
	RoleChanged          Kind = "role_changed"
	OwnershipTransferred Kind = "ownership_transferred"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		Test, VerifyEmail, ConfirmEmail, ResetPassword, SetPassword, LogInCode, StepUpCode, ChangeEmail, AccountExists,
		PasswordChanged, PasswordRemoved, EmailChanged, NewDevice,
		FactorAdded, FactorRemoved, FactorsReset, FactorGuessed, RecoverFactors, FactorRecoveryStarted, FactorsRecovered, RecoveryCodeUsed, RecoveryCodesReplaced,
		IdentityLinked, IdentityUnlinked,
		ErasureRequested, Invitation, MemberAdded, MemberRemoved, RoleChanged, OwnershipTransferred,
	}
}

// Fixtures are data with which every template must work: full, and as little as there can
// be.
func Fixtures() []Data {
	at := time.Date(2026, 11, 29, 9, 5, 0, 0, time.UTC)
	return []Data{{
		Name: "Ada Lovelace", Organization: "Analytical Engines", Actor: "Grace Hopper", Role: "admin", Reason: "Under investigation.",
		Email: "ada@new.example", Code: "1234 5678", Factor: "My phone", Provider: "Google", Left: 9, Link: "https://app.example.com/account/reset#link_token=abc",
		Client: "Mozilla/5.0 (X11; Linux x86_64)", Address: "203.0.113.7", At: at, Expires: at.Add(time.Hour), Due: at.Add(24 * time.Hour),
	}, {
		At: at, Expires: at, Due: at,
	}}
}
