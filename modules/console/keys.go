package console

import (
	"net/http"
	"time"

	"guildhall/platform/web"
)

// keyList is the page of the API keys of an organization: for admins all of them, for others
// their own.
type keyList struct {
	*place
	Keys web.APIKeyList
}

func (m *Module) keys(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	data := keyList{place: o}
	if data.Keys, err = r.APIKeys(o.api("/api-keys")); err != nil {
		return err
	}
	data.Keys.Column = r.Text("key_holder")
	for i := range data.Keys.Keys {
		k := &data.Keys.Keys[i]
		k.Beside = web.Beside{Name: k.Holder.Name, Path: o.Path("/member/" + k.Holder.ID), Service: k.Holder.Kind == service}
		k.Path = o.Path("/key/" + k.ID)
		own, below := k.Holder.ID == o.me.ID, o.outranks(k.Holder.Role)
		k.Rotatable = !k.Rotated && (own || below && k.Holder.Kind == service)
		k.Revocable = own || below
	}
	page := o.page("keys", "api_keys")
	page.Done, page.Data = r.Outcome("key_revoked"), data
	return r.Show("keys", page)
}

// makeKey makes a key for the person who looks.
func (m *Module) makeKey(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	return r.MakeAPIKey(o.page("keys", "make_key"), web.NewAPIKey{
		Intro: r.Text("own_key_explained"), Admin: o.Role != "member", Back: o.Path("/keys"), Call: o.api("/api-keys"),
	})
}

// makeKeyOfAccount makes a key for a service account.
func (m *Module) makeKeyOfAccount(r *web.Request) error {
	o, p, err := memberOf(r)
	if err != nil {
		return err
	}
	page := o.page("accounts", "")
	page.Heading = r.Text("make_key_of", p.Name)
	return r.MakeAPIKey(page, web.NewAPIKey{
		Intro: r.Text("key_of_account_explained"), Admin: p.Role != "member", Back: o.Path("/keys"), Call: o.api("/api-keys"), Holder: p.ID,
	})
}

func (m *Module) rotateKey(r *web.Request) error { return m.changeKey(r, r.RotateAPIKey) }

func (m *Module) revokeKey(r *web.Request) error { return m.changeKey(r, r.RevokeAPIKey) }

func (m *Module) changeKey(r *web.Request, change func(p web.Page, k web.APIKey, call, back string) error) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	call := o.api("/api-keys/" + id(r, "key"))
	k, err := r.APIKey(call)
	if err != nil {
		return err
	}
	return change(o.page("keys", ""), k, call, o.Path("/keys"))
}

// service is the kind of a member that is a program.
const service = "service"

// serviceAccount is a member that is a program.
type serviceAccount struct {
	ID, Name, Role, Standing string
	Description              *string
	Created                  time.Time `json:"created_at"`

	Below bool `json:"-"` // the person who looks may make keys for it
}

type serviceAccountList struct {
	*place
	List     web.List
	Accounts []serviceAccount
}

func (m *Module) accounts(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	data := serviceAccountList{place: o}
	if data.List, err = r.List(o.api("/service-accounts"), &data.Accounts); err != nil {
		return err
	}
	for i := range data.Accounts {
		data.Accounts[i].Below = o.outranks(data.Accounts[i].Role)
	}
	page := o.page("accounts", "accounts")
	page.Done, page.Data = r.Outcome("account_created"), data
	return r.Show("accounts", page)
}

func (m *Module) createServiceAccount(r *web.Request) error {
	o, err := organization(r)
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("create_service_account_explained"), Button: r.Text("create_service_account"), Back: o.Path("/service-accounts"), Fields: []web.Field{
		{Name: "name", Type: "text", Label: r.Text("name"), Hint: r.Text("service_account_name_hint"), Autocomplete: "off", Autofocus: true},
		{Name: "description", Type: "textarea", Label: r.Text("description"), Optional: true},
	}, Curl: r.Curl(http.MethodPost, o.api("/service-accounts"), map[string]any{"name": "Nightly export"})}
	return r.Act(o.page("accounts", "create_service_account"), form, func() (string, error) {
		body := map[string]any{"name": r.Form.Get("name")}
		if description := r.Form.Get("description"); description != "" {
			body["description"] = description
		}
		return o.Path("/service-accounts?done=account_created"), r.Call(http.MethodPost, o.api("/service-accounts"), body, nil)
	})
}
