package web

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

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

	site        *Site
	words       *words
	brand       Brand
	operations  []string // that the page may call
	w           http.ResponseWriter
	status      int // of the page
	session     token.Access
	former      token.Access // before AsNobody
	signedIn    bool
	returned    bool // from another service, to which this browser was sent
	me          *Me
	memberships []Membership
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
		return &Problem{Status: http.StatusBadRequest, Detail: r.Text("unreadable")}
	}
	r.Form = r.PostForm
	// Without a script, the token of a link has to be pasted with its link.
	if pasted := r.Form.Get("pasted"); pasted != "" && r.Form.Get("link_token") == "" {
		if _, secret, found := strings.Cut(pasted, "link_token="); found {
			pasted = secret
		}
		r.Form.Set("link_token", strings.TrimSpace(pasted))
	}
	return nil
}

// Text returns a text of the request's language.
func (r *Request) Text(key string, args ...any) string {
	text, err := r.words.texts[r.Locale].of(key, args...)
	if err != nil {
		r.site.options.Log.ErrorContext(r.Context(), "a page lacks a text", "cause", err)
		return key
	}
	return text
}

// Now is the clock of the service.
func (r *Request) Now() time.Time { return r.site.options.Now() }

// SignedIn reports whether the browser has a session. Only a call says whether it is live.
func (r *Request) SignedIn() bool { return r.signedIn }

// Me is the person who is logged in.
type Me struct {
	ID, Name, Email string
	Bio             *string
	Avatar          *string `json:"avatar_url"`
	Locale          *string
	Verified        bool `json:"email_verified"`
	PlatformAdmin   bool `json:"is_platform_administrator"`
}

// Membership is an organization of the person.
type Membership struct{ ID, Name, Role, Standing string }

// AsksForProof reports whether the organization asks the person for a second factor that this
// session has not proved.
func (m Membership) AsksForProof() bool {
	return m.Standing == stepUpRequired || m.Standing == factorRequired
}

// ownOperations are called for every page: by the layout, and by endFormer.
var ownOperations = []string{"getMe", "listMyOrganizations", "logOut"}

// Me returns the person who is logged in. It refuses a session that has ended.
func (r *Request) Me() (*Me, error) {
	if !r.signedIn {
		return nil, ErrSignIn
	}
	if r.me == nil {
		var me Me
		if err := r.Call(http.MethodGet, "/auth/me", nil, &me); err != nil {
			return nil, err
		}
		if r.me = &me; me.Locale != nil && slices.Contains(Locales, *me.Locale) {
			r.Locale = *me.Locale
		}
	}
	return r.me, nil
}

// Memberships returns the organizations of the person.
func (r *Request) Memberships() ([]Membership, error) {
	if r.memberships == nil && r.signedIn {
		var answer struct{ Organizations []Membership }
		if err := r.Call(http.MethodGet, "/auth/me/organizations", nil, &answer); err != nil {
			return nil, err
		}
		r.memberships = answer.Organizations
	}
	return r.memberships, nil
}

// Outcome returns the key of the text about what has just been done, if the address names
// one of these words, and a page of ours led there. A link from elsewhere could say that
// something was done, and have it undone.
func (r *Request) Outcome(known ...string) string {
	if !r.fromHere() { // mutant: foreign-outcome
		return ""
	}
	if word := r.URL.Query().Get("done"); slices.Contains(known, word) {
		return "done_" + word
	}
	return ""
}

// Address returns the address of a page of ours, for a link.
func (r *Request) Address(path string) string { return r.site.Address(path) }

// Start is the path where people begin.
func (r *Request) Start() string { return r.site.Start() }

// HasAccount reports whether the pages of accounts are on.
func (r *Request) HasAccount() bool { return r.site.HasAccount() }

// HasConsole reports whether the console is on.
func (r *Request) HasConsole() bool { return r.site.HasConsole() }

// Redirect answers a form that did something: the browser gets another page.
func (r *Request) Redirect(to string) error {
	http.Redirect(r.w, r.Request, r.site.base+to, http.StatusSeeOther)
	return nil
}

// Next returns the page to go on to after the log-in: one of ours, on this host, or the
// start. It names no outcome, because nothing was done.
func (r *Request) Next(wanted string) string {
	u, err := url.Parse(wanted)
	if err != nil {
		return r.site.Start()
	}
	clean := path.Clean(u.Path)
	within := func(area string) bool { return clean == area || strings.HasPrefix(clean, area+"/") }
	if !slices.ContainsFunc(r.site.areas(), within) { // mutant: open-redirect
		return r.site.Start()
	}
	query := u.Query()
	query.Del("done")
	return (&url.URL{Path: clean, RawQuery: query.Encode()}).String()
}

// fail shows what went wrong.
func (r *Request) fail(err error) {
	if asked := proofAsked(err); asked != nil && r.signedIn {
		if err = r.askForProof(asked); err == nil {
			return
		}
	}
	var p *Problem
	switch {
	case errors.Is(err, ErrSignIn), errors.As(err, &p) && p.ended():
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
		p = &Problem{Status: http.StatusInternalServerError, Detail: r.Text("failed"), RequestID: id}
	}
	if err := r.Show("message", Page{Title: "not_done", Problem: p}); err != nil {
		r.site.options.Log.ErrorContext(r.Context(), "a page failed", "cause", err)
		http.Error(r.w, "Something went wrong.", http.StatusInternalServerError)
	}
}

// notFound is the page at an address that has none.
func notFound(r *Request) error {
	// A form that was shown in the answer to another has no page of its own: after a reload, the
	// person begins with the one above it.
	if r.Method == http.MethodGet && r.site.answers(http.MethodPost, r.URL.Path) {
		above := path.Dir(r.URL.Path)
		for above != "/" && !r.site.answers(http.MethodGet, above) {
			above = path.Dir(above)
		}
		return r.Redirect(above)
	}
	return &Problem{Status: http.StatusNotFound, Detail: r.Text("no_page")}
}
