package transfer

import (
	"encoding"
	"encoding/json"
	"regexp"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/field"
	"guildhall/platform/password"
)

// column is a member of a line and, by the same name, of a table.
type column struct {
	name     string
	nullable bool
	person   bool // the id of somebody in the archive
	past     bool // a time that must have been before the export
	// parse takes a JSON value (string, float64 or bool) and returns what is
	// stored, or a field.Problem.
	parse func(v any) (any, error)
}

func orNull(c column) column {
	c.nullable = true
	return c
}

// ofText makes a column of what is written as text.
func ofText(name string, parse func(s string) (any, error)) column {
	return column{name: name, parse: func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, field.Problem("must be a string.")
		}
		return parse(s)
	}}
}

// ofField is ofText with the type that requests are parsed into.
func ofField[T ~string, P interface {
	*T
	encoding.TextUnmarshaler
}](name string) column {
	return ofText(name, func(s string) (any, error) {
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

func email(n string) column  { return ofField[field.Email](n) }
func name(n string) column   { return kept(n, 1, 255) }
func bio(n string) column    { return kept(n, 0, 2000) }
func avatar(n string) column { return ofField[field.AvatarURL](n) }
func reason(n string) column { return kept(n, 1, 1000) }
func action(n string) column { return ofField[audit.Action](n) }

// kept is text that people wrote. An archive may be of a version that accepted
// characters which are refused now: its names move along as they are.
func kept(n string, least, most int64) column {
	return ofText(n, func(s string) (any, error) { return s, field.Storable(s, least, most) })
}

func id(n string) column {
	return ofText(n, func(s string) (any, error) {
		id, err := uuid.Parse(s)
		if err != nil || id.String() != s || id == uuid.Nil {
			return nil, field.Problem("must be a UUID in lower case.")
		}
		return id, nil
	})
}

func person(n string) column {
	c := id(n)
	c.person = true
	return c
}

func moment(n string) column {
	return ofText(n, func(s string) (any, error) {
		var t field.Time
		err := t.UnmarshalText([]byte(s))
		return t.Time, err
	})
}

func past(n string) column {
	c := moment(n)
	c.past = true
	return c
}

var (
	printable = regexp.MustCompile(`^[^\x00-\x1f\x7f]*$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func text(n string, most int) column {
	return ofText(n, func(s string) (any, error) {
		if len([]rune(s)) > most || !printable.MatchString(s) {
			return nil, wrong("must have at most %d characters, and no control characters", most)
		}
		return s, nil
	})
}

func word(n string) column { return text(n, 64) }

func digest(n string) column {
	return ofText(n, func(s string) (any, error) {
		if !sha256Hex.MatchString(s) {
			return nil, field.Problem("must be SHA-256, hexadecimal in lower case.")
		}
		return s, nil
	})
}

// details are kept as text, for the hash of an event covers it byte for byte.
func details(n string) column {
	return ofText(n, func(s string) (any, error) {
		var m map[string]string
		if err := json.Unmarshal([]byte(s), &m); err != nil || m == nil || len(s) > 16<<10 || !printable.MatchString(s) {
			return nil, field.Problem("must be a JSON object of strings, as a string.")
		}
		return s, nil
	})
}

func passwordHash(n string) column {
	return ofText(n, func(s string) (any, error) {
		if err := password.Readable(s); err != nil {
			return nil, field.Problem("must be a password hash that this server can verify.")
		}
		return s, nil
	})
}

func flag(n string) column {
	return column{name: n, parse: func(v any) (any, error) {
		b, ok := v.(bool)
		if !ok {
			return nil, field.Problem("must be true or false.")
		}
		return b, nil
	}}
}

// number is a whole one from 0; JSON's are exact up to 2^53 (RFC 8259 §6).
func number(n string) column {
	return column{name: n, parse: func(v any) (any, error) {
		f, ok := v.(float64)
		if !ok || f < 0 || f >= 1<<53 || f != float64(int64(f)) {
			return nil, field.Problem("must be a whole number from 0.")
		}
		return int64(f), nil
	}}
}
