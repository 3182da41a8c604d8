package field

import (
	"slices"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// Enum returns the schema of a text with one of these values. In an answer, it is only for
// lists to which no later version adds a value.
func Enum[T ~string](values ...T) jsonschema.Schema {
	s := stringSchema()
	for _, v := range values {
		s.Enum = append(s.Enum, v)
	}
	return s
}

// OpenEnum returns the schema of a text in answers, to which later versions may add values.
// It has no enum, because clients that were generated from an older document would refuse
// the new values.
func OpenEnum[T ~string](values ...T) jsonschema.Schema {
	s := stringSchema()
	s.WithDescription("One of `x-extensible-enum`. Later versions may add others.").WithExtraPropertiesItem("x-extensible-enum", values)
	return s
}

// Choose reads a text that must be one of these values.
func Choose[T ~string](into *T, text []byte, values ...T) error {
	*into = T(text)
	if slices.Contains(values, *into) {
		return nil
	}
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return fault.NotInEnum.Of(names...)
}
