package account

import (
	"net/http"
	"net/url"
	"slices"

	"guildhall/platform/web"
)

// keys lists the person's own API keys, in all organizations.
func (m *Module) keys(r *web.Request) error {
	memberships, err := r.Memberships()
	if err != nil {
		return err
	}
	data, err := r.APIKeys("/auth/me/api-keys")
	if err != nil {
		return err
	}
	data.Column = r.Text("organization")
	for i := range data.Keys {
		k := &data.Keys[i]
		k.Beside.Name = r.Text("archived_organization")
		at := slices.IndexFunc(memberships, func(o web.Membership) bool { return o.ID == k.OrganizationID })
		if at < 0 {
			continue
		}
		o := memberships[at]
		if k.Beside.Name = o.Name; r.HasConsole() {
			k.Beside.Path = "/console/o/" + o.ID
		}
		k.Path = "/account/keys/" + o.ID + "/" + k.ID
		k.Revocable = o.Standing == "good"
		k.Rotatable = k.Revocable && !k.Rotated
	}
	page := m.page("keys", "api_keys")
	page.Done, page.Data = r.Outcome("key_revoked"), data
	return r.Show("keys", page)
}

// makeKey makes a key in an organization that the person chooses.
func (m *Module) makeKey(r *web.Request) error {
	memberships, err := r.Memberships()
	if err != nil {
		return err
	}
	n := web.NewAPIKey{Intro: r.Text("key_explained"), Back: "/account/keys"}
	choice := web.Field{Name: "organization", Type: "select", Label: r.Text("organization")}
	for _, o := range memberships {
		if o.Standing == "good" {
			choice.Options = append(choice.Options, web.Option{Value: o.ID, Label: o.Name})
			n.Admin = n.Admin || o.Role != "member"
		}
	}
	if len(choice.Options) == 0 {
		return &web.Problem{Status: http.StatusForbidden, Detail: r.Text("no_key_without_organization")}
	}
	chosen := choice.Options[0].Value
	if r.Method == http.MethodPost {
		chosen = r.Form.Get("organization")
	}
	n.Call = keysOf(chosen)
	n.Fields = []web.Field{choice}
	return r.MakeAPIKey(m.page("keys", "make_key"), n)
}

// keysOf is the path of the operations on the keys of an organization.
func keysOf(organization string) string {
	return "/organizations/" + url.PathEscape(organization) + "/api-keys"
}

func (m *Module) rotateKey(r *web.Request) error { return m.changeKey(r, r.RotateAPIKey) }

func (m *Module) revokeKey(r *web.Request) error { return m.changeKey(r, r.RevokeAPIKey) }

func (m *Module) changeKey(r *web.Request, change func(p web.Page, k web.APIKey, call, back string) error) error {
	call := keysOf(r.PathValue("organization")) + "/" + url.PathEscape(r.PathValue("key"))
	k, err := r.APIKey(call)
	if err != nil {
		return err
	}
	return change(m.page("keys", ""), k, call, "/account/keys")
}
