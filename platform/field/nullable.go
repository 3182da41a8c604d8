package field

import "github.com/swaggest/jsonschema-go"

// Nullable is a member of a patch: absent (leave it), null (clear it) or a value.
type Nullable[T any] struct {
	Set   bool
	Value *T // nil clears
}

// Null sets the value to null. A decoder calls it.
func (n *Nullable[T]) Null() { n.Set, n.Value = true, nil }

// Fill returns a pointer that a decoder writes the value to.
func (n *Nullable[T]) Fill() any {
	n.Set, n.Value = true, new(T)
	return n.Value
}

func (Nullable[T]) InlineJSONSchema() {}

func (Nullable[T]) JSONSchema() (jsonschema.Schema, error) {
	var zero T
	e, ok := any(zero).(jsonschema.Exposer)
	if !ok {
		return jsonschema.Schema{}, nil
	}
	s, err := e.JSONSchema()
	s.AddType(jsonschema.Null)
	return s, err
}
