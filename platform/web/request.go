package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"guildhall/platform/httpapi"
	"guildhall/platform/request"
	"guildhall/platform/token"
)

// maxForm is the size of a form in bytes.
const maxForm = 64 << 10

// ErrSignIn is returned by a page for people who are logged in: it leads to the log-in, and
// back.
var ErrSignIn = errors.New("nobody is logged in")

// Request is a request for a page.
type Request struct {
	*http.Request
	Locale string
	Form   url.Values // of a POST

	site     *Site
	words    *words
	w        http.ResponseWriter
	session  token.Access
	signedIn bool
}

// identify reads the cookie, and the language that the browser prefers.
func (r *Request) identify() {
	if r.Locale = request.From(r.Context()).Locale; r.Locale == "" {
		r.Locale = Locales[0]
	}
	if c, err := r.Cookie(r.site.cookieName()); err == nil {
		if session, err := r.site.options.Tokens.ParseBrowser(c.Value); err == nil {
			r.session, r.signedIn = session, true
			r.prolong()
		}
	}
}

func (r *Request) readForm() error {
	if r.Method != http.MethodPost {
		return nil
	}
	r.Body = http.MaxBytesReader(r.w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return &Problem{Status: http.StatusBadRequest, Detail: r.text("unreadable")}
	}
	r.Form = r.PostForm
	return nil
}

// text returns a text of the request's language.
func (r *Request) text(key string) string {
	text, err := r.words.texts[r.Locale].of(key)
	if err != nil {
		r.site.options.Log.ErrorContext(r.Context(), "a page lacks a text", "cause", err)
		return key
	}
	return text
}

// SignedIn reports whether the browser has a session. Only a call says whether it is live.
func (r *Request) SignedIn() bool { return r.signedIn }

// Show writes a page.
func (r *Request) Show(name string, p Page) error {
	status := http.StatusOK
	if p.Problem != nil {
		status = p.Problem.Status
	}
	p.R, p.Title = r, r.text(p.Title)
	if p.Done != "" {
		p.Done = r.text(p.Done)
	}
	return r.write(status, name, p)
}

// ShowProblem writes a form again, with what was wrong with it. It returns any other error.
func (r *Request) ShowProblem(err error, name string, p Page) error {
	if !errors.As(err, &p.Problem) || p.Problem.Status >= http.StatusInternalServerError || p.Problem.Code == endedSession {
		return err
	}
	return r.Show(name, p)
}

// Redirect answers a form that did something: the browser gets another page.
func (r *Request) Redirect(to string) error {
	http.Redirect(r.w, r.Request, r.site.base+to, http.StatusSeeOther)
	return nil
}

// Next returns the page to go on to after the log-in: one of ours, on this host, or the
// start.
func (r *Request) Next(wanted string) string {
	const start = "/account"
	u, err := url.Parse(wanted)
	if err != nil {
		return start
	}
	clean := path.Clean(u.Path)
	if clean != start && !strings.HasPrefix(clean, start+"/") { // mutant: open-redirect
		return start
	}
	return (&url.URL{Path: clean, RawQuery: u.RawQuery}).String()
}

// fail shows what went wrong.
func (r *Request) fail(err error) {
	var p *Problem
	switch {
	case errors.Is(err, ErrSignIn), errors.As(err, &p) && p.Code == endedSession:
		r.End()
		to := "/account/log-in"
		if r.Method == http.MethodGet {
			to += "?next=" + url.QueryEscape(r.URL.RequestURI())
		}
		_ = r.Redirect(to)
		return
	case !errors.As(err, &p):
		id := r.w.Header().Get("X-Request-Id")
		r.site.options.Log.ErrorContext(r.Context(), "a page failed", "cause", err, "request_id", id)
		p = &Problem{Status: http.StatusInternalServerError, Detail: r.text("failed"), RequestID: id}
	}
	if err := r.Show("message", Page{Title: "not_done", Problem: p}); err != nil {
		r.site.options.Log.ErrorContext(r.Context(), "a page failed", "cause", err)
		http.Error(r.w, "Something went wrong.", http.StatusInternalServerError)
	}
}

// endedSession is the code of a refusal because the session has ended.
const endedSession = "invalid_token"

// Problem is a refusal by the API (RFC 9457), in the language of the page.
type Problem struct {
	Status     int
	Detail     string
	Code       string
	RequestID  string `json:"request_id"`
	RetryAfter int    `json:"-"` // seconds
	Errors     []struct{ Location, Message string }
}

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
func (p *Problem) IsGeneral() bool { return len(p.Errors) == 0 }

// answer is what the API answers.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// Call calls the API on behalf of whoever looks at the page, from their address and with the
// page's request id. A refusal is a *Problem.
func (r *Request) Call(method, path string, body, into any) error {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return fmt.Errorf("call %s: %w", path, err)
		}
	}
	ctx := r.Context()
	if r.signedIn {
		ctx = httpapi.As(ctx, r.session)
	}
	call, err := http.NewRequestWithContext(ctx, method, httpapi.BasePath+path, bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
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
	a := &answer{header: http.Header{}, status: http.StatusOK}
	r.site.api.ServeHTTP(a, call)
	if a.status >= http.StatusBadRequest {
		p := &Problem{Status: a.status}
		if err := json.Unmarshal(a.body.Bytes(), p); err != nil {
			return fmt.Errorf("call %s: %d: %w", path, a.status, err)
		}
		p.RetryAfter, _ = strconv.Atoi(a.header.Get("Retry-After"))
		return p
	}
	if into == nil || a.body.Len() == 0 {
		return nil
	}
	if err := json.Unmarshal(a.body.Bytes(), into); err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	return nil
}

const (
	idle    = 8 * time.Hour    // after which the cookie expires
	renewal = 10 * time.Minute // after which a request gets a new one
)

func (s *Site) cookieName() string {
	if s.secure {
		return "__Host-guildhall" // only this host can set it, for all paths
	}
	return "guildhall"
}

// Begin makes the session of the tokens the browser's. The tokens themselves are dropped: no
// script and no page gets them.
func (r *Request) Begin(t token.Token) error {
	session, err := r.site.options.Tokens.ParseAccess(t.AccessToken)
	if err != nil {
		return err
	}
	r.session, r.signedIn = session, true
	return r.setCookie()
}

// prolong renews the cookie of somebody who is using the pages.
func (r *Request) prolong() {
	if r.site.options.Now().Sub(r.session.IssuedAt) > renewal {
		if err := r.setCookie(); err != nil {
			r.site.options.Log.ErrorContext(r.Context(), "a browser session was not prolonged", "cause", err)
		}
	}
}

func (r *Request) setCookie() error {
	s := r.site
	until := s.options.Now().Add(idle)
	value, err := s.options.Tokens.IssueBrowser(r.session.UserID, r.session.SessionID, until)
	if err != nil {
		return err
	}
	http.SetCookie(r.w, s.cookie(value, int(idle.Seconds())))
	return nil
}

// AsNobody makes the further calls of this request those of somebody who is not logged in.
func (r *Request) AsNobody() { r.session, r.signedIn = token.Access{}, false }

// End removes the cookie, when the session has ended.
func (r *Request) End() {
	r.AsNobody()
	http.SetCookie(r.w, r.site.cookie("", -1))
}

// cookie is Lax, because a Strict one would be missing on the way from a mail.
func (s *Site) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: s.cookieName(), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode} //nolint:gosec // Secure wherever PUBLIC_URL is https
}
