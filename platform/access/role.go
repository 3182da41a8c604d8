// Package access answers one question: who is this, and what may they do here?
//
// It is the only place that compares roles. A route declares a Rule; the Gate
// reads user, session, membership, role, organization and their standing in one
// query, on every request, so that whatever was taken from somebody is gone on
// their very next request. Operations that change a role pass the gate again
// under a lock (Hold).
package access

import "github.com/swaggest/jsonschema-go"

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

// MarshalText writes the role as the contract spells it.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// InlineJSONSchema and JSONSchema describe it in the OpenAPI document.
func (Role) InlineJSONSchema() {}

func (Role) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.AddType(jsonschema.String)
	s.WithEnum("owner", "admin", "member").WithExamples("owner")
	return s, nil
}

// Includes says whether the role may do what the other may.
func (r Role) Includes(other Role) bool { return r >= other }
