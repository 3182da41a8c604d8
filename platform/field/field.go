// Package field defines the types that requests are parsed into, each with its own
// limits. The same type validates a value and documents it in OpenAPI, so nothing
// inside the service is validated twice.
//
// A type with limits implements encoding.TextUnmarshaler, which returns a Problem for
// an invalid value. JSONSchema states the same limits in the OpenAPI document.
package field

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/swaggest/jsonschema-go"
	"golang.org/x/text/unicode/norm"
)

// Problem says what is wrong with a value. The client sees it.
type Problem string

func (p Problem) Error() string { return string(p) }

// limits of a text, counted in characters (Unicode code points).
type limits struct {
	min, max int64
	problem  Problem
	trim     bool
	readable readable
}

// parse refuses what the databases can't store faithfully: invalid UTF-8 and NUL. It
// normalizes text that people read to NFC, so that text that looks equal is equal.
func (l limits) parse(text []byte) (string, error) {
	if !utf8.Valid(text) {
		return "", Problem("must be valid UTF-8.")
	}
	s := string(text)
	if strings.ContainsRune(s, 0) {
		return "", Problem("must not hold a NUL character.")
	}
	if l.trim {
		s = strings.TrimSpace(s)
	}
	if l.readable != anything {
		s = norm.NFC.String(s)
	}
	if n := int64(utf8.RuneCountInString(s)); n < l.min || n > l.max {
		return "", l.problem
	}
	if l.readable == anything {
		return s, nil
	}
	if err := l.readable.check(s); err != nil {
		return "", err
	}
	if l.min > 0 && !hasBase(s) {
		return "", Problem("must have a visible character.")
	}
	return s, nil
}

// Storable refuses text that no version of the service would have accepted: text that
// is too long or too short, that a database can't store, or that is not trimmed although
// it must not be empty. It accepts text that an earlier version stored, which had other
// rules for readable characters.
func Storable(s string, least, most int64) error {
	problem := Problem(fmt.Sprintf("must have %d to %d characters.", least, most))
	kept, err := limits{min: least, max: most, problem: problem, trim: least > 0}.parse([]byte(s))
	if err == nil && kept != s {
		err = ErrSpaces
	}
	return err
}

// ErrSpaces refuses a value with surrounding spaces where the stored form is expected.
const ErrSpaces = Problem("must be written as it is stored, without spaces around it.")

func (l limits) schema() jsonschema.Schema {
	s := stringSchema()
	s.WithMaxLength(l.max)
	if l.min > 0 {
		s.WithMinLength(l.min)
	}
	return s
}

func stringSchema() jsonschema.Schema {
	var s jsonschema.Schema
	s.AddType(jsonschema.String)
	return s
}
