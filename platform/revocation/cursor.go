package revocation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// overlap is how far back a reader looks for marks that it does not know: a transaction is
// visible some time after it chose the time of its marks, and the clocks of replicas differ.
// It is longer than any request takes.
const overlap = 30 * time.Second

// Cursor is what a reader knows: everything until a time less the overlap, and of what is
// later the marks of which it has the digest. So any replica can tell whether there is
// something new, in whichever order transactions committed. It is opaque to clients.
type Cursor struct {
	At     time.Time
	digest [digestSize]byte
}

const (
	digestSize = 8
	cursorSize = 8 + digestSize
)

// digestOf returns a digest of the ids of marks.
func digestOf(marks []Mark) (d [digestSize]byte) {
	h := sha256.New()
	for _, m := range marks {
		h.Write(m.ID[:])
	}
	copy(d[:], h.Sum(nil))
	return d
}

// String returns the cursor as clients get it.
func (c Cursor) String() string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, cursorSize), uint64(c.At.UnixMicro())) //nolint:gosec // the sign comes back
	return base64.RawURLEncoding.EncodeToString(append(b, c.digest[:]...))
}

// MarshalText implements encoding.TextMarshaler.
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts what String returns.
func (c *Cursor) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != cursorSize || len(text) != base64.RawURLEncoding.EncodedLen(cursorSize) { // the decoder skips line breaks
		return fault.NotAPosition
	}
	c.At = time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC() //nolint:gosec // the sign comes back
	copy(c.digest[:], b[8:])
	return nil
}

func (Cursor) InlineJSONSchema() {}

func (Cursor) JSONSchema() (jsonschema.Schema, error) {
	var s jsonschema.Schema
	s.AddType(jsonschema.String)
	size := int64(base64.RawURLEncoding.EncodedLen(cursorSize))
	s.WithMinLength(size).WithMaxLength(size).WithPattern("^[A-Za-z0-9_-]+$")
	return s, nil
}
