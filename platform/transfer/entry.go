package transfer

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"guildhall/platform/schema/column"
)

// entry is a line that was accepted.
type entry struct {
	*shape // nil if the line is skipped
	number int64
	values []any // in the order of the columns, in the form in which they are stored
}

func (e entry) value(name string) any {
	return e.values[slices.IndexFunc(e.Columns, func(c column.Column) bool { return c.Name == name })]
}

func (e entry) id(name string) uuid.UUID {
	id, _ := e.value(name).(uuid.UUID)
	return id
}

func (e entry) text(name string) string {
	s, _ := e.value(name).(string)
	return s
}

// parse reads the members of a line: exactly those that its type has.
func (r *reading) parse(line []byte) (e entry, err error) {
	if len(line) > maxLine {
		return e, wrong("it is longer than %d bytes", maxLine)
	}
	var members map[string]any
	if err := json.Unmarshal(line, &members); err != nil { // json refuses repeated names and invalid UTF-8
		if r.number == 1 {
			return e, errNoArchive
		}
		return e, wrong("it is not a JSON object")
	}
	kind, _ := members["type"].(string)
	i := slices.IndexFunc(r.shapes, func(s shape) bool { return s.Type == kind })
	if r.number == 1 && (i != 0 || members["format"] != formatName) {
		return e, errNoArchive
	}
	if i == 0 && members["version"] != float64(formatVersion) {
		return e, fmt.Errorf("the archive has version %v of the format, and this server reads version %d", members["version"], formatVersion)
	}
	if i < 0 && members["optional"] == true {
		return e, r.skip(kind)
	}
	if i < 0 {
		return e, wrong("its type, %.40q, is not known to this version of guildhall", kind)
	}
	e = entry{shape: &r.shapes[i], number: r.number}
	delete(members, "type")
	if e.Optional && members["optional"] != true {
		return e, wrong("optional: must be true")
	}
	if e.Optional {
		delete(members, "optional")
	}
	for _, c := range e.Columns {
		v, err := c.Read(members)
		if err != nil {
			return e, fmt.Errorf("%s: %w", c.Name, err)
		}
		e.values = append(e.values, v)
		delete(members, c.Name)
	}
	for unknown := range members {
		return e, wrong("%.40q is not known to this version of guildhall", unknown)
	}
	return e, nil
}

// maxSkipped is the maximum number of types of lines that a reader skips. It limits the
// list of their names.
const maxSkipped = 100

// skip skips a line that a later version wrote for later versions.
func (r *reading) skip(kind string) error {
	switch {
	case r.done:
		return errAfterEnd
	case kind == "" || len(kind) > 64:
		return wrong("the type of an optional line must have 1 to 64 bytes")
	case len(r.skipped) == maxSkipped && !slices.Contains(r.skipped, kind):
		return wrong("the archive has more than %d types of optional lines that this version of guildhall does not know", maxSkipped)
	case !slices.Contains(r.skipped, kind):
		r.skipped = append(r.skipped, kind)
	}
	return nil
}
