package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"guildhall/platform/database"
	"guildhall/platform/fault"
	"guildhall/platform/ratelimit"
)

// statusOf maps the kind of an error to its HTTP status.
var statusOf = map[fault.Kind]int{
	fault.Malformed:            http.StatusBadRequest,
	fault.Unauthenticated:      http.StatusUnauthorized,
	fault.Forbidden:            http.StatusForbidden,
	fault.NotFound:             http.StatusNotFound,
	fault.Gone:                 http.StatusGone,
	fault.MethodNotAllowed:     http.StatusMethodNotAllowed,
	fault.Conflict:             http.StatusConflict,
	fault.PreconditionFailed:   http.StatusPreconditionFailed,
	fault.TooLarge:             http.StatusRequestEntityTooLarge,
	fault.UnsupportedMediaType: http.StatusUnsupportedMediaType,
	fault.Invalid:              http.StatusUnprocessableEntity,
	fault.TooManyRequests:      http.StatusTooManyRequests,
	fault.Unavailable:          http.StatusServiceUnavailable,
	fault.Internal:             http.StatusInternalServerError,
}

// Errors that any route may answer.
var (
	errInternal         = fault.New(fault.Internal, "internal_error", "Something went wrong here. Quote the request id when you report it.")
	errTimeout          = fault.New(fault.Unavailable, "timeout", "The service could not answer in time. Try again.").WithRetryAfter(time.Second)
	errRouteNotFound    = fault.New(fault.NotFound, "route_not_found", "There is nothing at this path.")
	errMethodNotAllowed = fault.New(fault.MethodNotAllowed, "method_not_allowed", "This method is not allowed here; the Allow header lists those that are.")
	errMalformedBody    = fault.New(fault.Malformed, "malformed_body", "The body is not well-formed JSON.")
	errEmptyBody        = fault.New(fault.Malformed, errMalformedBody.Code, "The body is empty, and this request needs one.")
	errBrokenBody       = fault.New(fault.Malformed, errMalformedBody.Code, "The body could not be read to its end.")
	errMalformedForm    = fault.New(fault.Malformed, errMalformedBody.Code, "The body is not a well-formed form.")
	errMalformedQuery   = fault.New(fault.Malformed, "malformed_query", "The query string is not well-formed.")
	errMalformedCSV     = fault.New(fault.Malformed, errMalformedBody.Code, "The body is not well-formed CSV.")
	errTwoMediaTypes    = fault.New(fault.Malformed, "malformed_header", "The Content-Type field is given more than once.")
	errBodyTooLarge     = fault.New(fault.TooLarge, "body_too_large", "The body is larger than 64 KiB.")
	errLargeBody        = fault.New(fault.TooLarge, errBodyTooLarge.Code, "The body is larger than 512 KiB.")
	errMediaType        = fault.New(fault.UnsupportedMediaType, "unsupported_media_type", "The body must be application/json in UTF-8, without a content encoding.")
	errFormMediaType    = fault.New(fault.UnsupportedMediaType, errMediaType.Code, "The body must be application/json or application/x-www-form-urlencoded in UTF-8, without a content encoding.")
	errCSVMediaType     = fault.New(fault.UnsupportedMediaType, errMediaType.Code, "The body must be application/json or text/csv in UTF-8, without a content encoding.")
	errInvalid          = fault.New(fault.Invalid, "validation_failed", "Some values are not acceptable; see errors.")
	errNotReady         = fault.New(fault.Unavailable, "not_ready", "The service is not ready.").WithRetryAfter(time.Second)
)

// Invalid returns the refusal of one value (validation_failed) for a fault.Problem, for
// rules that a module checks itself.
func Invalid(location string, problem error) error {
	return InvalidFields(fault.Field{Location: location, Problem: problemIn(problem)})
}

// InvalidFields returns the refusal of several values.
func InvalidFields(fields ...fault.Field) error { return errInvalid.WithFields(fields...) }

// problem is the body of every error (RFC 9457).
type problem struct {
	Type      string       `json:"type" example:"urn:guildhall:problem:validation_failed" description:"A URN that ends in the code."`
	Title     string       `json:"title" example:"Unprocessable Entity" description:"The status in words."`
	Status    int          `json:"status" example:"422"`
	Detail    string       `json:"detail" example:"The name is required." description:"What went wrong, for people: in English, or in German if the client prefers it."`
	Code      string       `json:"code" example:"validation_failed" description:"Stable: programs can switch on it."`
	RequestID string       `json:"request_id" example:"0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70" description:"As in X-Request-ID."`
	Errors    []fieldError `json:"errors,omitempty" description:"The invalid values, if any."`
	*fault.Challenge
}

// fieldError describes one invalid value.
type fieldError struct {
	Location string        `json:"location" example:"body.name" description:"Where it is: in the body, query, path or header."`
	Code     string        `json:"code" example:"required"`
	Message  string        `json:"message" example:"The name is required." description:"What is wrong with it, in a sentence for people, in the language of the detail."`
	Params   *fault.Params `json:"params,omitempty" description:"The limits that the value exceeds, or the values that are accepted."`
}

func problemOf(f *fault.Error, status int, requestID string, t *tongue) problem {
	p := problem{
		Type:      "urn:guildhall:problem:" + f.Code,
		Title:     t.text(http.StatusText(status)),
		Status:    status,
		Detail:    t.detail(f),
		Code:      f.Code,
		RequestID: requestID,
		Challenge: f.Challenge,
	}
	for _, bad := range f.Fields {
		e := fieldError{Location: bad.Location, Code: bad.Problem.Code, Message: t.sentence(bad)}
		if params := bad.Problem.Params; params.Min != nil || params.Max != nil || params.Values != nil {
			e.Params = &params
		}
		p.Errors = append(p.Errors, e)
	}
	return p
}

// refuse writes an error. An unexpected error is logged with its cause; the client gets
// only a request id.
func (a *API) refuse(c *gin.Context, err error) {
	f := classify(err)
	var limit *ratelimit.Reached
	if errors.As(err, &limit) {
		a.measure.Limited(limit.Policy.Name)
	}
	cause := errors.Unwrap(f)
	if f.Kind == fault.Internal || f.Kind == fault.Unavailable {
		if !errors.Is(cause, err) { // otherwise the cause may have more details
			cause = err
		}
		level := slog.LevelError
		if ctx := c.Request.Context(); clientLeft(ctx) && errors.Is(err, context.Canceled) {
			level = slog.LevelDebug
		}
		a.log.LogAttrs(c.Request.Context(), level, "request failed",
			slog.String("code", f.Code), slog.Any("cause", cause))
	} else if cause != nil {
		a.log.LogAttrs(c.Request.Context(), slog.LevelDebug, "request refused",
			slog.String("code", f.Code), slog.Any("cause", cause))
	}
	a.writeProblem(c, f)
}

func classify(err error) *fault.Error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	if f := database.Fault(err); f != nil {
		return f
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return errTimeout
	}
	return errInternal
}

// codeOf returns the code of an error that the client sees, or "" for nil.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return classify(err).Code
}

func (a *API) writeProblem(c *gin.Context, f *fault.Error) {
	doc := docOf(c)
	if doc.ForProxy {
		f = forProxy(f)
	}
	h := c.Writer.Header()
	for _, stale := range []string{"Location", "Link", "X-Total-Count"} {
		h.Del(stale)
	}
	t := tongueOf(c.Request.Header)
	h.Set("Content-Language", t.tag)
	h.Add("Vary", "Accept-Language")
	status := doc.status(f)
	var answer any = problemOf(f, status, requestID(c), t)
	media, challenge := "application/problem+json", a.bearerChallenge
	if c.GetBool(oauthKey) {
		answer = tokenProblemOf(f, status, requestID(c), t)
		media, challenge = "application/json", oauthChallenge
	}
	h.Set("Content-Type", media)
	if f.Kind == fault.Unauthenticated {
		h.Set("WWW-Authenticate", challenge(f))
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	body, err := json.Marshal(answer)
	if err != nil { // strings and numbers always encode
		panic(err)
	}
	c.Set(codeKey, f.Code)
	c.Writer.WriteHeader(status)
	_, _ = c.Writer.Write(body)
	c.Abort()
}

// docKey has the Doc of the request's route.
const docKey = "guildhall.doc"

func docOf(c *gin.Context) *Doc {
	if doc, ok := c.Get(docKey); ok {
		return doc.(*Doc)
	}
	return &Doc{}
}

const realm = `Bearer realm="guildhall"`

// bearerChallenge adds the address of the document that says whose tokens the API takes
// (RFC 9728 §5.1).
func (a *API) bearerChallenge(f *fault.Error) string {
	if a.metadata == "" {
		return bearerChallenge(f)
	}
	return bearerChallenge(f) + `, resource_metadata="` + a.metadata + `"`
}

// bearerChallenge returns the challenge that RFC 6750 §3 requires in every 401. It has an
// error code only if a credential was sent.
func bearerChallenge(f *fault.Error) string {
	if f.MaxAge > 0 || f.ACR != "" {
		challenge := realm + `, error="insufficient_user_authentication", error_description="` + strings.TrimSuffix(f.Detail, ".") + `"`
		if f.ACR != "" {
			challenge += `, acr_values="` + f.ACR + `"`
		}
		if f.MaxAge > 0 {
			challenge += fmt.Sprintf(`, max_age="%d"`, int(f.MaxAge.Seconds()))
		}
		return challenge
	}
	if !strings.Contains(f.Code, "token") {
		return realm
	}
	return realm + `, error="invalid_token", error_description="` + strings.TrimSuffix(f.Detail, ".") + `"`
}
