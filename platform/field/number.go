package field

import (
	"strconv"
	"time"

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

// maxOverlap is how long an API key may work after its rotation.
const maxOverlap = 30 * 24 * time.Hour

// Overlap is how long what was replaced still works: 0 to 2,592,000 seconds.
type Overlap int

func (o *Overlap) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*o = 0
		return nil
	}
	n, err := wholeNumber(text, int(maxOverlap/time.Second))
	if err != nil {
		return fault.NotInRange.From(0).To(int64(maxOverlap / time.Second))
	}
	*o = Overlap(n)
	return nil
}

// Duration returns the overlap, or a day if none was given.
func (o *Overlap) Duration() time.Duration {
	if o == nil {
		return 24 * time.Hour
	}
	return time.Duration(*o) * time.Second
}

// Number says that it is a number in JSON.
func (Overlap) Number() {}

func (Overlap) InlineJSONSchema() {}

func (Overlap) JSONSchema() (jsonschema.Schema, error) {
	s := wholeNumberSchema(maxOverlap.Seconds())
	s.WithMinimum(0)
	return s, nil
}

// maxWait is how long a request may wait for something new, in seconds.
const maxWait = 15

// Wait is how long a request waits for something new: 0 to 15 seconds.
type Wait int

func (w *Wait) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31) // not Atoi, which accepts a sign
	if err != nil || n > maxWait {
		return fault.NotInRange.From(0).To(maxWait)
	}
	*w = Wait(n)
	return nil
}

// Duration returns the time, or none if none was given.
func (w *Wait) Duration() time.Duration {
	if w == nil {
		return 0
	}
	return time.Duration(*w) * time.Second
}

func (Wait) InlineJSONSchema() {}

func (Wait) JSONSchema() (jsonschema.Schema, error) {
	s := wholeNumberSchema(maxWait)
	s.WithMinimum(0).WithDefault(0)
	return s, nil
}

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
