package field

// All is the scope of a list that is not restricted to the caller's organization.
type All string

func (a *All) UnmarshalText(text []byte) error {
	*a = All(text)
	if *a != "all" {
		return Problem("must be all.")
	}
	return nil
}

func (All) InlineJSONSchema() {}

// Enum lists the values for the OpenAPI document.
func (All) Enum() []any { return []any{"all"} }
