package field

import (
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// Locale is a language of mails.
type Locale string

// Locales of mails and of the API's sentences.
const (
	English Locale = "en"
	German  Locale = "de"
)

func (l *Locale) UnmarshalText(text []byte) error {
	*l = Locale(text)
	if *l != English && *l != German {
		return fault.NotInEnum.Of(string(English), string(German))
	}
	return nil
}

func (Locale) JSONSchema() (jsonschema.Schema, error) { return OpenEnum(English, German), nil }
