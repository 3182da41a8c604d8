package console

import (
	"html/template"
	"net/http"
	"time"

	"guildhall/platform/web"
)

// person is a member of an organization.
type person struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Email    string    `json:"email"`
	Role     string    `json:"role"`
	Standing string    `json:"standing"`
	Kind     string    `json:"kind"`
	Joined   time.Time `json:"joined_at"`

	Erased *time.Time `json:"-"` // the account, or when it will be
	Gone   bool       `json:"-"` // it was

	Acts []act // that may be offered
}

// Service reports whether the member is a program.
func (p *person) Service() bool { return p.Kind == service }

// confirms is what is typed to confirm an act on the person. Nobody knows the address of a
// service account.
func (p *person) confirms() string {
	if p.Service() {
		return p.Name
	}
	return p.Email
}

func ofMember(rest string) func(string) string {
	return func(user string) string { return "/members/" + user + rest }
}

// memberActs are offered in this order.
var memberActs = []act{
	{
		name: "grant", operation: "grantAdmin", method: http.MethodPost, undo: "revoke",
		path:    func(string) string { return "/admins" },
		body:    func(_ *web.Request, user string) map[string]any { return map[string]any{"user_id": user} },
		offered: func(o *place, p *person) bool { return o.Owner && p.Role == "member" },
	},
	{
		name: "revoke", operation: "revokeAdmin", method: http.MethodDelete, undo: "grant",
		path:    func(user string) string { return "/admins/" + user },
		offered: func(o *place, p *person) bool { return o.Owner && p.Role == "admin" },
	},
	{
		name: "suspend", operation: "suspendMember", method: http.MethodPost, undo: "restore", danger: true,
		path: ofMember("/suspend"), fields: suspensionFields,
		body:    func(r *web.Request, _ string) map[string]any { return suspensionOf(r) },
		offered: func(o *place, p *person) bool { return p.Standing != "suspended" && o.outranks(p.Role) },
	},
	{
		name: "amend", operation: "updateMemberSuspension", method: http.MethodPatch,
		path: ofMember("/suspension"), fields: amendmentFields,
		body:    func(r *web.Request, _ string) map[string]any { return amendmentOf(r) },
		offered: func(o *place, p *person) bool { return p.Standing == "suspended" && o.outranks(p.Role) },
	},
	{
		name: "deactivate", operation: "deactivateMember", method: http.MethodPost, undo: "restore",
		path:    ofMember("/deactivate"),
		offered: func(o *place, p *person) bool { return p.Standing == "good" && o.outranks(p.Role) },
	},
	{
		name: "restore", operation: "activateMember", method: http.MethodPost,
		path:    ofMember("/activate"),
		offered: func(o *place, p *person) bool { return p.Standing != "good" && o.outranks(p.Role) },
	},
	{
		name: "transfer", operation: "transferOwnership", method: http.MethodPost, typed: true,
		path: func(string) string { return "/transfer-ownership" },
		body: func(_ *web.Request, user string) map[string]any { return map[string]any{"new_owner_user_id": user} },
		offered: func(o *place, p *person) bool {
			return o.Owner && p.Role != "owner" && p.Standing == "good" && !p.Service()
		},
	},
	{
		name: "remove", operation: "removeMember", method: http.MethodDelete, typed: true, gone: true,
		path:    ofMember(""),
		offered: func(o *place, p *person) bool { return o.outranks(p.Role) && p.Role != "owner" },
	},
}

// memberList is the page of an organization's members.
type memberList struct {
	*place
	List  web.List
	Rows  template.HTML
	Shown int
	Mail  bool

	Roles, Standings, Sorts template.HTML // to choose from
}

// roles, from the highest.
var roles = []string{"owner", "admin", "member"}

// rowsOf returns the rows of the list.
func rowsOf(r *web.Request, o *place, people []person) template.HTML {
	var rows web.Markup
	at, format := r.Address(o.Path("/member/")), r.Text("day_format")
	texts := map[string]string{}
	for _, role := range roles {
		texts[role] = r.Text("role_" + role)
	}
	for _, p := range people {
		joined := p.Joined.UTC()
		rows.HTML(`<tr><th scope="row"><span class="who"><span class="avatar" aria-hidden="true">`, web.Initials(p.Name))
		rows.HTML(`</span><a href="`, at+p.ID)
		rows.HTML(`">`, p.Name)
		address := p.Email
		if p.Service() {
			address = r.Text("service_account")
		}
		rows.HTML(`</a></span></th><td class="soft">`, address)
		rows.HTML(`</td><td><span class="tag `, p.Role)
		rows.HTML(`">`, texts[p.Role])
		if p.Standing != "good" {
			rows.HTML(`</span> <span class="tag bad">`, r.Text("standing_"+p.Standing))
		}
		rows.HTML(`</span></td><td class="soft"><time datetime="`, joined.Format(time.RFC3339))
		rows.HTML(`" data-day>`, joined.Format(format))
		rows.HTML(`</time></td></tr>`, "\n")
	}
	return rows.Done()
}

func (m *Module) members(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	data := memberList{place: o, Mail: m.options.Mail}
	var people []person
	if data.List, err = r.List(o.api("/members"), &people, "q", "role", "standing", "sort"); err != nil {
		return err
	}
	data.Rows, data.Shown = rowsOf(r, o, people), len(people)
	asked := data.List.Query
	data.Roles = r.Choices(asked.Get("role"), "every_role", "role_", roles...)
	data.Standings = r.Choices(asked.Get("standing"), "every_standing", "standing_", "good", "suspended", "inactive")
	data.Sorts = r.Choices(asked.Get("sort"), "", "sort_", "joined_at", "-joined_at", "name", "-name")
	page := o.page("members", "members")
	page.Done, page.Data = r.Outcome("created", "added", "joined", "remove"), data
	return r.Show("members", page)
}

// memberPage is the page of one member.
type memberPage struct {
	*place
	Person      *person
	Suspensions []suspension
	List        web.List
	Self        bool
	Key         bool // one can be made for it
}

func (m *Module) member(r *web.Request) error {
	o, p, err := memberOf(r)
	if err != nil {
		return err
	}
	data := memberPage{place: o, Person: p, Self: p.ID == o.me.ID, Key: p.Service() && o.outranks(p.Role)}
	if o.Admin || data.Self {
		if data.List, err = r.List(o.api("/members/"+p.ID+"/suspensions"), &data.Suspensions); err != nil {
			return err
		}
	}
	page := o.page("members", "")
	page.Heading = p.Name
	page.Data = data
	tell(r, &page, memberActs, o.Path("/member/"+p.ID), p, data.Suspensions)
	return r.Show("member", page)
}

// memberOf returns the organization and the member that a page is about.
func memberOf(r *web.Request) (*place, *person, error) {
	o, err := organization(r)
	if err != nil {
		return nil, nil, err
	}
	var p person
	if err := r.Call(http.MethodGet, o.api("/members/"+id(r, "user")), nil, &p); err != nil {
		return nil, nil, err
	}
	p.offer(memberActs, o, o.me)
	return o, &p, nil
}

// act serves the form of an act on a member.
func (m *Module) act(a act) func(*web.Request) error {
	return func(r *web.Request) error {
		o, p, err := memberOf(r)
		if err != nil {
			return err
		}
		return a.serve(r, o.page("members", ""), p, subject{home: o.Path("/member/" + p.ID), list: o.Path("/members"), api: o.api(""), past: o.api("/members/" + p.ID + "/suspensions"), explained: "explain_"})
	}
}

// add adds a person who has an account already.
func (m *Module) add(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("add_explained"), Button: r.Text("add"), Back: o.Path("/members"), Fields: []web.Field{
		{Name: "email", Type: "email", Label: r.Text("email"), Autocomplete: "off", Autofocus: true},
	}}
	return r.Act(o.page("members", "add"), form, func() (string, error) {
		return o.Path("/members?done=added"), r.Call(http.MethodPost, o.api("/members"), map[string]any{"email": r.Form.Get("email")}, nil)
	})
}
