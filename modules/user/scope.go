package user

import (
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

// standingScope says whether a change of standing is about the person within the caller's
// active organization or about their whole account.
type standingScope string

const (
	scopeOrganization standingScope = "organization"
	scopeAccount      standingScope = "account"
)

func (s *standingScope) UnmarshalText(text []byte) error {
	*s = standingScope(text)
	if *s != scopeOrganization && *s != scopeAccount {
		return fault.NotInEnum.Of(string(scopeOrganization), string(scopeAccount))
	}
	return nil
}

func (standingScope) JSONSchema() (jsonschema.Schema, error) {
	return field.Enum(scopeOrganization, scopeAccount), nil
}

func (s *standingScope) isAccount() bool { return s != nil && *s == scopeAccount }
