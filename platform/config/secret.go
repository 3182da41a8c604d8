package config

import (
	"fmt"
	"log/slog"
)

const mask = "********"

// Secret is text that masks itself in fmt, log/slog and JSON. Only Reveal returns it,
// so that every use of a secret is easy to find. (fmt can't call methods on unexported
// fields: don't print a struct that has a Secret in one.)
type Secret string

// Reveal returns the secret itself. It is for the library that needs it, never for a
// message.
func (s Secret) Reveal() string { return string(s) }

// String returns a mask of fixed width, or an empty string for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format masks the secret under every verb. With String alone, %x would print the mask
// in hexadecimal, and %d would print the bytes.
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
