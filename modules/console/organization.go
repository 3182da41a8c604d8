package console

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"guildhall/platform/web"
)

// place is the organization that a page is about, and what the person may offer there. The
// gate decides again when they do it.
type place struct {
	ID, Name string
	Role     string
	Archived bool      `json:"is_archived"`
	Blocked  bool      `json:"is_suspended"`
	Created  time.Time `json:"created_at"`

	me       *web.Me
	Admin    bool // may do what admins do
	Owner    bool // may do what the owner does
	Platform bool // by being a platform administrator
}

// organization returns the place of the page.
func organization(r *web.Request) (*place, error) {
	me, err := r.Me()
	if err != nil {
		return nil, err
	}
	memberships, err := r.Memberships()
	if err != nil {
		return nil, err
	}
	p := &place{}
	i := slices.IndexFunc(memberships, func(m web.Membership) bool { return m.ID == r.PathValue("organization") && m.Standing == "good" })
	if i >= 0 {
		p.ID, p.Name, p.Role = memberships[i].ID, memberships[i].Name, memberships[i].Role
	} else if err := r.Call(http.MethodGet, "/organizations/"+id(r, "organization"), nil, p); err != nil {
		return nil, err
	}
	p.me, p.Platform = me, me.PlatformAdmin
	p.Owner = p.Role == "owner" || me.PlatformAdmin
	p.Admin = p.Role == "admin" || p.Owner
	return p, nil
}

// id returns an id in the path of the page, for the path of a call.
func id(r *web.Request, name string) string { return url.PathEscape(r.PathValue(name)) }

// Path is that of a page of the organization.
func (p *place) Path(rest string) string { return "/console/o/" + p.ID + rest }

// api is the path of an operation in the organization.
func (p *place) api(rest string) string { return "/organizations/" + p.ID + rest }

// Standing is that of the organization.
func (p *place) Standing() string {
	switch {
	case p.Archived:
		return "archived"
	case p.Blocked:
		return "suspended"
	}
	return "good"
}

// page returns a page of the organization.
func (p *place) page(section, title string) web.Page {
	area := &web.Area{Name: p.Name}
	add := func(section, path string) {
		area.Items = append(area.Items, web.Item{Section: section, Path: p.Path(path)})
	}
	add("members", "/members")
	if p.Admin {
		add("invitations", "/invitations")
		add("accounts", "/service-accounts")
	}
	add("keys", "/keys")
	if p.Admin {
		add("audit", "/audit")
	}
	add("security", "/security")
	add("settings", "/settings")
	return web.Page{Title: title, Area: area, Section: section}
}

// rank orders roles: people act only on those below them.
func rank(role string) int { return slices.Index([]string{"member", "admin", "owner"}, role) }

// outranks reports whether the person may act on a member with the role.
func (p *place) outranks(role string) bool {
	return p.Admin && (p.Platform || rank(p.Role) > rank(role))
}

// start leads to where the person begins.
func (m *Module) start(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	memberships, err := r.Memberships()
	switch {
	case err != nil:
		return err
	case me.PlatformAdmin && len(memberships) != 1:
		return r.Redirect("/console/people")
	case len(memberships) > 0:
		return r.Redirect("/console/o/" + memberships[0].ID)
	}
	return r.Redirect("/console/new")
}

func (m *Module) create(r *web.Request) error {
	page := web.Page{Title: "new_organization", Area: &web.Area{}}
	form := web.Form{Intro: r.Text("create_explained"), Button: r.Text("create"), Fields: []web.Field{
		{Name: "name", Type: "text", Label: r.Text("organization_name"), Autocomplete: "organization", Autofocus: true},
	}, Curl: r.Curl(http.MethodPost, "/organizations", map[string]any{"name": "Analytical Engines"})}
	return r.Act(page, form, func() (string, error) {
		var created place
		err := r.Call(http.MethodPost, "/organizations", map[string]any{"name": r.Form.Get("name")}, &created)
		return created.Path("/members?done=created"), err
	})
}

// open leads to what the organization lets the person see.
func (m *Module) open(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	if o.Archived || o.Blocked {
		return r.Redirect(o.Path("/settings"))
	}
	return r.Redirect(o.Path("/members"))
}

// suspension is one of the past or in force.
type suspension struct {
	ID      string
	Reason  *string
	From    time.Time  `json:"suspended_at"`
	Until   *time.Time `json:"suspended_until"`
	Lifted  *time.Time `json:"lifted_at"`
	InForce bool       `json:"in_force"`
}

// inForce returns the id of the suspension in force, or nothing.
func inForce(list []suspension) string {
	for _, s := range list {
		if s.InForce {
			return s.ID
		}
	}
	return ""
}

// checkUndone refuses an Undo of something that is no longer so: someone else has acted since.
// The state is that by the suspensions, which past lists.
func checkUndone(r *web.Request, past string, state func([]suspension) string) error {
	shown := r.Form.Get("undo")
	if shown == "" { // no Undo, but the act itself
		return nil
	}
	var list []suspension
	if err := r.Call(http.MethodGet, past+"?limit=1", nil, &list); err != nil {
		return err
	}
	if state(list) != shown { // mutant: undo-of-another
		return &web.Problem{Status: http.StatusConflict, Detail: r.Text("changed_since")}
	}
	return nil
}

// settingsPage shows the organization itself, and what can be done with it.
type settingsPage struct {
	*place
	Suspensions []suspension
	List        web.List
}

func (m *Module) settings(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	data := settingsPage{place: o}
	if o.Admin {
		if data.List, err = r.List(o.api("/suspensions"), &data.Suspensions); err != nil {
			return err
		}
	}
	page := o.page("settings", "settings")
	page.Done = r.Outcome("renamed", "organization_suspended", "organization_restored", "archived", "unarchived")
	if page.Done == "done_organization_suspended" {
		page.Undo, page.UndoOf = o.Path("/settings/restore"), inForce(data.Suspensions)
	}
	page.Data = data
	return r.Show("settings", page)
}

// settle serves a form about the organization itself: it calls the operation with the body
// and leads back to the settings.
func (m *Module) settle(r *web.Request, title, done string, method, rest string, form func(*place) web.Form, body func() any) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	page, f := o.page("settings", title), form(o)
	f.Back = o.Path("/settings")
	return r.Act(page, f, func() (string, error) {
		if err := checkUndone(r, o.api("/suspensions"), inForce); err != nil {
			return "", err
		}
		return o.Path("/settings?done=" + done), r.Call(method, o.api(rest), body(), nil)
	})
}

func (m *Module) rename(r *web.Request) error {
	return m.settle(r, "rename", "renamed", http.MethodPatch, "", func(o *place) web.Form {
		return web.Form{Button: r.Text("save"), Fields: []web.Field{
			{Name: "name", Type: "text", Label: r.Text("organization_name"), Value: o.Name, Autocomplete: "organization"},
		}}
	}, func() any { return map[string]any{"name": r.Form.Get("name")} })
}

func (m *Module) suspendOrganization(r *web.Request) error {
	return m.settle(r, "suspend_organization", "organization_suspended", http.MethodPost, "/suspend", func(*place) web.Form {
		return web.Form{Intro: r.Text("suspend_organization_explained"), Button: r.Text("suspend"), Danger: true, Fields: reasonAndEnd(r, "organization_reason_hint")}
	}, func() any { return suspensionOf(r) })
}

func (m *Module) restoreOrganization(r *web.Request) error {
	return m.settle(r, "restore_organization", "organization_restored", http.MethodPost, "/activate", func(*place) web.Form {
		return web.Form{Intro: r.Text("restore_organization_explained"), Button: r.Text("lift_suspension")}
	}, none)
}

func (m *Module) archive(r *web.Request) error {
	return m.settle(r, "archive", "archived", http.MethodPost, "/archive", func(o *place) web.Form {
		return web.Form{Intro: r.Text("archive_explained"), Button: r.Text("archive"), Danger: true, Match: o.Name, Fields: []web.Field{reasonField(r, "organization_reason_hint")}}
	}, func() any { return map[string]any{"reason": r.Form.Get("reason")} })
}

func (m *Module) unarchive(r *web.Request) error {
	return m.settle(r, "unarchive", "unarchived", http.MethodPost, "/unarchive", func(*place) web.Form {
		return web.Form{Intro: r.Text("unarchive_explained"), Button: r.Text("unarchive")}
	}, func() any { return map[string]any{} })
}

func (m *Module) leave(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("leave_explained"), Button: r.Text("leave"), Danger: true, Match: o.Name, Back: o.Path("/settings")}
	return r.Act(o.page("settings", "leave"), form, func() (string, error) {
		return "/console", r.Call(http.MethodDelete, o.api("/members/"+o.me.ID), nil, nil)
	})
}

func none() any { return nil }

func reasonField(r *web.Request, hint string) web.Field {
	return web.Field{Name: "reason", Type: "textarea", Label: r.Text("reason"), Hint: r.Text(hint)}
}

// spans are how long a suspension can last from now, in days. Without one it lasts until it is
// lifted.
var spans = []struct {
	value string
	days  int
}{{"", 0}, {"1d", 1}, {"7d", 7}, {"30d", 30}, {"90d", 90}}

// sameEnd leaves the end of a suspension as it is.
func sameEnd(r *web.Request) web.Option {
	return web.Option{Value: "same", Label: r.Text("span_same")}
}

func suspensionFields(r *web.Request) []web.Field { return reasonAndEnd(r, "reason_hint") }

func amendmentFields(r *web.Request) []web.Field { return reasonAndEnd(r, "reason_hint", sameEnd(r)) }

// reasonAndEnd are the fields of a suspension. The hint says who reads the reason.
func reasonAndEnd(r *web.Request, hint string, options ...web.Option) []web.Field {
	duration := web.Field{Name: "for", Type: "select", Label: r.Text("how_long"), Location: "suspended_until", Options: options}
	for _, s := range spans {
		duration.Options = append(duration.Options, web.Option{Value: s.value, Label: r.Text("span_" + s.value)})
	}
	return []web.Field{reasonField(r, hint), duration}
}

func suspensionOf(r *web.Request) map[string]any {
	body := map[string]any{"reason": r.Form.Get("reason")}
	for _, s := range spans {
		if s.days > 0 && s.value == r.Form.Get("for") {
			body["suspended_until"] = r.Now().AddDate(0, 0, s.days).Truncate(time.Second)
		}
	}
	return body
}

func amendmentOf(r *web.Request) map[string]any {
	body := suspensionOf(r)
	if r.Form.Get("for") == "" {
		body["suspended_until"] = nil
	}
	return body
}
