// Package field holds the types that requests are parsed into at the edge, each
// with its own limits: what accepts a value and what documents it in OpenAPI is
// the same type, so inside the service nothing is checked twice.
//
// A type that can be refused implements encoding.TextUnmarshaler and answers a
// Problem; JSONSchema says the same limits to the OpenAPI document.
package field

import (
	"strings"
	"unicode/utf8"

	"github.com/swaggest/jsonschema-go"
)

// Problem is what is wrong with a value, as the client is told.
type Problem string

func (p Problem) Error() string { return string(p) }

// limits of a text, counted in characters (Unicode code points).
type limits struct {
	min, max int64
	problem  Problem
	trim     bool
}

// parse refuses what neither database stores faithfully: invalid UTF-8 and NUL.
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
	if n := int64(utf8.RuneCountInString(s)); n < l.min || n > l.max {
		return "", l.problem
	}
	return s, nil
}

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
