// Package access authorizes requests.
//
// It is the only package that compares roles. A route declares a Rule. On every request
// the Gate reads user, session, membership, role, organization and their standing in one
// query, so that a revocation takes effect on the very next request. An operation that
// changes a role is authorized again under a lock (Gate.Lock).
package access

import (
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// Role of a member in one organization. Each includes the ones before it.
type Role int8

const (
	NoRole Role = iota // not a member
	Member
	Admin
	Owner
)

func (r Role) String() string {
	switch r {
	case Member:
		return "member"
	case Admin:
		return "admin"
	case Owner:
		return "owner"
	default:
		return "none"
	}
}

// MarshalText returns the role's name in the API.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText accepts the role's name in the API.
func (r *Role) UnmarshalText(text []byte) error {
	for _, role := range []Role{Owner, Admin, Member} {
		if string(text) == role.String() {
			*r = role
			return nil
		}
	}
	return fault.NotInEnum.Of(Owner.String(), Admin.String(), Member.String())
}

// OrNil returns the role, or nil for NoRole.
func (r Role) OrNil() *Role {
	if r == NoRole {
		return nil
	}
	return &r
}

// JSONSchema describes the role in the OpenAPI document.
func (Role) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.AddType(jsonschema.String)
	s.WithEnum("owner", "admin", "member").WithExamples("owner")
	return s, nil
}

// Includes reports whether the role may do everything that the other may.
func (r Role) Includes(other Role) bool { return r >= other }
