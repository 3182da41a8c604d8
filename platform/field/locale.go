package field

import (
	"github.com/swaggest/jsonschema-go"
)

// Locale is a language of mails.
type Locale string

// Locales of mails and of the API's sentences.
const (
	English Locale = "en"
	German  Locale = "de"
)

func (l *Locale) UnmarshalText(text []byte) error {
	return Choose(l, text, English, German)
}

func (Locale) JSONSchema() (jsonschema.Schema, error) { return OpenEnum(English, German), nil }
