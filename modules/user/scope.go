package user

import (
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/access"
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

// JoiningRole is a role that a person can have from the start in an organization.
type JoiningRole string

const (
	joinsAsMember JoiningRole = "member"
	joinsAsAdmin  JoiningRole = "admin"
)

func (r *JoiningRole) UnmarshalText(text []byte) error {
	*r = JoiningRole(text)
	if *r != joinsAsMember && *r != joinsAsAdmin {
		return fault.NotInEnum.Of(string(joinsAsMember), string(joinsAsAdmin))
	}
	return nil
}

func (JoiningRole) JSONSchema() (jsonschema.Schema, error) {
	return field.Enum(joinsAsMember, joinsAsAdmin), nil
}

func (r *JoiningRole) role() access.Role {
	if r != nil && *r == joinsAsAdmin {
		return access.Admin
	}
	return access.Member
}
