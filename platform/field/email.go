package field

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/swaggest/jsonschema-go"
	"golang.org/x/net/idna"
)

const emailProblem = Problem("must be an email address such as ada@example.com, in ASCII up to the @.")

// A mailbox as RFC 5321 §4.1.2 writes it, without quoted strings and address
// literals, which no mail provider gives out. A host without a dot is a host.
var emailPattern = regexp.MustCompile(
	"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*" +
		"@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$")

// maxEmail is in characters as given and in bytes as kept (RFC 5321 §4.5.3.1.3, less
// the angle brackets). maxUnicodeDomain is as many characters in bytes: the cost of
// A-labels grows with the square of their number.
const (
	maxEmail         = 254
	maxUnicodeDomain = utf8.UTFMax * maxEmail
)

// Email is kept as given, a domain in Unicode as A-labels, and compared by its
// Canonical form. Only ASCII is kept: what looks alike to people must not be two
// accounts (CVE-2019-19844), and the two databases fold other letters differently.
type Email string

// UnmarshalText refuses what exceeds the lengths of RFC 5321 §4.5.3.1: 64 for
// the local part, maxEmail for the whole.
func (e *Email) UnmarshalText(text []byte) error {
	given := strings.TrimSpace(string(text))
	s := withALabels(given)
	if utf8.RuneCountInString(given) > maxEmail || len(s) > maxEmail || strings.IndexByte(s, '@') > 64 || !emailPattern.MatchString(s) {
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
	s.WithFormat("idn-email").WithMinLength(3).WithMaxLength(maxEmail).
		WithDescription("In ASCII up to the @. A domain in Unicode is kept as A-labels (RFC 5891): bücher.example as xn--bcher-kva.example.")
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
	}, withALabels(s))
}

// withALabels trims a mailbox and turns a domain in Unicode into A-labels (RFC
// 5891 §5). A domain in ASCII stays as it is, also with a label that IDNA does not
// know: what was kept once must be found with whichever version of Unicode. So
// does what can't be turned; it is no Email, and nobody has it.
func withALabels(s string) string {
	s = strings.TrimSpace(s)
	at := strings.LastIndexByte(s, '@')
	domain := s[at+1:]
	if at < 0 || isASCII(domain) || len(domain) > maxUnicodeDomain || !utf8.ValidString(domain) { // idna takes any byte
		return s
	}
	// Unicode 15, whose tables Go 1.26 has, takes the capital ẞ for ss and the small
	// one for itself; later versions take both for ß (UTS #46, revision 31).
	labels, err := idna.Lookup.ToASCII(strings.ReplaceAll(domain, "ẞ", "ß"))
	if err != nil {
		return s
	}
	return s[:at+1] + labels
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}
