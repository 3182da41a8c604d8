package access

import (
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/field"
)

// Kind says whether an account is a person's or a program's.
type Kind string

const (
	person  Kind = "person"
	service Kind = "service"
)

// KindOf returns the kind of an account.
func KindOf(isService bool) Kind {
	if isService {
		return service
	}
	return person
}

// IsService returns the condition that the account of a row with user_id is a program's.
func IsService(alias string) string {
	return "EXISTS (SELECT 1 FROM service_accounts sa WHERE sa.user_id = " + alias + ".user_id)"
}

// JSONSchema lists the values for the OpenAPI document.
func (Kind) JSONSchema() (jsonschema.Schema, error) { return field.OpenEnum(person, service), nil }
