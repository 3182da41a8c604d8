package field

import (
	"strings"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// unspaced removes what people type or copy between the groups of a code.
var unspaced = strings.NewReplacer(" ", "", "-", "", "\u00a0", "", "\t", "")

// OTP is a code from an authenticator app: 6 digits (RFC 6238).
type OTP string

func (o *OTP) UnmarshalText(text []byte) error {
	digits := unspaced.Replace(strings.TrimSpace(string(text)))
	if len(digits) != 6 || strings.Trim(digits, "0123456789") != "" {
		return fault.NotAnOTP
	}
	*o = OTP(digits)
	return nil
}

func (OTP) String() string { return "[otp]" }

func (OTP) InlineJSONSchema() {}

func (OTP) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithPattern(`^[0-9]{3}[ -]?[0-9]{3}$`).WithDescription("6 digits, from an authenticator app.")
	return s, nil
}

// RecoveryCode is one of the codes that replace a lost second factor: 24 letters and digits,
// in groups. It is stored and compared in this form: upper case, without the hyphens.
type RecoveryCode string

const base32Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

func (r *RecoveryCode) UnmarshalText(text []byte) error {
	code := strings.ToUpper(unspaced.Replace(strings.TrimSpace(string(text))))
	if len(code) != 24 || strings.Trim(code, base32Alphabet) != "" {
		return fault.NotARecoveryCode
	}
	*r = RecoveryCode(code)
	return nil
}

func (RecoveryCode) String() string { return "[recovery code]" }

func (RecoveryCode) InlineJSONSchema() {}

func (RecoveryCode) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithPattern(`^[A-Za-z2-7]{4}([ -]?[A-Za-z2-7]{4}){5}$`).WithDescription("One of the recovery codes: 6 groups of 4 letters and digits.")
	return s, nil
}
