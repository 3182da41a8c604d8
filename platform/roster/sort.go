package roster

import (
	"strings"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/field"
)

// Sort is the order of a list of members. "" is that of the ids or, in a search, of the
// terms.
type Sort string

// The names of the orders in the API.
const (
	byName        Sort = "name"
	byNameDown    Sort = "-name"
	byJoining     Sort = "joined_at"
	byJoiningDown Sort = "-joined_at"
)

// NameSort is a Sort of a list that also shows people who have joined nothing.
type NameSort Sort

// OrNone returns the order, or "" if none was given.
func (s *Sort) OrNone() Sort {
	if s == nil {
		return ""
	}
	return *s
}

// OrNone returns the order, or "" if none was given.
func (s *NameSort) OrNone() Sort { return (*Sort)(s).OrNone() }

func (s Sort) isDown() bool { return strings.HasPrefix(string(s), "-") }

func (s *Sort) UnmarshalText(text []byte) error {
	return field.Choose(s, text, byName, byNameDown, byJoining, byJoiningDown)
}

func (s *NameSort) UnmarshalText(text []byte) error {
	return field.Choose(s, text, NameSort(byName), NameSort(byNameDown))
}

// InlineJSONSchema keeps the type out of the document's definitions.
func (Sort) InlineJSONSchema() {}

// InlineJSONSchema keeps the type out of the document's definitions.
func (NameSort) InlineJSONSchema() {}

const description = "The order; with `-`, the reverse. Names are in the order of their characters, without regard to case and accents."

// JSONSchema describes the parameter for the OpenAPI document.
func (Sort) JSONSchema() (jsonschema.Schema, error) {
	s := field.Enum(byName, byNameDown, byJoining, byJoiningDown)
	s.WithDescription(description)
	return s, nil
}

// JSONSchema describes the parameter for the OpenAPI document.
func (NameSort) JSONSchema() (jsonschema.Schema, error) {
	s := field.Enum(byName, byNameDown)
	s.WithDescription(description)
	return s, nil
}
