package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
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
	Error            string `json:"error" example:"invalid_request" enum:"invalid_request,invalid_client,invalid_grant,mfa_required,invalid_scope,invalid_target,unauthorized_client,unsupported_grant_type,temporarily_unavailable,server_error" description:"For OAuth clients (RFC 6749)."`
	ErrorDescription string `json:"error_description" example:"username is required." description:"For OAuth clients, in English: the detail, or what is wrong with which value."`
}

func tokenProblemOf(f *fault.Error, status int, requestID string, t *tongue) tokenProblem {
	return tokenProblem{problem: problemOf(f, status, requestID, t), Error: oauthError(f), ErrorDescription: oauthDescription(f)}
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

// oauthCodes are the codes that RFC 6749 and RFC 8707 have, too, and the one that other
// services have for a second factor: it is no reason to discard anything.
var oauthCodes = []string{invalidClient, "mfa_required", "invalid_scope", "invalid_target", "unauthorized_client", "unsupported_grant_type"}

const invalidClient = "invalid_client"

func oauthError(f *fault.Error) string {
	switch {
	case slices.Contains(oauthCodes, f.Code):
		return f.Code
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
	if f.Code == invalidClient { // RFC 6749 §5.2
		return `Basic realm="guildhall", charset="UTF-8"`
	}
	return realm + `, error="` + oauthError(f) + `", error_description="` + oauthDescription(f) + `"`
}

// isForm checks only the header: even a form that can't be parsed is from an OAuth client.
func isForm(h http.Header) bool {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(media), formMedia)
}

// oauthStatus returns the status of an error at an endpoint for programs: 400 for invalid
// values (RFC 6749 §5.2).
func oauthStatus(f *fault.Error) int {
	if f.Kind == fault.Invalid {
		return http.StatusBadRequest
	}
	return statusOf[f.Kind]
}

// forProxy returns the refusal for a proxy that asks whether to let a request pass. Of nginx,
// its client would get a 500 for any status but 401 and 403. A failure stays one, which no
// proxy takes for consent.
func forProxy(f *fault.Error) *fault.Error {
	switch f.Kind {
	case fault.Unauthenticated, fault.Forbidden, fault.Internal, fault.Unavailable:
		return f
	default:
		g := *f
		g.Kind = fault.Forbidden // mutant: proxy-statuses
		return &g
	}
}

// Client has the credentials with which a program identifies itself in the Authorization
// field, and the organization that it names.
type Client struct {
	ID, Secret   string // by HTTP Basic (RFC 6749 §2.3.1)
	Bearer       string // by a Bearer token
	Organization string // X-Organization-ID, not validated; all of them if it is repeated
}

type clientKey struct{}

func withClient(ctx context.Context, h http.Header) context.Context {
	client := Client{Bearer: bearer(h), Organization: strings.Join(h["X-Organization-Id"], ", ")}
	if client.Bearer != "" {
		return context.WithValue(ctx, clientKey{}, client)
	}
	if id, secret, ok := (&http.Request{Header: h}).BasicAuth(); ok && len(h.Values("Authorization")) == 1 {
		client.ID, client.Secret = formDecoded(id), formDecoded(secret)
	}
	return context.WithValue(ctx, clientKey{}, client)
}

// formDecoded undoes the encoding that RFC 6749 §2.3.1 requires in HTTP Basic. Neither ids nor
// keys have a character that it changes, so that it is the same for clients that omit it.
func formDecoded(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// ClientFrom returns the credentials of the program that makes the request.
func ClientFrom(ctx context.Context) Client {
	client, _ := ctx.Value(clientKey{}).(Client)
	return client
}
