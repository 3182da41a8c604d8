package field

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/swaggest/jsonschema-go"
	"golang.org/x/net/idna"

	"guildhall/platform/fault"
)

// emailPattern matches a mailbox (RFC 5321 §4.1.2) without quoted strings and address
// literals, which no mail provider assigns. A host name needs no dot.
var emailPattern = regexp.MustCompile(
	"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*" +
		"@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$")

// maxEmail limits the input in characters and the stored address in bytes (RFC 5321
// §4.5.3.1.3, less the angle brackets). maxUnicodeDomain is the size of that many
// characters in bytes: the cost of conversion to A-labels is quadratic in the length.
const (
	maxEmail         = 254
	maxUnicodeDomain = utf8.UTFMax * maxEmail
)

// Email is stored as given, except that a Unicode domain is stored as A-labels. It is
// compared by its Canonical form. Only ASCII is stored: addresses that look alike must
// not be two accounts (CVE-2019-19844), and the two databases fold the case of other
// letters differently.
type Email string

// UnmarshalText refuses an address that exceeds the lengths of RFC 5321 §4.5.3.1: 64
// for the local part, maxEmail for the whole.
func (e *Email) UnmarshalText(text []byte) error {
	given := strings.TrimSpace(string(text))
	s := withALabels(given)
	if utf8.RuneCountInString(given) > maxEmail || len(s) > maxEmail || strings.IndexByte(s, '@') > 64 || !emailPattern.MatchString(s) {
		return fault.NotAnEmail
	}
	*e = Email(s)
	return nil
}

// Canonical returns the form that is unique among accounts and used for look-ups.
func (e Email) Canonical() string { return canonicalEmail(string(e)) }

func (Email) InlineJSONSchema() {}

func (Email) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithFormat("idn-email").WithMinLength(3).WithMaxLength(maxEmail).
		WithDescription("In ASCII up to the @. A domain in Unicode is stored as A-labels (RFC 5891): bücher.example as xn--bcher-kva.example.")
	return s, nil
}

// serviceDomain is the domain of service accounts' addresses. No mail server has it (RFC 2606).
const serviceDomain = "@service.invalid"

// ServiceEmail returns the address of a service account.
func ServiceEmail(id string) Email { return Email(id + serviceDomain) }

// ErasedEmail returns the address of an account that was erased.
func ErasedEmail(id string) Email { return Email("erased-" + id + "@erased.invalid") }

// IsService reports whether an address is that of a service account, which gets no mail.
func (e Email) IsService() bool { return strings.HasSuffix(e.Canonical(), serviceDomain) }

// CanonicalEmail returns the form of the email address that a log-in looks up.
func (l Login) CanonicalEmail() string { return canonicalEmail(string(l)) }

// canonicalEmail lower-cases ASCII letters only. It does so in Go, because lower()
// treats other letters differently in each database.
func canonicalEmail(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, withALabels(s))
}

// withALabels trims a mailbox and converts a Unicode domain to A-labels (RFC 5891 §5).
// It leaves an ASCII domain as it is, even if IDNA does not accept a label: a stored
// address must be found with any later version of Unicode. It also leaves a domain that
// can't be converted: that is not a valid Email, so no account has it.
func withALabels(s string) string {
	s = strings.TrimSpace(s)
	at := strings.LastIndexByte(s, '@')
	domain := s[at+1:]
	if at < 0 || isASCII(domain) || len(domain) > maxUnicodeDomain || !utf8.ValidString(domain) { // idna accepts any byte
		return s
	}
	// Go 1.26 has the tables of Unicode 15, which map capital ẞ to ss and keep small ß.
	// Later versions map both to ß (UTS #46, revision 31).
	labels, err := idna.Lookup.ToASCII(strings.ReplaceAll(domain, "ẞ", "ß"))
	if err != nil {
		return s
	}
	return s[:at+1] + labels
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}
