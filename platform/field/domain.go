package field

import (
	"strings"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// Domain is the domain of email addresses, in the form in which these are compared.
type Domain string

func (d *Domain) UnmarshalText(text []byte) error {
	var e Email
	if err := e.UnmarshalText([]byte("x@" + strings.TrimSpace(string(text)))); err != nil {
		return fault.NotADomain
	}
	*d = e.Domain()
	return nil
}

// Domain returns the part of the address after the @, in its canonical form.
func (e Email) Domain() Domain {
	_, domain, _ := strings.Cut(e.Canonical(), "@")
	return Domain(domain)
}

func (Domain) InlineJSONSchema() {}

func (Domain) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithMinLength(1).WithMaxLength(maxEmail - 2).WithFormat("idn-hostname")
	return s, nil
}
