package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/token"
)

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
	if r.former.SessionID != session.SessionID { // mutant: former-session
		r.endFormer()
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

// AsNobody makes the further calls of this request those of somebody who is not logged in. If
// another session begins, the browser's former one ends.
func (r *Request) AsNobody() {
	if r.signedIn {
		r.former = r.session
	}
	r.session, r.signedIn, r.me, r.memberships = token.Access{}, false, nil, nil
}

// endFormer ends the session that a log-in replaces: nobody has its cookie any more.
func (r *Request) endFormer() {
	if r.former.SessionID == uuid.Nil {
		return
	}
	r.session, r.signedIn = r.former, true
	var ended *Problem
	if err := r.Call(http.MethodPost, "/auth/logout", map[string]any{}, nil); err != nil && !errors.As(err, &ended) {
		r.site.options.Log.ErrorContext(r.Context(), "a browser's former session was not ended", "cause", err)
	}
}

// End removes the cookie, when the session has ended.
func (r *Request) End() {
	r.AsNobody()
	http.SetCookie(r.w, r.site.cookie("", -1))
}

// SessionID returns the id of the browser's session.
func (r *Request) SessionID() string { return r.session.SessionID.String() }

// cookie is Lax, because a Strict one would be missing on the way from a mail.
func (s *Site) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: s.cookieName(), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode} //nolint:gosec // Secure wherever PUBLIC_URL is https
}

// themes are the looks that a person can choose. Without a choice the system's holds.
var themes = []string{"auto", "light", "dark"}

// SetTheme keeps the look in a cookie, so that no page flashes.
func (r *Request) SetTheme(theme string) {
	maxAge := int((365 * 24 * time.Hour).Seconds())
	if theme != "light" && theme != "dark" {
		theme, maxAge = "", -1
	}
	http.SetCookie(r.w, &http.Cookie{Name: "theme", Value: theme, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: r.site.secure, SameSite: http.SameSiteLaxMode}) //nolint:gosec // as above
}

// Theme returns the look: light, dark, or auto.
func (r *Request) Theme() string {
	if c, err := r.Cookie("theme"); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return "auto"
}
