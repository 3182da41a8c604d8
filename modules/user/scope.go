package user

import "guildhall/platform/field"

// standingScope says what a change of standing is about: the person within the
// caller's active organization, or their whole account.
type standingScope string

const (
	scopeOrganization standingScope = "organization"
	scopeAccount      standingScope = "account"
)

func (s *standingScope) UnmarshalText(text []byte) error {
	*s = standingScope(text)
	if *s != scopeOrganization && *s != scopeAccount {
		return field.Problem("must be organization or account.")
	}
	return nil
}

func (standingScope) InlineJSONSchema() {}

// Enum lists the values for the OpenAPI document.
func (standingScope) Enum() []any { return []any{scopeOrganization, scopeAccount} }

func (s *standingScope) isAccount() bool { return s != nil && *s == scopeAccount }
