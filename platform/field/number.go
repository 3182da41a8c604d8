package field

import (
	"strconv"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

const (
	maxHours = 30 * 24
	maxUses  = 1_000_000
)

// Hours is a period: 1 to 720 hours.
type Hours int

func (h *Hours) UnmarshalText(text []byte) error {
	n, err := wholeNumber(text, maxHours)
	*h = Hours(n)
	return err
}

// Number says that it is a number in JSON.
func (Hours) Number() {}

func (Hours) InlineJSONSchema() {}

func (Hours) JSONSchema() (jsonschema.Schema, error) { return wholeNumberSchema(maxHours), nil }

// Uses is how often something may be used: 1 to 1,000,000 times.
type Uses int

func (u *Uses) UnmarshalText(text []byte) error {
	n, err := wholeNumber(text, maxUses)
	*u = Uses(n)
	return err
}

// Number says that it is a number in JSON.
func (Uses) Number() {}

func (Uses) InlineJSONSchema() {}

func (Uses) JSONSchema() (jsonschema.Schema, error) { return wholeNumberSchema(maxUses), nil }

// wholeNumber reads 1 to most, without a sign.
func wholeNumber(text []byte, most int) (int, error) {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > most || text[0] == '+' {
		return 0, fault.NotInRange.From(1).To(int64(most))
	}
	return n, nil
}

func wholeNumberSchema(most float64) jsonschema.Schema {
	var s jsonschema.Schema
	s.AddType(jsonschema.Integer)
	s.WithMinimum(1).WithMaximum(most)
	return s
}
