// Package column describes the columns of tables that the archive of an organization
// contains: how each value is validated, and what it means.
package column

import (
	"encoding"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/google/uuid"

	"guildhall/platform/fault"
	"guildhall/platform/field"
)

// Column is a member of an archive line and the column of that name in a table.
type Column struct {
	Name     string
	Nullable bool
	IsPerson bool // the id of a person in the archive
	IsPast   bool // a time that must be before the export
	// parse takes a JSON value (string, float64 or bool) and returns the value to store,
	// or a fault.Problem.
	parse func(v any) (any, error)
}

// OrNull returns the column as nullable.
func (c Column) OrNull() Column {
	c.Nullable = true
	return c
}

// Read returns the column's value to store, from the members of a line. It refuses a
// missing or invalid value.
func (c Column) Read(members map[string]any) (any, error) {
	v, given := members[c.Name]
	switch {
	case !given:
		return nil, fault.Wrong("is missing")
	case v == nil && c.Nullable:
		return nil, nil
	case v == nil:
		return nil, fault.Wrong("must not be null")
	}
	return c.parse(v)
}

// OfText returns a column whose JSON value is a string.
func OfText(name string, parse func(s string) (any, error)) Column {
	return Column{Name: name, parse: func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, fault.Wrong("must be a string.")
		}
		return parse(s)
	}}
}

// Of returns a column of text that is validated by the type that requests are parsed into.
func Of[T ~string, P interface {
	*T
	encoding.TextUnmarshaler
}](name string) Column {
	return OfText(name, func(s string) (any, error) {
		var v T
		if err := P(&v).UnmarshalText([]byte(s)); err != nil {
			return nil, err
		}
		if string(v) != s {
			return nil, field.ErrSpaces
		}
		return s, nil
	})
}

// Written is text by people. The archive may be from a version that accepted characters
// which are refused now: they are imported unchanged.
func Written(name string, least, most int64) Column {
	return OfText(name, func(s string) (any, error) { return s, field.Storable(s, least, most) })
}

// ID is a UUID.
func ID(name string) Column {
	return OfText(name, func(s string) (any, error) {
		id, err := uuid.Parse(s)
		if err != nil || id.String() != s || id == uuid.Nil {
			return nil, fault.Wrong("must be a UUID in lower case.")
		}
		return id, nil
	})
}

// Person is the id of a person in the archive. An import replaces it by the person's id on
// this server.
func Person(name string) Column {
	c := ID(name)
	c.IsPerson = true
	return c
}

// Moment is a time, which may be in the future.
func Moment(name string) Column {
	return OfText(name, func(s string) (any, error) {
		var t field.Time
		err := t.UnmarshalText([]byte(s))
		return t.Time, err
	})
}

// Past is a time before the export.
func Past(name string) Column {
	c := Moment(name)
	c.IsPast = true
	return c
}

var (
	printable = regexp.MustCompile(`^[^\x00-\x1f\x7f]*$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Text is text by the service, on one line.
func Text(name string, most int) Column {
	return OfText(name, func(s string) (any, error) {
		if len([]rune(s)) > most || !printable.MatchString(s) {
			return nil, fault.Wrong(fmt.Sprintf("must have at most %d characters, and no control characters", most))
		}
		return s, nil
	})
}

// Word is a short Text.
func Word(name string) Column { return Text(name, 64) }

// Digest is a SHA-256 digest in hexadecimal.
func Digest(name string) Column {
	return OfText(name, func(s string) (any, error) {
		if !sha256Hex.MatchString(s) {
			return nil, fault.Wrong("must be SHA-256, hexadecimal in lower case.")
		}
		return s, nil
	})
}

// Details are the details of an audit event. They stay text, because the hash of the event
// covers their exact bytes.
func Details(name string) Column {
	return OfText(name, func(s string) (any, error) {
		var m map[string]string
		if err := json.Unmarshal([]byte(s), &m); err != nil || m == nil || len(s) > 16<<10 || !printable.MatchString(s) {
			return nil, fault.Wrong("must be a JSON object of strings, as a string.")
		}
		return s, nil
	})
}

// Flag is true or false.
func Flag(name string) Column {
	return Column{Name: name, parse: func(v any) (any, error) {
		b, ok := v.(bool)
		if !ok {
			return nil, fault.Wrong("must be true or false.")
		}
		return b, nil
	}}
}

// Number is an integer from 0. JSON numbers are exact up to 2^53 (RFC 8259 §6).
func Number(name string) Column {
	return Column{Name: name, parse: func(v any) (any, error) {
		f, ok := v.(float64)
		if !ok || f < 0 || f >= 1<<53 || f != float64(int64(f)) {
			return nil, fault.Wrong("must be a whole number from 0.")
		}
		return int64(f), nil
	}}
}
