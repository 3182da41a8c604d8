package config

import (
	"fmt"
	"log/slog"
)

const mask = "********"

// Secret is text that masks itself in fmt, log/slog and JSON. Only Reveal
// gives it, which makes every use of a secret easy to find. (fmt can't call
// methods on unexported fields: don't print a struct that keeps one there.)
type Secret string

// Reveal returns the secret itself: for the library that needs it, never for
// a message.
func (s Secret) Reveal() string { return string(s) }

// String is a mask of fixed width, or empty when there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format masks under every verb: %x of a Stringer would print its mask in
// hexadecimal, but %d would print the bytes.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		fmt.Fprint(f, s.GoString())
		return
	}
	fmt.Fprint(f, s.String())
}

func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
