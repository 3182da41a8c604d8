package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

// reading is the state of an archive whose lines have been accepted so far. Export also
// checks the lines that it writes, so that it writes none that Import would refuse.
type reading struct {
	shapes []shape
	now    time.Time
	digest hash.Hash

	number  int64 // the number of the line, from 1
	at      int   // the index of the last line's shape
	counts  []int64
	lastKey any
	skipped []string // the types of skipped lines

	organizationID uuid.UUID
	exportedAt     time.Time
	hashes         bool // the header says that the archive may contain password hashes
	withHash       int64
	people         people
	sorted         bool
	standing       standing
	chain          chain
	done           bool
}

func newReading(shapes []shape, now time.Time) *reading {
	return &reading{shapes: shapes, now: now, digest: sha256.New(), counts: make([]int64, len(shapes))}
}

var errAfterEnd = fault.Wrong("something follows the end")

// errNoArchive is returned for a file of another kind.
var errNoArchive = errors.New("this is not an archive of `guildhall export`")

// take parses and checks the next line, which is given without its line break.
func (r *reading) take(line []byte) (entry, error) {
	r.number++
	e, err := r.parse(line)
	if err == nil && e.shape != nil {
		err = r.place(e)
	}
	if err == nil && e.shape != nil {
		err = r.checkRules(e)
	}
	var problem fault.Problem
	switch {
	case errors.As(err, &problem):
		return e, fmt.Errorf("line %d: %s", r.number, strings.TrimSuffix(err.Error(), "."))
	case err != nil:
		return e, err
	}
	if e.shape == nil || e.Type != endLine {
		r.digest.Write(line)
		r.digest.Write([]byte{'\n'})
	}
	return e, nil
}

func (r *reading) sum() string { return hex.EncodeToString(r.digest.Sum(nil)) }

func wrong(format string, args ...any) error { return fault.Wrong(fmt.Sprintf(format, args...)) }

// place refuses a line that is out of order.
func (r *reading) place(e entry) error {
	i := slices.IndexFunc(r.shapes, func(s shape) bool { return s.Type == e.Type })
	switch {
	case r.done:
		return errAfterEnd
	case i < r.at:
		return wrong("a line of the type %s is out of order", e.Type)
	case e.once && r.counts[i] > 0:
		return wrong("a second line has the type %s", e.Type)
	}
	for _, skipped := range r.shapes[r.at:i] {
		if skipped.once && r.count(skipped.Type) == 0 {
			return wrong("a line of the type %s is missing before it", skipped.Type)
		}
	}
	if i > r.at {
		r.at, r.lastKey = i, nil
	}
	r.counts[i]++
	if e.Key == "" {
		return nil
	}
	key := e.value(e.Key)
	if e.Key == "email" {
		key = field.Email(key.(string)).Canonical()
	}
	if r.lastKey != nil && !before(r.lastKey, key) {
		return wrong("%s %v is repeated or out of order", e.Key, key)
	}
	r.lastKey = key
	return nil
}

func before(a, b any) bool {
	switch a := a.(type) {
	case int64:
		return a < b.(int64)
	case uuid.UUID:
		return a.String() < b.(uuid.UUID).String()
	default:
		return a.(string) < b.(string)
	}
}

func (r *reading) count(line string) int64 {
	return r.counts[slices.IndexFunc(r.shapes, func(s shape) bool { return s.Type == line })]
}
