package httpapi

import (
	"net/http"
	"strings"

	"guildhall/platform/fault"
)

// A form is what OAuth clients send. They read errors as RFC 6749 §5.2 has them,
// and some of them read no media type but application/json.

const (
	formMedia = "application/x-www-form-urlencoded"
	oauthKey  = "guildhall.oauth" // the request is an OAuth client's
)

// tokenProblem is the body of an error for an OAuth client.
type tokenProblem struct {
	problem
	Error            string `json:"error" example:"invalid_request" enum:"invalid_request,invalid_grant,unsupported_grant_type,temporarily_unavailable,server_error" description:"For OAuth clients (RFC 6749)."`
	ErrorDescription string `json:"error_description" example:"username is required." description:"For OAuth clients: the detail, or what is wrong with which value."`
}

func tokenProblemOf(f *fault.Error, requestID string) tokenProblem {
	return tokenProblem{problem: problemOf(f, requestID), Error: oauthError(f), ErrorDescription: oauthDescription(f)}
}

// oauthErrors are RFC 6749's names for the kinds of refusals. Clients drop their
// tokens on invalid_grant, so a refusal that may pass by itself has another name.
var oauthErrors = map[fault.Kind]string{
	fault.Malformed:            "invalid_request",
	fault.Unauthenticated:      "invalid_grant",
	fault.Forbidden:            "invalid_grant",
	fault.NotFound:             "invalid_request",
	fault.MethodNotAllowed:     "invalid_request",
	fault.Conflict:             "invalid_request",
	fault.TooLarge:             "invalid_request",
	fault.UnsupportedMediaType: "invalid_request",
	fault.Invalid:              "invalid_request",
	fault.TooManyRequests:      "temporarily_unavailable",
	fault.Unavailable:          "temporarily_unavailable",
	fault.Internal:             "server_error",
}

func oauthError(f *fault.Error) string {
	const unsupported = "unsupported_grant_type" // the one code that is also a name there
	if f.Code == unsupported {
		return unsupported
	}
	return oauthErrors[f.Kind]
}

// oauthDescription includes the values at fault: most clients show nothing else.
func oauthDescription(f *fault.Error) string {
	if len(f.Fields) == 0 {
		return f.Detail
	}
	sentences := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		sentences[i] = strings.TrimPrefix(field.Location, "body.") + " " + field.Message
	}
	return strings.Map(describable, strings.Join(sentences, " "))
}

// describable replaces what RFC 6749 §5.2 does not allow in a description: the name
// of a parameter may be anything.
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

// isForm goes by the header alone: a form that can't be read is an OAuth client's too.
func isForm(h http.Header) bool {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), formMedia)
}
