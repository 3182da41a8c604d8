package field

import (
	"strings"
	"time"

	"github.com/swaggest/jsonschema-go"
)

// Time is an instant, RFC 3339 in, UTC and microseconds inside: what both
// databases keep.
type Time struct{ time.Time }

func (t *Time) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339Nano, strings.ToUpper(string(text)))
	if err != nil || parsed.Year() < 1 || parsed.UTC().Year() > 9999 || parsed.UTC().Year() < 1 {
		return Problem("must be a time such as 2026-01-31T12:00:00Z.")
	}
	t.Time = parsed.UTC().Truncate(time.Microsecond)
	return nil
}

func (Time) InlineJSONSchema() {}

func (Time) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithFormat("date-time")
	return s, nil
}
