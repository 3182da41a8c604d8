package field

import (
	"encoding/json"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// Document is a JSON object, as the client sent it. A form has its text. Whoever uses it
// decodes and validates it.
type Document string

func (d *Document) UnmarshalText(text []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members == nil {
		return fault.NotAnObject
	}
	*d = Document(text)
	return nil
}

// Object marks a value that is an object in JSON.
func (*Document) Object() {}

func (Document) String() string { return "[document]" }

func (Document) InlineJSONSchema() {}

func (Document) JSONSchema() (s jsonschema.Schema, err error) {
	s.AddType(jsonschema.Object)
	s.WithAdditionalProperties(*new(jsonschema.SchemaOrBool).WithTypeBoolean(true))
	return s, nil
}
