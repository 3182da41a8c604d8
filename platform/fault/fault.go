// Package fault says what a refusal is, before HTTP: a kind, a stable code that
// programs switch on, and one plain sentence for people. Anything that is not a
// fault is an accident: it is logged with its cause and the client learns nothing.
package fault

import (
	"errors"
	"slices"
	"time"
)

// Kind is the nature of a refusal. The HTTP status of each stands once, in httpapi.
type Kind int

const (
	Malformed            Kind = iota + 1 // the request can't be parsed
	Unauthenticated                      // no credential, or one that does not hold
	Forbidden                            // the caller may see it but not do this
	NotFound                             // unknown, or foreign: the two are the same
	MethodNotAllowed                     // the resource exists, the method does not
	Conflict                             // it contradicts the present state
	TooLarge                             // the body exceeds its limit
	UnsupportedMediaType                 // the body is of a type that is not read
	Invalid                              // well-formed, but a value is not acceptable
	TooManyRequests                      // a limit on attempts was reached
	Unavailable                          // the service can't do it now; try again
	Internal                             // an accident
)

// Field names one value at fault: where it stands ("body.email",
// "query.limit", "path.user_id") and what is wrong with it.
type Field struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// Error is a refusal. Declare each once, with New; add what one occurrence
// knows with the With methods, which copy.
type Error struct {
	Kind       Kind
	Code       string        // snake_case, stable
	Detail     string        // one plain sentence, safe for the client
	Fields     []Field       // the values at fault, if any
	RetryAfter time.Duration // when to try again, for TooManyRequests and Unavailable

	cause error
}

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

// Is makes every occurrence of a refusal equal to its declaration.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code && t.Kind == e.Kind
}

// WithCause keeps what the log should say and the client should not.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

func (e *Error) WithFields(fields ...Field) *Error {
	c := *e
	c.Fields = slices.Clone(fields)
	return &c
}

func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}
