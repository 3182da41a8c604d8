package console

import (
	"strings"

	"guildhall/platform/web"
)

// act is something done to a person: to a member by one of higher role, or to an account by a
// platform administrator.
type act struct {
	name      string
	operation string
	method    string
	path      func(user string) string // of the call
	body      func(r *web.Request, user string) map[string]any
	offered   func(o *place, p *person) bool // an account has no place
	fields    func(r *web.Request) []web.Field
	typed     bool   // what confirms it is typed
	danger    bool   // the button says so
	gone      bool   // the person has no page afterwards
	undo      string // the act that undoes it
}

// Name is the last part of the act's path, and of the keys of its texts.
func (a act) Name() string { return a.name }

// Danger reports whether the act is hard to undo.
func (a act) Danger() bool { return a.typed }

// offer sets the acts that the person who looks may do to p.
func (p *person) offer(acts []act, o *place, me *web.Me) {
	if p.ID == me.ID {
		return
	}
	for _, a := range acts {
		if a.offered(o, p) {
			p.Acts = append(p.Acts, a)
		}
	}
}

// state is what an act has made of a person, and its Undo undoes.
func (p *person) state(past []suspension) string {
	return strings.Join([]string{p.Role, p.Standing, inForce(past)}, " ")
}

// subject says where a person stands whom an act is about.
type subject struct {
	home      string // the path of the person's page
	list      string // the path of the page that lists them
	api       string // the path that those of the calls continue
	past      string // the path of the call that lists the suspensions
	explained string // what the keys of the texts begin with that explain an act
}

// serve serves the form of the act.
func (a act) serve(r *web.Request, page web.Page, p *person, s subject) error {
	page.Heading = r.Text("ask_"+a.name, p.Name)
	form := web.Form{Intro: r.Text(s.explained + a.name), Button: r.Text("act_" + a.name), Danger: a.danger || a.typed, Back: s.home}
	if a.typed {
		form.Match = p.confirms()
	}
	if a.fields != nil {
		form.Fields = a.fields(r)
	}
	return r.Act(page, form, func() (string, error) {
		if err := checkUndone(r, s.past, p.state); err != nil {
			return "", err
		}
		var body any
		if a.body != nil {
			body = a.body(r, p.ID)
		}
		to := s.home
		if a.gone {
			to = s.list
		}
		return to + "?done=" + a.name, r.Call(a.method, s.api+a.path(p.ID), body, nil)
	})
}

// tell says on a person's page, at home, what was just done to them, and offers to undo it.
func tell(r *web.Request, page *web.Page, acts []act, home string, p *person, past []suspension) {
	for _, a := range acts {
		if done := r.Outcome(a.name); done != "" {
			page.Done, page.DoneArgs = done, []any{p.Name}
			if a.undo != "" {
				page.Undo, page.UndoOf = home+"/"+a.undo, p.state(past)
			}
		}
	}
}
