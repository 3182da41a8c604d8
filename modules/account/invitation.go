package account

import (
	"errors"
	"net/http"

	"guildhall/platform/web"
)

// preview is what an invitation says to whoever has its link.
type preview struct {
	Organization string `json:"organization_name"`
	Inviter      string `json:"invited_by_name"`
	Masked       string `json:"email"` // empty for an invitation link
	Role         string
}

// invitationForm asks a person to accept an invitation: as they are, by logging in, or by
// registering.
type invitationForm struct {
	Link        string
	Preview     preview
	SignedIn    bool
	Me          string // the address of who is logged in
	Name, Email string // typed before
	Elsewhere   buttons
}

func (m *Module) showInvitation(r *web.Request) error {
	return r.Show("invitation", web.Page{Title: "invitation", Data: invitationForm{}})
}

// read returns what the form of an invitation shows.
func (m *Module) read(r *web.Request) (form invitationForm, err error) {
	form = invitationForm{Link: r.Form.Get("link_token"), Name: r.Form.Get("name"), Email: r.Form.Get("email"), SignedIn: r.SignedIn()}
	if err := r.Call(http.MethodPost, "/invitations/preview", map[string]any{"token": form.Link}, &form.Preview); err != nil {
		return form, err
	}
	form.Elsewhere = buttons{Providers: m.options.Providers, Invitation: form.Link}
	if form.SignedIn {
		var me struct{ Email string }
		err = r.Call(http.MethodGet, "/auth/me", nil, &me)
		form.Me = me.Email
	}
	return form, err
}

// preview shows the invitation. That changes nothing.
func (m *Module) preview(r *web.Request) error {
	form, err := m.read(r)
	if err != nil {
		return r.ShowProblem(err, "message", web.Page{Title: "invitation"})
	}
	return r.Show("invitation", web.Page{Title: "invitation", Data: form})
}

// accept joins the organization: as whoever is logged in, after a log-in with the form's
// password, or with a new account.
func (m *Module) accept(r *web.Request) error {
	form, err := m.read(r)
	if err != nil {
		return r.ShowProblem(err, "message", web.Page{Title: "invitation"})
	}
	again := web.Page{Title: "invitation", Data: form}
	switch {
	case r.Form.Get("as") == "new":
		body := map[string]any{"name": form.Name, "email": form.Email, "invitation_token": form.Link}
		return enroll(r, body, "invitation", again, registrationCode.to(form.Email, "/account"), "/account?done=joined")
	case !r.SignedIn():
		switch asked, err := m.admit(r, passwordOf(r), "link_token", "email"); {
		case asked:
			return err
		case err != nil:
			return r.ShowProblem(err, "invitation", again)
		}
	}
	return m.acceptAs(r, form)
}

// join joins the organization after a log-in with another service, which was for that. Whoever
// registered by it has joined already.
func (m *Module) join(r *web.Request) error {
	form, err := m.read(r)
	var p *web.Problem
	switch {
	case errors.As(err, &p) && p.Code == "invitation_used":
		return r.Redirect("/account?done=joined")
	case err != nil:
		return r.ShowProblem(err, "message", web.Page{Title: "invitation"})
	}
	return m.acceptAs(r, form)
}

// acceptAs accepts the invitation as who is logged in.
func (m *Module) acceptAs(r *web.Request, form invitationForm) error {
	again := web.Page{Title: "invitation", Data: form}
	if err := enter(r, "/invitations/accept", map[string]any{"token": form.Link}); err != nil {
		if web.GoingOn(err, "/account") { // which lists the invitation
			return err
		}
		if form, err := m.read(r); err == nil { // who has just logged in
			again.Data = form
		}
		return r.ShowProblem(err, "invitation", again)
	}
	return r.Redirect("/account?done=joined")
}

func (m *Module) decline(r *web.Request) error {
	if err := r.Call(http.MethodPost, "/invitations/decline", map[string]any{"token": r.Form.Get("link_token")}, nil); err != nil {
		return r.ShowProblem(err, "message", web.Page{Title: "invitation"})
	}
	return r.Show("message", web.Page{Title: "invitation", Done: "done_declined"})
}
