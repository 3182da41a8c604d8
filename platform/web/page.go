package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Area is a part of the site with a navigation of its own.
type Area struct {
	Name  string // shown above the navigation; may be empty
	Items []Item
}

// Item leads to a section of an area. The text nav_SECTION is its name.
type Item struct{ Section, Path string }

// Page is what a template shows.
type Page struct {
	Title    string // a key of the texts, without Heading
	Heading  string // a text, instead of a Title
	Done     string // a key of what has just been done
	DoneArgs []any
	Undo     string // the path of a form that undoes it
	UndoOf   string // what it undoes: nothing else
	Problem  *Problem
	Data     any

	Area    *Area  // nil for a page that stands alone
	Section string // of the area

	R           *Request
	Me          *Me
	Memberships []Membership
}

// menuSize is how many organizations the menu lists. The account has the others.
const menuSize = 15

// Menu returns the organizations for the menu.
func (p Page) Menu() []Membership { return p.Memberships[:min(menuSize, len(p.Memberships))] }

// Site returns what the layout shows of the whole site.
func (p Page) Site() *Site { return p.R.site }

// Brand returns the name, logo and colours of the page.
func (p Page) Brand() Brand { return p.R.brand }

// Themes returns the looks to choose from.
func (Page) Themes() []string { return themes }

// Show writes a page.
func (r *Request) Show(name string, p Page) (err error) {
	status := r.status
	if p.Problem != nil {
		status = p.Problem.Status
	}
	if p.Area != nil {
		if p.Me, err = r.Me(); err != nil {
			return err
		}
		if p.Memberships, err = r.Memberships(); err != nil {
			return err
		}
	}
	if p.R = r; p.Heading == "" {
		p.Heading = r.Text(p.Title)
	}
	if p.Done != "" {
		p.Done = r.Text(p.Done, p.DoneArgs...)
	}
	return r.write(status, name, p)
}

// isShown reports whether a form shows the error, which becomes the problem.
func isShown(err error, problem **Problem) bool {
	return errors.As(err, problem) && (*problem).Status < http.StatusInternalServerError && !(*problem).ended()
}

// ShowProblem writes a form again, with what was wrong with it. It returns any other error.
func (r *Request) ShowProblem(err error, name string, p Page) error {
	if !isShown(err, &p.Problem) {
		return err
	}
	return r.Show(name, p)
}

// write writes a page, whole or not at all.
func (r *Request) write(status int, name string, p Page) error {
	page, err := r.words.templates[r.Locale][name]()
	if err != nil {
		return fmt.Errorf("parse the page %s: %w", name, err)
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "layout.html", p); err != nil {
		return fmt.Errorf("write the page %s: %w", name, err)
	}
	h := r.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", r.Locale)
	if p.Problem != nil && p.Problem.RetryAfter > 0 {
		h.Set("Retry-After", fmt.Sprint(p.Problem.RetryAfter))
	}
	h.Add("Vary", "Accept-Encoding")
	if !acceptsGzip(r.Request) {
		r.w.WriteHeader(status)
		_, _ = r.w.Write(b.Bytes())
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	r.w.WriteHeader(status)
	z := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(r.w)
	_, _ = z.Write(b.Bytes())
	_ = z.Close()
	return nil
}

// zippers are kept, because each takes 800 kB. A page has no secret that its size could
// betray: what a form asks for is in the answer to a POST, which no other site can send.
var zippers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return z
}}

func acceptsGzip(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
}
