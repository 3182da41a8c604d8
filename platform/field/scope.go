package field

import (
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// All is the scope of a list that is not restricted to the caller's organization.
type All string

func (a *All) UnmarshalText(text []byte) error {
	*a = All(text)
	if *a != "all" {
		return fault.NotInEnum.Of("all")
	}
	return nil
}

func (All) JSONSchema() (jsonschema.Schema, error) { return Enum[All]("all"), nil }
