package field

import (
	"regexp"
	"strings"

	"github.com/swaggest/jsonschema-go"
)

const emailProblem = Problem("must be an email address in ASCII, such as ada@example.com.")

// A mailbox as RFC 5321 §4.1.2 writes it, without quoted strings and address
// literals, which no mail provider gives out. A host without a dot is a host.
var emailPattern = regexp.MustCompile(
	"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*" +
		"@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$")

// Email is kept as given and compared by its Canonical form. Only ASCII: what
// looks alike to people must not be two accounts (CVE-2019-19844), and the two
// databases fold other letters differently.
type Email string

// UnmarshalText refuses what exceeds the lengths of RFC 5321 §4.5.3.1: 64 for
// the local part, 254 for the whole (§4.5.3.1.3, less the angle brackets).
func (e *Email) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if len(s) > 254 || strings.IndexByte(s, '@') > 64 || !emailPattern.MatchString(s) {
		return emailProblem
	}
	*e = Email(s)
	return nil
}

// Canonical is the form that is unique and looked up.
func (e Email) Canonical() string { return canonicalEmail(string(e)) }

func (Email) InlineJSONSchema() {}

func (Email) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithFormat("email").WithMinLength(3).WithMaxLength(254)
	return s, nil
}

// CanonicalEmail is what a log-in is looked up by.
func (l Login) CanonicalEmail() string { return canonicalEmail(string(l)) }

// canonicalEmail lowers ASCII letters only, in Go, because each database's
// lower() has its own idea of the rest.
func canonicalEmail(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, strings.TrimSpace(s))
}
