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

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"guildhall/platform/field"
)

// reading is an archive as far as its lines have been taken. Export takes the
// lines that it writes, so that there is none that Import would refuse.
type reading struct {
	shapes []shape
	now    time.Time
	digest hash.Hash

	number  int64 // of the line, from 1
	at      int   // the shape of the last line
	counts  []int64
	lastKey any

	organizationID uuid.UUID
	exportedAt     time.Time
	hashes         bool // the header says that password hashes may follow
	withHash       int64
	people         people
	sorted         bool
	standing       standing
	chain          chain
	done           bool
}

// entry is a line that was taken.
type entry struct {
	*shape
	number int64
	values []any // in the order of the columns, as they are stored
}

func (e entry) value(name string) any {
	return e.values[slices.IndexFunc(e.columns, func(c column) bool { return c.name == name })]
}

func (e entry) id(name string) uuid.UUID {
	id, _ := e.value(name).(uuid.UUID)
	return id
}

func newReading(now time.Time) *reading {
	shapes := lines()
	return &reading{shapes: shapes, now: now, digest: sha256.New(), counts: make([]int64, len(shapes))}
}

// errNoArchive is the answer to a file of another kind.
var errNoArchive = errors.New("this is no archive that `guildhall export` wrote")

// take checks the next line, without its line break.
func (r *reading) take(line []byte) (entry, error) {
	r.number++
	e, err := r.parse(line)
	if err == nil {
		err = r.place(e)
	}
	if err == nil {
		err = r.hold(e)
	}
	var problem field.Problem
	switch {
	case errors.As(err, &problem):
		return e, fmt.Errorf("line %d: %s", r.number, strings.TrimSuffix(err.Error(), "."))
	case err != nil:
		return e, err
	}
	if e.line != endLine {
		r.digest.Write(line)
		r.digest.Write([]byte{'\n'})
	}
	return e, nil
}

func (r *reading) sum() string { return hex.EncodeToString(r.digest.Sum(nil)) }

func wrong(format string, args ...any) error { return field.Problem(fmt.Sprintf(format, args...)) }

// parse reads the members of a line: all that its type has, and no other.
func (r *reading) parse(line []byte) (e entry, err error) {
	if len(line) > maxLine {
		return e, wrong("it is longer than %d bytes", maxLine)
	}
	var members map[string]any
	if err := json.Unmarshal(line, &members); err != nil { // which refuses repeated names and invalid UTF-8
		if r.number == 1 {
			return e, errNoArchive
		}
		return e, wrong("it is no JSON object")
	}
	kind, _ := members["type"].(string)
	i := slices.IndexFunc(r.shapes, func(s shape) bool { return s.line == kind })
	if r.number == 1 && (i != 0 || members["format"] != formatName) {
		return e, errNoArchive
	}
	if i == 0 && members["version"] != float64(formatVersion) {
		return e, fmt.Errorf("the archive has version %v of the format, and this server reads version %d", members["version"], formatVersion)
	}
	if i < 0 {
		return e, wrong("its type, %.40q, is not known to this version of guildhall", kind)
	}
	e = entry{shape: &r.shapes[i], number: r.number}
	delete(members, "type")
	for _, c := range e.columns {
		v, err := c.read(members)
		if err != nil {
			return e, fmt.Errorf("%s: %w", c.name, err)
		}
		e.values = append(e.values, v)
		delete(members, c.name)
	}
	for unknown := range members {
		return e, wrong("%.40q is not known to this version of guildhall", unknown)
	}
	return e, nil
}

func (c column) read(members map[string]any) (any, error) {
	v, given := members[c.name]
	switch {
	case !given:
		return nil, wrong("is missing")
	case v == nil && c.nullable:
		return nil, nil
	case v == nil:
		return nil, wrong("must not be null")
	}
	return c.parse(v)
}

// place holds the lines to their order.
func (r *reading) place(e entry) error {
	i := slices.IndexFunc(r.shapes, func(s shape) bool { return s.line == e.line })
	switch {
	case r.done:
		return wrong("something follows the end")
	case i < r.at:
		return wrong("a line of the type %s comes too late", e.line)
	case e.once && r.counts[i] > 0:
		return wrong("there is a second line of the type %s", e.line)
	}
	for _, skipped := range r.shapes[r.at:i] {
		if skipped.once && r.count(skipped.line) == 0 {
			return wrong("a line of the type %s is missing before it", skipped.line)
		}
	}
	if i > r.at {
		r.at, r.lastKey = i, nil
	}
	r.counts[i]++
	if e.key == "" {
		return nil
	}
	key := e.value(e.key)
	if e.key == "email" {
		key = field.Email(key.(string)).Canonical()
	}
	if r.lastKey != nil && !before(r.lastKey, key) {
		return wrong("%s %v is repeated or out of order", e.key, key)
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
	return r.counts[slices.IndexFunc(r.shapes, func(s shape) bool { return s.line == line })]
}
