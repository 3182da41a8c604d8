package field

import (
	"regexp"
	"strings"
	"time"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// rfc3339 matches the date-time of RFC 3339 §5.6. time.Parse also accepts one-digit
// hours, decimal commas and offsets of a day or more.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// Time is an instant. It is parsed from RFC 3339 and kept in UTC with microseconds, which
// both databases can store.
type Time struct{ time.Time }

func (t *Time) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339Nano, strings.ToUpper(string(text)))
	if err != nil || !rfc3339.Match(text) || parsed.Year() < 1 || parsed.UTC().Year() > 9999 || parsed.UTC().Year() < 1 {
		return fault.NotATime
	}
	t.Time = parsed.UTC().Truncate(time.Microsecond)
	return nil
}

// Pointer returns a pointer to the time, or nil for a nil Time.
func (t *Time) Pointer() *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

func (Time) InlineJSONSchema() {}

func (Time) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithFormat("date-time")
	return s, nil
}
