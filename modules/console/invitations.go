package console

import (
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"guildhall/platform/web"
)

type invitation struct {
	ID, Email, Role, Status string
	Created                 time.Time `json:"created_at"`
	Expires                 time.Time `json:"expires_at"`
	Delivered               bool
}

type invitationLink struct {
	ID, Status, URL string
	Created         time.Time `json:"created_at"`
	Expires         time.Time `json:"expires_at"`
	Uses            int
	MaxUses         *int `json:"max_uses"`
	Domains         []string
}

// invitationList is the page of an organization's invitations and invitation links.
type invitationList struct {
	*place
	Mail        bool
	Mailbox     string // where mails are, in development
	List        web.List
	Invitations []invitation
	Links       []invitationLink
	Statuses    template.HTML // to choose from
}

func (m *Module) invitations(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	data := invitationList{place: o, Mail: m.options.Mail, Mailbox: m.options.Mailbox}
	if data.List, err = r.List(o.api("/invitations"), &data.Invitations, "q", "status"); err != nil {
		return err
	}
	data.Statuses = r.Choices(data.List.Query.Get("status"), "every_status", "status_", "open", "accepted", "declined", "revoked", "expired")
	if r.URL.Query().Get("cursor") == "" { // links are few, and stand on the first page
		if err := r.Call(http.MethodGet, o.api("/invitation-links"), nil, &data.Links); err != nil {
			return err
		}
	}
	page := o.page("invitations", "invitations")
	page.Done, page.Data = r.Outcome("invited", "resent", "revoked", "link_revoked"), data
	return r.Show("invitations", page)
}

// invite invites everyone whose address is typed, or nobody.
func (m *Module) invite(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	role := web.Field{Name: "role", Type: "select", Label: r.Text("role"), Value: "member", Options: []web.Option{{Value: "member", Label: r.Text("role_member")}}}
	if o.Owner {
		role.Options = append(role.Options, web.Option{Value: "admin", Label: r.Text("role_admin")})
	}
	form := web.Form{Intro: r.Text("invite_explained"), Button: r.Text("invite"), Back: o.Path("/invitations"), Fields: []web.Field{
		{Name: "emails", Type: "textarea", Label: r.Text("emails"), Hint: r.Text("emails_hint"), Autofocus: true, Location: "invitations"}, role,
	}, Curl: r.Curl(http.MethodPost, o.api("/invitations"), map[string]any{"email": "grace@example.com", "role": "member"})}
	return r.Act(o.page("invitations", "invite"), form, func() (string, error) {
		var list []map[string]any
		for _, email := range addresses(r.Form.Get("emails")) {
			list = append(list, map[string]any{"email": email, "role": r.Form.Get("role")})
		}
		if len(list) == 0 {
			return "", &web.Problem{Status: http.StatusUnprocessableEntity, Errors: []web.FieldError{{Location: "body.invitations", Message: r.Text("no_addresses")}}}
		}
		err := r.Call(http.MethodPost, o.api("/invitations/batch"), map[string]any{"invitations": list}, nil)
		return o.Path("/invitations?done=invited"), gathered(err, "invitations")
	})
}

// addresses are those in a text, one a line or separated by commas, semicolons or spaces.
func addresses(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",; \t\r\n", r) })
}

// gathered moves what is wrong with the items of a list to the one field in which they were
// typed.
func gathered(err error, field string) error {
	var p *web.Problem
	if !errors.As(err, &p) {
		return err
	}
	var all []string
	for i := range p.Errors {
		if strings.HasPrefix(p.Errors[i].Location, "body."+field) {
			all = append(all, p.Errors[i].Message)
		}
	}
	if len(all) > 0 {
		p.Errors = []web.FieldError{{Location: "body." + field, Message: strings.Join(all, " ")}}
	}
	return p
}

// createLink makes a link with which several people join, and shows it once.
func (m *Module) createLink(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("link_explained"), Button: r.Text("create_link"), Back: o.Path("/invitations"), Fields: []web.Field{
		{Name: "max_uses", Type: "number", Label: r.Text("max_uses"), Hint: r.Text("max_uses_hint"), Optional: true, Inputmode: "numeric"},
		{Name: "domains", Type: "text", Label: r.Text("domains"), Hint: r.Text("domains_hint"), Optional: true},
	}}
	if r.Method != http.MethodPost {
		return r.ShowForm(o.page("invitations", "create_link"), form, nil)
	}
	var link invitationLink
	body := map[string]any{}
	if uses := r.Form.Get("max_uses"); uses != "" {
		body["max_uses"] = number(uses)
	}
	if domains := addresses(r.Form.Get("domains")); len(domains) > 0 {
		body["domains"] = domains
	}
	if err := r.Call(http.MethodPost, o.api("/invitation-links"), body, &link); err != nil {
		return r.ShowForm(o.page("invitations", "create_link"), form, gathered(err, "domains"))
	}
	page := o.page("invitations", "link_created")
	page.Data = struct {
		*place
		Link invitationLink
	}{o, link}
	return r.Show("link", page)
}

func (m *Module) resend(r *web.Request) error {
	return m.changeInvitation(r, "resend", "resent", http.MethodPost, "/invitations/"+id(r, "invitation")+"/resend", map[string]any{})
}

func (m *Module) revoke(r *web.Request) error {
	return m.changeInvitation(r, "revoke_invitation", "revoked", http.MethodDelete, "/invitations/"+id(r, "invitation"), nil)
}

func (m *Module) revokeLink(r *web.Request) error {
	return m.changeInvitation(r, "revoke_link", "link_revoked", http.MethodDelete, "/invitation-links/"+id(r, "link"), nil)
}

func (m *Module) changeInvitation(r *web.Request, title, done, method, path string, body any) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text(title + "_explained"), Button: r.Text(title), Danger: method == http.MethodDelete, Back: o.Path("/invitations")}
	return r.Act(o.page("invitations", title), form, func() (string, error) {
		return o.Path("/invitations?done=" + done), r.Call(method, o.api(path), body, nil)
	})
}
