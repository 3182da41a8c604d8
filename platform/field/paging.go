package field

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

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

// Cursor is the position of the item beside which a page is. It is opaque to clients.
type Cursor struct {
	Key      string // by which the list is sorted before the id; "" if it is sorted by the id alone
	ID       uuid.UUID
	Backward bool // the page ends before the item, and does not begin after it
}

// maxCursorKey limits the key, in bytes.
const maxCursorKey = 512

// UnmarshalText accepts what String returns.
func (c *Cursor) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	at := len(b) - len(c.ID)
	if err != nil || at < 0 || at > 1+maxCursorKey || len(text) != base64.RawURLEncoding.EncodedLen(len(b)) { // the decoder skips line breaks
		return fault.NotACursor
	}
	*c = Cursor{ID: uuid.UUID(b[at:])}
	if at > 0 {
		c.Key, c.Backward = string(b[1:at]), b[0] == backward
		if b[0] > backward || c.Key == "" && !c.Backward || !utf8.ValidString(c.Key) || strings.ContainsRune(c.Key, 0) {
			return fault.NotACursor
		}
	}
	return nil
}

// The first byte of a cursor with more than the id.
const (
	keyed byte = iota
	backward
)

// String returns the id alone where nothing else is set, as all releases do.
func (c Cursor) String() string {
	var b []byte
	switch {
	case c.Backward:
		b = append([]byte{backward}, c.Key...)
	case c.Key != "":
		b = append([]byte{keyed}, c.Key...)
	}
	return base64.RawURLEncoding.EncodeToString(append(b, c.ID[:]...))
}

func (Cursor) InlineJSONSchema() {}

func (Cursor) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithMinLength(22).WithMaxLength(int64(base64.RawURLEncoding.EncodedLen(1 + maxCursorKey + len(uuid.Nil)))).WithPattern("^[A-Za-z0-9_-]+$").
		WithDescription("The cursor from the `Link` header of another page.")
	return s, nil
}
