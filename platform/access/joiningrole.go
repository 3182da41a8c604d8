package access

import (
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/field"
)

// JoiningRole is a role that a person can have from the start in an organization.
type JoiningRole string

const (
	joinsAsMember JoiningRole = "member"
	joinsAsAdmin  JoiningRole = "admin"
)

// UnmarshalText refuses any other role.
func (r *JoiningRole) UnmarshalText(text []byte) error {
	return field.Choose(r, text, joinsAsMember, joinsAsAdmin)
}

// JSONSchema describes the role in the OpenAPI document.
func (JoiningRole) JSONSchema() (jsonschema.Schema, error) {
	return field.Enum(joinsAsMember, joinsAsAdmin), nil
}

// Role returns the role, or Member if none was given.
func (r *JoiningRole) Role() Role {
	if r != nil && *r == joinsAsAdmin {
		return Admin
	}
	return Member
}
