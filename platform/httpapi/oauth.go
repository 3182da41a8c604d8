package httpapi

import (
	"net/http"
	"strings"

	"guildhall/platform/access"
	"guildhall/platform/fault"
)

// OAuth clients send forms. They expect errors as in RFC 6749 §5.2, and some of them accept
// no media type but application/json.

const (
	formMedia = "application/x-www-form-urlencoded"
	oauthKey  = "guildhall.oauth" // the request is an OAuth client's
)

// tokenProblem is the body of an error for an OAuth client.
type tokenProblem struct {
	problem
	Error            string `json:"error" example:"invalid_request" enum:"invalid_request,invalid_grant,unsupported_grant_type,temporarily_unavailable,server_error" description:"For OAuth clients (RFC 6749)."`
	ErrorDescription string `json:"error_description" example:"username is required." description:"For OAuth clients, in English: the detail, or what is wrong with which value."`
}

func tokenProblemOf(f *fault.Error, requestID string, t *tongue) tokenProblem {
	return tokenProblem{problem: problemOf(f, requestID, t), Error: oauthError(f), ErrorDescription: oauthDescription(f)}
}

// oauthErrors maps the kinds of errors to RFC 6749's error codes. Clients discard their
// tokens on invalid_grant, so a temporary refusal has another code.
var oauthErrors = map[fault.Kind]string{
	fault.Malformed:            "invalid_request",
	fault.Unauthenticated:      "invalid_grant",
	fault.Forbidden:            "invalid_grant",
	fault.NotFound:             "invalid_request",
	fault.MethodNotAllowed:     "invalid_request",
	fault.Gone:                 "invalid_request",
	fault.Conflict:             "invalid_request",
	fault.PreconditionFailed:   "invalid_request",
	fault.TooLarge:             "invalid_request",
	fault.UnsupportedMediaType: "invalid_request",
	fault.Invalid:              "invalid_request",
	fault.TooManyRequests:      "temporarily_unavailable",
	fault.Unavailable:          "temporarily_unavailable",
	fault.Internal:             "server_error",
}

func oauthError(f *fault.Error) string {
	const unsupported = "unsupported_grant_type" // the one code that RFC 6749 has too
	switch {
	case f.Code == unsupported:
		return unsupported
	case access.ErrOrganizationSuspended.Is(f), access.ErrMembershipSuspended.Is(f), access.ErrMembershipInactive.Is(f):
		return "invalid_request" // organization_id is refused, not the grant: the tokens stay valid
	default:
		return oauthErrors[f.Kind]
	}
}

// oauthDescription includes the invalid values, because most clients show nothing else.
func oauthDescription(f *fault.Error) string {
	if len(f.Fields) == 0 {
		return f.Detail
	}
	sentences := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		sentences[i] = strings.TrimPrefix(field.Location, "body.") + " " + field.Problem.Error()
	}
	return strings.Map(describable, strings.Join(sentences, " "))
}

// describable replaces characters that RFC 6749 §5.2 does not allow in a description. The
// name of a parameter, which it may contain, can have any characters.
func describable(r rune) rune {
	if r < ' ' || r > '~' || r == '"' || r == '\\' {
		return '?'
	}
	return r
}

// oauthChallenge repeats the error: openid-client shows the challenge of a 401
// and not its body.
func oauthChallenge(f *fault.Error) string {
	return realm + `, error="` + oauthError(f) + `", error_description="` + oauthDescription(f) + `"`
}

// isForm checks only the header: even a form that can't be parsed is from an OAuth client.
func isForm(h http.Header) bool {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), formMedia)
}
