package moving

import (
	"fmt"
	"io"
)

// Bounded reads a file whose records are read one after another. A record may be held in
// memory, so it must not be longer than the limit: a packed file of a few MiB can have one
// of many GiB.
type Bounded struct {
	in          io.Reader
	limit, left int
}

// NewBounded returns a reader of records of at most limit bytes.
func NewBounded(in io.Reader, limit int) *Bounded { return &Bounded{in, limit, limit} }

// Next begins another record.
func (b *Bounded) Next() { b.left = b.limit }

// Read implements io.Reader.
func (b *Bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.tooLong()
	}
	n, err := b.in.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// Or returns err, or what it comes from if that is a record that is too long: a decoder may
// call it something else.
func (b *Bounded) Or(err error) error {
	if err != nil && b.left <= 0 {
		return b.tooLong()
	}
	return err
}

func (b *Bounded) tooLong() error { return fmt.Errorf("a record is longer than %d bytes", b.limit) }
