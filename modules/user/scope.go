package user

import (
	"github.com/swaggest/jsonschema-go"

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
	return field.Choose(s, text, scopeOrganization, scopeAccount)
}

func (standingScope) JSONSchema() (jsonschema.Schema, error) {
	return field.Enum(scopeOrganization, scopeAccount), nil
}

func (s *standingScope) isAccount() bool { return s != nil && *s == scopeAccount }
