package field

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/swaggest/jsonschema-go"
	"golang.org/x/text/unicode/norm"

	"guildhall/platform/fault"
)

var (
	nameLimits   = limits{1, 255, true, line}
	bioLimits    = limits{0, 2000, false, lines}
	reasonLimits = limits{1, 1000, true, lines}
	avatarLimits = limits{1, 2048, false, anything}
	loginLimits  = limits{1, 1024, false, anything}

	externalIDLimits = limits{1, 255, true, line}
)

// Name of a person or an organization: 1 to 255 characters after trimming, on one
// line, in NFC.
type Name string

func (n *Name) UnmarshalText(text []byte) error {
	s, err := nameLimits.parse(text)
	*n = Name(s)
	return err
}

// NameOf returns a name with a suffix. It cuts the given name if the whole would be too
// long.
func NameOf(given, suffix string) Name {
	most := int(nameLimits.max) - utf8.RuneCountInString(suffix)
	if characters := []rune(given); len(characters) > most {
		// Remove a trailing space or partial emoji.
		given = strings.TrimRightFunc(string(characters[:most]), func(c rune) bool { return !isVisible(c) })
	}
	return Name(given + suffix)
}

func (Name) InlineJSONSchema() {}

func (Name) JSONSchema() (jsonschema.Schema, error) { return nameLimits.schema(), nil }

// Bio is a person's description of themselves: at most 2,000 characters.
type Bio string

func (b *Bio) UnmarshalText(text []byte) error {
	s, err := bioLimits.parse(text)
	*b = Bio(s)
	return err
}

func (Bio) InlineJSONSchema() {}

func (Bio) JSONSchema() (jsonschema.Schema, error) { return bioLimits.schema(), nil }

// Reason for a suspension or an archive: 1 to 1,000 characters after trimming.
type Reason string

func (r *Reason) UnmarshalText(text []byte) error {
	s, err := reasonLimits.parse(text)
	*r = Reason(s)
	return err
}

func (Reason) InlineJSONSchema() {}

func (Reason) JSONSchema() (jsonschema.Schema, error) { return reasonLimits.schema(), nil }

// AvatarURL is shown by clients and never fetched by the service. It must be https with
// a public host name: another scheme could run a script in a viewer's page, and an IP
// address, in any notation, could probe their network.
type AvatarURL string

var (
	printableASCII = regexp.MustCompile(`^[!-~]+$`)
	// Two labels or more, the last of which begins with a letter (RFC 1123 §2.1).
	// Browsers read a last label of digits, or one with 0x, as part of an IPv4 address.
	hostName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]$`)
)

func (a *AvatarURL) UnmarshalText(text []byte) error {
	s, err := avatarLimits.parse(text)
	if err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.Host == "" || u.User != nil || !printableASCII.MatchString(s) || strings.ContainsAny(s, "\"<>\\") {
		return fault.NotHTTPS
	}
	if host := u.Hostname(); len(host) > 253 || !hostName.MatchString(host) {
		return fault.NotAHostName
	}
	if port := u.Port(); u.Host != u.Hostname() {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fault.NotAPort
		}
	}
	*a = AvatarURL(s)
	return nil
}

func (AvatarURL) InlineJSONSchema() {}

func (AvatarURL) JSONSchema() (jsonschema.Schema, error) {
	s := avatarLimits.schema()
	s.WithFormat("uri").WithPattern("^[hH][tT][tT][pP][sS]://")
	return s, nil
}

// ExternalID is the id of a person or an organization in another system: 1 to 255
// characters on one line. It is compared byte by byte, so it must be given as it is stored.
type ExternalID string

func (e *ExternalID) UnmarshalText(text []byte) error {
	s, err := externalIDLimits.parse(text)
	if err == nil && s != string(text) {
		err = fault.Unacceptable
	}
	*e = ExternalID(s)
	return err
}

// Login is the user name at log-in. Any readable text is looked up, so that a malformed
// address gets the same answer as an unknown one.
type Login string

func (l *Login) UnmarshalText(text []byte) error {
	s, err := loginLimits.parse(text)
	*l = Login(s)
	return err
}

func (Login) InlineJSONSchema() {}

func (Login) JSONSchema() (jsonschema.Schema, error) { return loginLimits.schema(), nil }

// Password is a password at log-in. It accepts all passwords that this service, or one
// that accounts were imported from, ever accepted.
type Password string

func (p *Password) UnmarshalText(text []byte) error {
	s, err := loginLimits.parse(text)
	if err == nil && len(s) > 1024 {
		err = fault.TooManyBytes.To(1024)
	}
	*p = Password(s)
	return err
}

func (Password) String() string { return "[password]" }

func (Password) InlineJSONSchema() {}

func (Password) JSONSchema() (jsonschema.Schema, error) {
	s := loginLimits.schema()
	s.WithFormat("password")
	return s, nil
}

// MinPassword is the minimum length of a new password in code points, in NFC (NIST SP
// 800-63B §3.1.1.2). MaxPassword is the maximum in bytes.
const (
	MinPassword = 8
	MaxPassword = 1024
)

// NewPassword is a new password. It may have any characters (NIST SP 800-63B: no
// composition rules).
type NewPassword string

func (p *NewPassword) UnmarshalText(text []byte) error {
	if len(text) > MaxPassword {
		return fault.TooManyBytes.To(MaxPassword)
	}
	s, err := limits{0, MaxPassword, false, anything}.parse(text)
	if err == nil && PasswordLength(s) < MinPassword {
		err = fault.Below.From(MinPassword)
	}
	*p = NewPassword(s)
	return err
}

// PasswordLength counts code points in NFC: é is one, however it is encoded.
func PasswordLength(s string) int { return utf8.RuneCountInString(norm.NFC.String(s)) }

func (NewPassword) String() string { return "[password]" }

func (NewPassword) InlineJSONSchema() {}

func (NewPassword) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithMinLength(MinPassword).WithMaxLength(MaxPassword).WithFormat("password").
		WithDescription("At least 8 characters (code points in NFC), at most 1,024 bytes; neither common, nor in the configured list of breached passwords, nor the email address.")
	return s, nil
}

// Credential is a token that a client sends: opaque, at most 4,096 bytes.
type Credential string

func (c *Credential) UnmarshalText(text []byte) error {
	s, err := limits{1, 4096, false, anything}.parse(text)
	*c = Credential(s)
	return err
}

func (Credential) String() string { return "[credential]" }

func (Credential) InlineJSONSchema() {}

func (Credential) JSONSchema() (jsonschema.Schema, error) {
	return limits{min: 1, max: 4096}.schema(), nil
}
