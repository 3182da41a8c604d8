package account

import (
	"net/http"
	"net/url"
	"slices"

	"guildhall/platform/web"
)

// This file logs people in with other services, and links their accounts there.

// Provider is another service with which people may log in.
type Provider struct{ ID, Name string }

// buttons lead to the providers, from a page that goes on to next.
type buttons struct {
	Providers  []Provider
	Next       string
	Invitation string // the token of the one that the person accepts
}

// providerOf returns the provider that a page is about.
func (m *Module) providerOf(r *web.Request, id string) (Provider, error) {
	i := slices.IndexFunc(m.options.Providers, func(p Provider) bool { return p.ID == id })
	if i < 0 {
		return Provider{}, &web.Problem{Status: http.StatusNotFound, Detail: r.Text("no_such_provider")}
	}
	return m.options.Providers[i], nil
}

// leaving is the page on the way to a provider.
type leaving struct{ Name, URL string }

// depart asks to be sent to a provider.
func (m *Module) depart(r *web.Request, p Provider, purpose string, d web.Departure) error {
	var answer struct {
		challenge
		URL string `json:"authorization_url"`
	}
	body := map[string]any{"purpose": purpose, "method": "provider", "provider": p.ID, "redirect_uri": m.options.Callback}
	if err := r.Call(http.MethodPost, "/auth/challenges", body, &answer); err != nil {
		return err
	}
	d.Token = answer.ChallengeToken
	page := web.Page{Heading: r.Text("leaving", p.Name), Data: leaving{p.Name, answer.URL}}
	return r.Depart(answer.URL, d, "leaving", page)
}

// logInElsewhere sends a person to a provider, to log in.
func (m *Module) logInElsewhere(r *web.Request) error {
	p, err := m.providerOf(r, r.Form.Get("provider"))
	if err != nil {
		return err
	}
	r.AsNobody()
	return m.depart(r, p, "log_in", web.Departure{Next: r.Next(r.Form.Get("next")), Invitation: r.Form.Get("link_token")})
}

// arrive takes a person back from a provider: it completes the log-in or the link that this browser
// asked for. A form completes a log-in that lacks a second factor.
func (m *Module) arrive(r *web.Request) error {
	if r.Method == http.MethodPost {
		return m.arrived(r, nil)
	}
	q := r.URL.Query()
	d, asked := r.Return(q.Get("state"))
	if !asked {
		return &web.Problem{Status: http.StatusUnauthorized, Detail: r.Text("provider_unasked")}
	}
	r.Form = url.Values{"next": {d.Next}, "link_token": {d.Invitation}}
	if q.Get("code") == "" {
		declined := &web.Problem{Status: http.StatusUnauthorized, Detail: r.Text("provider_declined")}
		if d.Links {
			return declined
		}
		return m.logInAgain(r, declined)
	}
	proof := map[string]any{"challenge_token": d.Token, "authorization_code": q.Get("code"), "state": q.Get("state")}
	if q.Get("iss") != "" {
		proof["iss"] = q.Get("iss")
	}
	if d.Links {
		if err := r.Call(http.MethodPost, "/auth/identities", proof, nil); err != nil {
			web.GoingOn(err, d.Next)
			return err
		}
		return r.Redirect(d.Next)
	}
	proof["grant_type"] = "challenge"
	if d.Invitation != "" {
		proof["invitation_token"] = d.Invitation
	}
	return m.arrived(r, proof)
}

// arrived begins the browser's session. Whoever came from an invitation joins the organization.
func (m *Module) arrived(r *web.Request, proof map[string]any) error {
	if proof == nil && r.Form.Get("factor_token") == "" {
		return r.Redirect("/account/log-in")
	}
	r.AsNobody()
	asked, err := m.admit(r, proof, "next", "link_token")
	switch {
	case asked:
		return err
	case err != nil:
		return m.logInAgain(r, err)
	case r.Form.Get("link_token") != "":
		return m.join(r)
	}
	return r.Redirect(r.Next(r.Form.Get("next")))
}

// identity is an account of a provider that is linked.
type identity struct {
	ID, Provider, Name, Email string
}

func identities(r *web.Request) ([]identity, error) {
	var answer struct{ Identities []identity }
	return answer.Identities, r.Call(http.MethodGet, "/auth/identities", nil, &answer)
}

const identitiesPath = "/account/identities"

// listIdentities shows with which accounts elsewhere the person may log in.
func (m *Module) listIdentities(r *web.Request) error {
	list, err := identities(r)
	if err != nil {
		return err
	}
	page := m.page("identities", "nav_identities")
	page.Done = r.Outcome("unlinked")
	page.Data = struct {
		Identities []identity
		Providers  []Provider
	}{list, m.options.Providers}
	return r.Show("identities", page)
}

// linkIdentity sends a person to a provider, to link their account there.
func (m *Module) linkIdentity(r *web.Request) error {
	p, err := m.providerOf(r, r.PathValue("provider"))
	if err != nil {
		return err
	}
	page := m.page("identities", "")
	page.Heading = r.Text("ask_link", p.Name)
	form := web.Form{Intro: r.Text("link_explained", p.Name), Button: r.Text("continue_with", p.Name), Back: identitiesPath}
	if r.Method != http.MethodPost {
		return r.ShowForm(page, form, nil)
	}
	if err := m.depart(r, p, "link_identity", web.Departure{Next: identitiesPath, Links: true}); err != nil {
		return r.ShowForm(page, form, err)
	}
	return nil
}

// unlinkIdentity unlinks an account elsewhere.
func (m *Module) unlinkIdentity(r *web.Request) error {
	list, err := identities(r)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(i identity) bool { return i.ID == r.PathValue("identity") })
	if i < 0 {
		return &web.Problem{Status: http.StatusNotFound, Detail: r.Text("no_such_identity")}
	}
	page := m.page("identities", "")
	page.Heading = r.Text("ask_unlink", list[i].Name)
	form := web.Form{Intro: r.Text("unlink_explained"), Button: r.Text("unlink"), Danger: true, Back: identitiesPath}
	return r.Act(page, form, func() (string, error) {
		return identitiesPath + "?done=unlinked", r.Call(http.MethodDelete, "/auth/identities/"+list[i].ID, nil, nil)
	})
}
