package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"guildhall/platform/audit"
)

// List is a page of a list: what was asked for, and where the neighbours are.
type List struct {
	Query      url.Values // of the page, without the cursor
	Prev, Next string     // addresses of pages; empty where there is none
	Refused    string     // why there are no rows, if the API does not take what was asked for
}

// pageSize is how many rows a page shows.
const pageSize = "50"

// List calls an operation that answers with a list. Of the query of the page it passes on
// these parameters. What the API does not take of them, such as a search for too many words,
// the list says itself, and the page stays.
func (r *Request) List(path string, into any, parameters ...string) (list List, err error) {
	list.Query = r.asked(parameters)
	return list, r.list(path, into, &list)
}

// asked returns these parameters of the query of the page.
func (r *Request) asked(parameters []string) url.Values {
	asked, query := url.Values{}, r.URL.Query()
	for _, name := range parameters {
		if v := query.Get(name); v != "" {
			asked.Set(name, v)
		}
	}
	return asked
}

func (r *Request) list(path string, into any, list *List) error {
	query := url.Values{"limit": {pageSize}}
	for name, values := range list.Query {
		query[name] = values
	}
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	header, err := r.send(http.MethodGet, path+separator+query.Encode(), nil, into)
	var p *Problem
	if errors.As(err, &p) && p.isAboutQuery() {
		list.Refused, r.status = p.Detail, p.Status
		return nil
	}
	if err != nil {
		return err
	}
	for relation, to := range relations(header.Get("Link")) {
		query := url.Values{"cursor": {to.Query().Get("cursor")}}
		for name, values := range list.Query {
			query[name] = values
		}
		address := r.URL.Path + "?" + query.Encode()
		switch relation {
		case "next":
			list.Next = address
		case "prev":
			list.Prev = address
		}
	}
	return nil
}

// Trail is a page of an audit log.
type Trail struct {
	List    List
	Events  []Event
	Address string // of the page
}

// Actions are those to choose from.
func (Trail) Actions() []audit.Action { return audit.Actions() }

// Selected are the filters that come with a link to the page, and have no field.
func (t Trail) Selected() map[string]string {
	selected := map[string]string{}
	for name := range t.List.Query {
		if !slices.Contains(trailFields, name) {
			selected[name] = t.List.Query.Get(name)
		}
	}
	return selected
}

// Day returns the day of a filter by time.
func (t Trail) Day(name string) string {
	day, _, _ := strings.Cut(t.List.Query.Get(name), "T")
	return day
}

// trailFields are the filters that have a field.
var trailFields = []string{"action", "since", "until"}

// Trail calls an operation that lists events. Of the query of the page it passes on what
// filters them: these parameters and those of the fields. A day stands for its beginning in UTC.
func (r *Request) Trail(path string, parameters ...string) (t Trail, err error) {
	t.Address, t.List.Query = r.URL.Path, r.asked(slices.Concat(trailFields, parameters))
	for _, name := range []string{"since", "until"} {
		if day, err := time.Parse(time.DateOnly, t.List.Query.Get(name)); err == nil {
			t.List.Query.Set(name, day.Format(time.RFC3339))
		}
	}
	return t, r.list(path, &t.Events, &t.List)
}

// relations returns the targets of a Link field by their relation (RFC 8288).
func relations(header string) map[string]*url.URL {
	targets := map[string]*url.URL{}
	for part := range strings.SplitSeq(header, ", ") {
		target, relation, found := strings.Cut(part, `>; rel="`)
		if !found {
			continue
		}
		if u, err := url.Parse(strings.TrimPrefix(target, "<")); err == nil {
			targets[strings.TrimSuffix(relation, `"`)] = u
		}
	}
	return targets
}

// Session is a log-in of a person.
type Session struct {
	ID, Address, Client string
	Created             time.Time `json:"created_at"`
	Used                time.Time `json:"last_used_at"`
	Current             bool      `json:"is_current"`
	Device              string    `json:"-"`
}

// SessionList is a page of a person's sessions.
type SessionList struct {
	List     List
	Sessions []Session
	Address  string // of the page; that of the form that ends one is below it
}

// Sessions calls an operation that lists sessions.
func (r *Request) Sessions(path string) (l SessionList, err error) {
	l.Address = r.URL.Path
	l.List, err = r.List(path, &l.Sessions)
	for i := range l.Sessions {
		l.Sessions[i].Device = r.device(l.Sessions[i].Client)
	}
	return l, err
}
