package field

import (
	"strings"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// Code is a code from a mail: 8 digits. People copy it with the space that the mail shows.
type Code string

func (c *Code) UnmarshalText(text []byte) error {
	digits := unspaced.Replace(strings.TrimSpace(string(text)))
	if len(digits) != 8 || strings.Trim(digits, "0123456789") != "" {
		return fault.NotACode
	}
	*c = Code(digits)
	return nil
}

func (Code) String() string { return "[code]" }

func (Code) InlineJSONSchema() {}

func (Code) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithPattern(`^[0-9]{4}[ -]?[0-9]{4}$`).WithDescription("8 digits, from the mail.")
	return s, nil
}
