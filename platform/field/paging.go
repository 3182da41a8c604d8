package field

import (
	"encoding/base64"
	"strconv"

	"github.com/google/uuid"
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

const (
	maxLimit     = 1000
	defaultLimit = 100
	maxOffset    = 1_000_000_000
)

// Limit is the maximum number of items in a page: 1 to 1,000, by default 100.
type Limit int

func (l *Limit) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31) // not Atoi, which accepts a sign
	if err != nil || n < 1 || n > maxLimit {
		return fault.NotInRange.From(1).To(maxLimit)
	}
	*l = Limit(n)
	return nil
}

// N returns the limit, or the default if none was given.
func (l *Limit) N() int {
	if l == nil {
		return defaultLimit
	}
	return int(*l)
}

func (Limit) InlineJSONSchema() {}

func (Limit) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.AddType(jsonschema.Integer)
	s.WithMinimum(1).WithMaximum(maxLimit).WithDefault(defaultLimit).
		WithDescription("The maximum number of items.")
	return s, nil
}

// Offset is the number of items to skip; its cost grows with its size. It exists for
// clients of the FastAPI service; others page by cursor.
type Offset int

func (o *Offset) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || n > maxOffset {
		return fault.NotInRange.From(0).To(maxOffset)
	}
	*o = Offset(n)
	return nil
}

func (Offset) InlineJSONSchema() {}

func (Offset) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.AddType(jsonschema.Integer)
	s.WithMinimum(0).WithMaximum(maxOffset).WithDefault(0).
		WithDescription("How many items to skip; costs more the larger it is. Prefer `cursor`.")
	return s, nil
}

// Cursor is the position after the last item of a page. It is opaque to clients.
type Cursor uuid.UUID

func (c *Cursor) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != len(c) || len(text) != base64.RawURLEncoding.EncodedLen(len(c)) { // the decoder skips line breaks
		return fault.NotACursor
	}
	copy(c[:], b)
	return nil
}

func (c Cursor) String() string { return base64.RawURLEncoding.EncodeToString(c[:]) }

func (Cursor) InlineJSONSchema() {}

func (Cursor) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithMinLength(22).WithMaxLength(22).WithPattern("^[A-Za-z0-9_-]{22}$").
		WithDescription("The cursor from the `Link` header of the previous page.")
	return s, nil
}
