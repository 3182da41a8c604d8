package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"guildhall/platform/httpapi"
)

// Problem is a refusal by the API (RFC 9457), in the language of the page.
type Problem struct {
	Status     int
	Detail     string
	Code       string
	RequestID  string       `json:"request_id"`
	RetryAfter int          `json:"-"` // seconds
	Errors     []FieldError // what is wrong with fields

	Challenge string          `json:"challenge_token"` // with what to go on, if one proof is missing
	ExpiresIn int             `json:"expires_in"`      // of the challenge, in seconds
	Methods   []string        // by which it can be given
	PublicKey json.RawMessage `json:"public_key"` // of a passkey that can give it
	next      string          // where to go on after the proof, if not on the page
}

// FieldError is what is wrong with one value.
type FieldError struct{ Location, Message string }

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// Field returns what is wrong with a field of a form.
func (p *Problem) Field(name string) string {
	if p == nil {
		return ""
	}
	for _, e := range p.Errors {
		if e.Location == "body."+name {
			return e.Message
		}
	}
	return ""
}

// IsGeneral reports whether the problem is not about fields, beside which it would stand.
func (p *Problem) IsGeneral() bool { return !slices.ContainsFunc(p.Errors, FieldError.hasField) }

// hasField reports whether a person typed the value into a field. Nobody types an address or
// a token.
func (e FieldError) hasField() bool {
	return strings.HasPrefix(e.Location, "body.") && !strings.HasSuffix(e.Location, "token")
}

// isAboutQuery reports whether the query of the page is at fault.
func (p *Problem) isAboutQuery() bool {
	return slices.ContainsFunc(p.Errors, func(e FieldError) bool { return strings.HasPrefix(e.Location, "query.") })
}

// asksForProof reports whether the session has to prove more, or again, who the person is.
func (p *Problem) asksForProof() bool { return p.Code == stepUpRequired || p.Code == factorRequired }

// ended reports whether the session has ended.
func (p *Problem) ended() bool { return p.Code == "invalid_token" }

// answer is what the API answers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// Call calls an operation that the page declares, on behalf of whoever looks at the page,
// from their address and with the page's request id. A form's key makes what it creates
// exist once, however often the form arrives. A refusal is a *Problem.
func (r *Request) Call(method, path string, body, into any) error {
	_, err := r.send(method, path, body, into)
	return err
}

// Download calls an operation that answers with a file, and passes the file on.
func (r *Request) Download(path string) error {
	a, err := r.ask(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	for _, name := range []string{"Content-Type", "Content-Disposition"} {
		r.w.Header().Set(name, a.header.Get(name))
	}
	_, err = r.w.Write(a.body.Bytes())
	return err
}

func (r *Request) send(method, path string, body, into any) (http.Header, error) {
	a, err := r.ask(method, path, body)
	if err != nil || into == nil || a.body.Len() == 0 {
		return headerOf(a), err
	}
	if err := jsonv2.Unmarshal(a.body.Bytes(), into, jsonv2.MatchCaseInsensitiveNames(true)); err != nil {
		return nil, fmt.Errorf("call %s: %w", path, err)
	}
	return a.header, nil
}

func headerOf(a *answer) http.Header {
	if a == nil {
		return nil
	}
	return a.header
}

// ask returns the answer of an operation. A refusal is a *Problem.
func (r *Request) ask(method, path string, body any) (*answer, error) {
	if r.Method != http.MethodPost && method != http.MethodGet && !r.returned {
		return nil, fmt.Errorf("call %s: a page that is only shown changes nothing", path)
	}
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("call %s: %w", path, err)
		}
	}
	ctx := httpapi.Only(r.Context(), r.operations)
	if r.signedIn {
		ctx = httpapi.As(ctx, r.session)
	}
	call, err := http.NewRequestWithContext(ctx, method, httpapi.BasePath+path, bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", path, err)
	}
	call.RemoteAddr = r.RemoteAddr
	for _, name := range []string{"User-Agent", "X-Forwarded-For"} {
		if values := r.Header.Values(name); len(values) > 0 {
			call.Header[name] = slices.Clone(values)
		}
	}
	call.Header.Set("Accept-Language", r.Locale)
	call.Header.Set("X-Request-Id", r.w.Header().Get("X-Request-Id"))
	if body != nil {
		call.Header.Set("Content-Type", "application/json")
	}
	if key := r.Form.Get("key"); key != "" && method == http.MethodPost {
		call.Header.Set("Idempotency-Key", key)
	}
	a := &answer{header: http.Header{}, status: http.StatusOK}
	r.site.api.ServeHTTP(a, call)
	if a.status >= http.StatusBadRequest {
		p := &Problem{Status: a.status}
		if err := jsonv2.Unmarshal(a.body.Bytes(), p, jsonv2.MatchCaseInsensitiveNames(true)); err != nil {
			return nil, fmt.Errorf("call %s: %d: %w", path, a.status, err)
		}
		p.RetryAfter, _ = strconv.Atoi(a.header.Get("Retry-After"))
		return nil, p
	}
	return a, nil
}

// Curl returns the command that makes a call, for a developer to copy. It is empty outside of
// development.
func (r *Request) Curl(method, path string, body any) string {
	if r.site.options.PublicURL != "" {
		return ""
	}
	parts := []string{"curl -X " + method + " http://" + r.Host + httpapi.BasePath + path}
	if r.signedIn {
		parts = append(parts, `-H "Authorization: Bearer $TOKEN"`)
	}
	if body != nil {
		payload, err := json.MarshalIndent(body, "", "  ")
		if err != nil {
			return ""
		}
		parts = append(parts, "-H 'Content-Type: application/json'", "-d '"+strings.ReplaceAll(string(payload), "'", `'\''`)+"'")
	}
	return strings.Join(parts, " \\\n  ")
}
