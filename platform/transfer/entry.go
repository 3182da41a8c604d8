package transfer

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

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

func (e entry) text(name string) string {
	s, _ := e.value(name).(string)
	return s
}

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
