package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// This file sends a browser to another service with which its person logs in, and takes it back.

// Departure is what the browser keeps while its person is at the other service.
type Departure struct {
	Token string // of the challenge: nobody else has it
	Next  string // the page to go on to
	Links bool   // the person is logged in, and links their account there

	Invitation string // the token of the one that they accept, if they came from it
}

// away is how long the person may be there.
const away = 10 * time.Minute

func (s *Site) departureName() string { return s.cookieName() + "-provider" }

// Depart shows a page that sends the browser on. The browser keeps the departure in a cookie, which
// opens only with the state that the other service sends back.
//
// It is no redirect: browsers refuse one to another host in the answer to a form.
func (r *Request) Depart(to string, d Departure, name string, p Page) error {
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	sealed, err := r.site.options.Sealer.Seal(text, departurePlace(u.Query().Get("state")))
	if err != nil {
		return err
	}
	r.keepDeparture(sealed, int(away.Seconds()))
	r.w.Header().Set("Refresh", "0; url="+u.String())
	return r.Show(name, p)
}

// Return takes the departure that this browser keeps, if it belongs to the state that came back.
// Then the page may complete what the person asked for there, although it is only shown.
func (r *Request) Return(state string) (d Departure, ok bool) {
	kept, err := r.Cookie(r.site.departureName())
	if err != nil || state == "" {
		return d, false
	}
	text, err := r.site.options.Sealer.Open(kept.Value, departurePlace(state))
	if err != nil || json.Unmarshal(text, &d) != nil {
		return d, false
	}
	r.keepDeparture("", -1)
	r.returned = true
	return d, true
}

func departurePlace(state string) string { return "departure " + state } // mutant: departure-state

// keepDeparture sets a cookie that is Lax, because the other service leads the browser back.
func (r *Request) keepDeparture(value string, maxAge int) {
	http.SetCookie(r.w, &http.Cookie{Name: r.site.departureName(), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: r.site.secure, SameSite: http.SameSiteLaxMode}) //nolint:gosec // Secure wherever PUBLIC_URL is https
}
