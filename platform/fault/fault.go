// Package fault defines errors that a client may see, independent of HTTP: a kind, a
// stable code that programs switch on, and one plain sentence for people. Any other
// error is internal: it is logged with its cause, and the client gets no details.
package fault

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// Kind classifies an Error. Package httpapi maps each kind to an HTTP status.
type Kind int

const (
	Malformed            Kind = iota + 1 // the request can't be parsed
	Unauthenticated                      // no credential, or an invalid one
	Forbidden                            // the caller may see it but not do this
	NotFound                             // unknown, or not the caller's: clients can't tell which
	Gone                                 // it existed, and it will not come back
	MethodNotAllowed                     // the resource exists, the method does not
	Conflict                             // it contradicts the current state
	PreconditionFailed                   // the client names a version that is not the current one
	TooLarge                             // the body exceeds its limit
	UnsupportedMediaType                 // the media type of the body is not supported
	Invalid                              // well-formed, but a value is not acceptable
	TooManyRequests                      // a rate limit was reached
	Unavailable                          // the service can't do it now; retry later
	Internal                             // an unexpected error
)

// Field describes one invalid value: its location ("body.email", "query.limit",
// "path.user_id") and what is wrong with it.
type Field struct {
	Location string
	Problem  Problem
}

// Error is an error that the client may see. Declare each once, with New. The With
// methods return a copy with the details of one occurrence.
type Error struct {
	Kind       Kind
	Code       string        // snake_case, stable
	Detail     string        // one plain sentence, safe for the client
	Fields     []Field       // the invalid values, if any
	MaxAge     time.Duration // how recent the log-in has to be (RFC 9470), for Unauthenticated
	ACR        string        // what the log-in has to prove (RFC 9470), for Unauthenticated
	Challenge  *Challenge    // with what to go on, if something more has to be proved
	RetryAfter time.Duration // when to retry, for TooManyRequests and Unavailable

	cause error
}

// Challenge is what a client needs to prove more. It is part of the answer.
type Challenge struct {
	Token     string   `json:"challenge_token,omitempty" example:"kVv3WmRyV4tM4pQBr2mlQZrKjJ0yQh2Wk1h2xJwqv4E" description:"Only with mfa_required: for grant_type=challenge at /auth/token."`
	ExpiresIn int      `json:"expires_in,omitempty" example:"300" description:"Only with mfa_required: seconds until the challenge_token expires."`
	Methods   []string `json:"methods,omitempty" example:"[\"otp\"]" description:"Only with mfa_required: with which members it can be answered, where passkey stands for credential."`
	// PublicKey is JSON for navigator.credentials.get.
	PublicKey json.RawMessage `json:"public_key,omitempty" description:"Only with mfa_required, of a person who has a passkey: the options for navigator.credentials.get, as PublicKeyCredential.parseRequestOptionsFromJSON takes them."`
}

// New declares an error.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.cause.Error()
	}
	return e.Code
}

func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is match every occurrence of an error with its declaration.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code && t.Kind == e.Kind
}

// WithCause returns a copy with a cause, which is logged and not shown to the client.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithFields returns a copy with the invalid values.
func (e *Error) WithFields(fields ...Field) *Error {
	c := *e
	c.Fields = slices.Clone(fields)
	return &c
}

// WithMaxAge returns a copy with how recent the log-in has to be.
func (e *Error) WithMaxAge(d time.Duration) *Error {
	c := *e
	c.MaxAge = d
	return &c
}

// WithACR returns a copy with what the log-in has to prove.
func (e *Error) WithACR(acr string) *Error {
	c := *e
	c.ACR = acr
	return &c
}

// WithChallenge returns a copy with what the client needs to go on.
func (e *Error) WithChallenge(with Challenge) *Error {
	c := *e
	c.Challenge = &with
	return &c
}

// WithRetryAfter returns a copy with the time after which to retry.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}
