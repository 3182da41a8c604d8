package account

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"guildhall/platform/web"
)

// invitation is an open one for the person's address.
type invitation struct {
	ID, Role     string
	Organization string    `json:"organization_name"`
	Inviter      string    `json:"invited_by_name"`
	Expires      time.Time `json:"expires_at"`
}

// invitations returns those for the person. Without a proof of the address there are none.
func invitations(r *web.Request) (list []invitation, err error) {
	me, err := r.Me()
	if err != nil || !me.Verified {
		return nil, err
	}
	return list, r.Call(http.MethodGet, "/auth/me/invitations", nil, &list)
}

// invited returns the invitation of the page.
func invited(r *web.Request) (invitation, error) {
	list, err := invitations(r)
	if err != nil {
		return invitation{}, err
	}
	for _, i := range list {
		if i.ID == r.PathValue("invitation") {
			return i, nil
		}
	}
	return invitation{}, &web.Problem{Status: http.StatusNotFound, Detail: r.Text("no_invitation")}
}

// acceptMine joins the organization of an invitation that is listed.
func (m *Module) acceptMine(r *web.Request) error {
	return m.respond(r, "accept", "joined", func(path string) error { return enter(r, path+"/accept", map[string]any{}) })
}

func (m *Module) declineMine(r *web.Request) error {
	return m.respond(r, "decline", "declined", func(path string) error { return r.Call(http.MethodPost, path+"/decline", map[string]any{}, nil) })
}

func (m *Module) respond(r *web.Request, button, done string, call func(path string) error) error {
	i, err := invited(r)
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("invited", i.Inviter, i.Organization, r.Text("role_"+i.Role)), Button: r.Text(button), Danger: button == "decline", Back: "/account"}
	return r.Act(m.page("organizations", "invitation"), form, func() (string, error) {
		return "/account?done=" + done, call("/auth/me/invitations/" + i.ID)
	})
}

// organization is one of the person's.
type organization struct {
	ID, Name, Role string
	Standing       string
	Joined         time.Time `json:"joined_at"`
	Archived       bool      `json:"is_archived"`
}

// Leavable reports whether the person may leave it, also if it asks for a second factor.
func (o organization) Leavable() bool {
	return o.Role != "owner" && (o.Standing == "good" || web.Membership{Standing: o.Standing}.AsksForProof())
}

type organizationList struct {
	List          web.List
	Organizations []organization
	Invitations   []invitation
}

// organizations lists those of the person, also archived ones that they own.
func (m *Module) organizations(r *web.Request) (err error) {
	var data organizationList
	if data.List, err = r.List("/organizations?include_archived=true", &data.Organizations); err != nil {
		return err
	}
	memberships, err := r.Memberships()
	if err != nil {
		return err
	}
	for i := range data.Organizations {
		o := &data.Organizations[i]
		o.Standing = "archived"
		if k := slices.IndexFunc(memberships, func(m web.Membership) bool { return m.ID == o.ID }); k >= 0 {
			o.Standing = memberships[k].Standing
		}
	}
	if data.Invitations, err = invitations(r); err != nil {
		return err
	}
	page := m.page("organizations", "nav_organizations")
	page.Done, page.Data = r.Outcome("created", "left"), data
	return r.Show("organizations", page)
}

func (m *Module) create(r *web.Request) error {
	form := web.Form{Intro: r.Text("create_explained"), Button: r.Text("create"), Back: "/account/organizations", Fields: []web.Field{
		{Name: "name", Type: "text", Label: r.Text("organization_name"), Autocomplete: "organization", Autofocus: true},
	}}
	return r.Act(m.page("organizations", "new_organization"), form, func() (string, error) {
		return "/account/organizations?done=created", r.Call(http.MethodPost, "/organizations", map[string]any{"name": r.Form.Get("name")}, nil)
	})
}

func (m *Module) leave(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	memberships, err := r.Memberships()
	if err != nil {
		return err
	}
	var o organization
	path := "/organizations/" + url.PathEscape(r.PathValue("organization"))
	if i := slices.IndexFunc(memberships, func(m web.Membership) bool { return m.ID == r.PathValue("organization") }); i >= 0 {
		o.Name = memberships[i].Name
	} else if err := r.Call(http.MethodGet, path, nil, &o); err != nil {
		return err
	}
	page := m.page("organizations", "")
	page.Heading = r.Text("ask_leave", o.Name)
	form := web.Form{Intro: r.Text("leave_explained"), Button: r.Text("leave"), Danger: true, Match: o.Name, Back: "/account/organizations"}
	return r.Act(page, form, func() (string, error) {
		return "/account/organizations?done=left", r.Call(http.MethodDelete, path+"/members/"+me.ID, nil, nil)
	})
}
