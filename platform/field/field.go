// Package field holds the types that requests are parsed into at the edge, each
// with its own limits: what accepts a value and what documents it in OpenAPI is
// the same type, so inside the service nothing is checked twice.
//
// A type that can be refused implements encoding.TextUnmarshaler and answers a
// Problem; JSONSchema says the same limits to the OpenAPI document.
package field

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/swaggest/jsonschema-go"
	"golang.org/x/text/unicode/norm"
)

// Problem is what is wrong with a value, as the client is told.
type Problem string

func (p Problem) Error() string { return string(p) }

// limits of a text, counted in characters (Unicode code points).
type limits struct {
	min, max int64
	problem  Problem
	trim     bool
	readable readable
}

// parse refuses what neither database stores faithfully: invalid UTF-8 and NUL.
// It returns text that people see in NFC, so that what looks the same is the same.
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

// Storable refuses text that no version of the service accepted: too long or too
// short, untrimmed where it must not be empty, or what a database does not store.
// Data that an earlier version wrote, with other rules for what people see, passes.
func Storable(s string, least, most int64) error {
	problem := Problem(fmt.Sprintf("must have %d to %d characters.", least, most))
	kept, err := limits{min: least, max: most, problem: problem, trim: least > 0}.parse([]byte(s))
	if err == nil && kept != s {
		err = ErrSpaces
	}
	return err
}

// ErrSpaces is for a value that is handed over as it was stored.
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
