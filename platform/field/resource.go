package field

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/fault"
)

// Resource identifies an API (RFC 8707 §2): an absolute URI without a fragment, of at most 255
// characters. It is compared byte by byte.
type Resource string

func (r *Resource) UnmarshalText(text []byte) error {
	s, err := externalIDLimits.parse(text)
	if err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err != nil || s != string(text) || !u.IsAbs() || u.Host == "" && u.Opaque == "" || u.User != nil || strings.Contains(s, "#") || !printableASCII.MatchString(s) {
		return fault.NotAResource
	}
	*r = Resource(s)
	return nil
}

func (Resource) InlineJSONSchema() {}

func (Resource) JSONSchema() (jsonschema.Schema, error) {
	s := externalIDLimits.schema()
	s.WithFormat("uri").WithPattern("^[A-Za-z][A-Za-z0-9+.-]*:[!-\"$-~]+$")
	return s, nil
}

// Scope is the name of a scope that an API declares (RFC 6749 §3.3).
type Scope string

const scopePattern = `^[a-z][a-z0-9.:/_-]{0,63}$`

var scopeForm = regexp.MustCompile(scopePattern)

func (s *Scope) UnmarshalText(text []byte) error {
	if !scopeForm.Match(text) {
		return fault.NotAScope
	}
	*s = Scope(text)
	return nil
}

func (Scope) InlineJSONSchema() {}

func (Scope) JSONSchema() (jsonschema.Schema, error) {
	s := stringSchema()
	s.WithPattern(scopePattern).WithMaxLength(64)
	return s, nil
}

// Limits of TokenSeconds.
const (
	minTokenSeconds     = 60
	maxTokenSeconds     = 3600
	defaultTokenSeconds = 300
)

// TokenSeconds is how long the tokens for an API are valid: 60 to 3,600 seconds.
type TokenSeconds int

func (t *TokenSeconds) UnmarshalText(text []byte) error {
	n, err := wholeNumber(text, maxTokenSeconds)
	if err != nil || n < minTokenSeconds {
		return fault.NotInRange.From(minTokenSeconds).To(maxTokenSeconds)
	}
	*t = TokenSeconds(n)
	return nil
}

// Duration returns the time, or five minutes if none was given.
func (t *TokenSeconds) Duration() time.Duration {
	if t == nil {
		return defaultTokenSeconds * time.Second
	}
	return time.Duration(*t) * time.Second
}

// Number says that it is a number in JSON.
func (TokenSeconds) Number() {}

func (TokenSeconds) InlineJSONSchema() {}

func (TokenSeconds) JSONSchema() (jsonschema.Schema, error) {
	s := wholeNumberSchema(maxTokenSeconds)
	s.WithMinimum(minTokenSeconds)
	return s, nil
}
