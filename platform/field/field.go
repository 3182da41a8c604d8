// Package field defines the types that requests are parsed into, each with its own
// limits. The same type validates a value and documents it in OpenAPI, so nothing
// inside the service is validated twice.
//
// A type with limits implements encoding.TextUnmarshaler, which returns a fault.Problem for
// an invalid value. JSONSchema states the same limits in the OpenAPI document.
package field

import (
	"strings"
	"unicode/utf8"

	"github.com/swaggest/jsonschema-go"
	"golang.org/x/text/unicode/norm"

	"guildhall/platform/fault"
)

// limits of a text, counted in characters (Unicode code points).
type limits struct {
	min, max int64
	trim     bool
	readable readable
}

// parse refuses what the databases can't store faithfully: invalid UTF-8 and NUL. It
// normalizes text that people read to NFC, so that text that looks equal is equal.
func (l limits) parse(text []byte) (string, error) {
	if !utf8.Valid(text) {
		return "", fault.NotUTF8
	}
	s := string(text)
	if strings.ContainsRune(s, 0) {
		return "", fault.NulCharacter
	}
	if l.trim {
		s = strings.TrimSpace(s)
	}
	if l.readable != anything {
		s = norm.NFC.String(s)
	}
	switch n := int64(utf8.RuneCountInString(s)); {
	case n < l.min:
		return "", fault.TooShort.From(l.min).To(l.max)
	case n > l.max:
		return "", l.tooLong()
	}
	if l.readable == anything {
		return s, nil
	}
	if err := l.readable.check(s); err != nil {
		return "", err
	}
	if l.min > 0 && !hasBase(s) {
		return "", fault.Blank
	}
	return s, nil
}

// Storable refuses text that no version of the service would have accepted: text that
// is too long or too short, that a database can't store, or that is not trimmed although
// it must not be empty. It accepts text that an earlier version stored, which had other
// rules for readable characters.
func Storable(s string, least, most int64) error {
	kept, err := limits{min: least, max: most, trim: least > 0}.parse([]byte(s))
	if err == nil && kept != s {
		err = ErrSpaces
	}
	return err
}

// ErrSpaces refuses a value with surrounding spaces where the stored form is expected.
var ErrSpaces = fault.Wrong("must be written as it is stored, without spaces around it.")

func (l limits) tooLong() error {
	if l.min == 0 {
		return fault.Above.To(l.max)
	}
	return fault.TooLong.From(l.min).To(l.max)
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
