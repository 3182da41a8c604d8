package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"guildhall/platform/web"
)

// api is a registered API: a service whose tokens are made here.
type api struct {
	ID, Identifier, Name string
	Seconds              int `json:"token_seconds"`
	Claims               string
	Sessions             bool `json:"session_tokens"`
	Scopes               []struct {
		Name  string
		Least string `json:"least_role"`
	}
	Created time.Time `json:"created_at"`
}

// Path is that of a page of the API.
func (a *api) Path(rest string) string { return "/console/apis/" + a.ID + rest }

// call is the path of an operation on the API.
func (a *api) call(rest string) string { return "/apis/" + a.ID + rest }

// lines are the scopes as they are typed.
func (a *api) lines() string {
	var lines strings.Builder
	for _, s := range a.Scopes {
		lines.WriteString(s.Name)
		if s.Least != "member" {
			lines.WriteString(" " + s.Least)
		}
		lines.WriteString("\n")
	}
	return lines.String()
}

// apiList is the page of the registered APIs.
type apiList struct {
	List web.List
	APIs []api
}

func (m *Module) apis(r *web.Request) (err error) {
	var data apiList
	if data.List, err = r.List("/apis", &data.APIs); err != nil {
		return err
	}
	page := platformPage(r, "apis", "apis")
	page.Done, page.Data = r.Outcome("api_removed"), data
	return r.Show("apis", page)
}

// apiPage is the page of one of them.
type apiPage struct {
	*api
	Keys web.APIKeyList
}

// apiOf returns the API that a page is about.
func apiOf(r *web.Request) (*api, error) {
	var a api
	return &a, r.Call(http.MethodGet, "/apis/"+id(r, "api"), nil, &a)
}

func (m *Module) api(r *web.Request) error {
	a, err := apiOf(r)
	if err != nil {
		return err
	}
	data := apiPage{api: a}
	if data.Keys, err = r.APIKeys(a.call("/keys")); err != nil {
		return err
	}
	for i := range data.Keys.Keys {
		k := &data.Keys.Keys[i]
		k.Path, k.Revocable = a.Path("/key/"+k.ID), true
	}
	page := platformPage(r, "apis", "")
	page.Heading, page.Data = a.Name, data
	page.Done = r.Outcome("api_registered", "api_changed", "key_revoked")
	return r.Show("api", page)
}

// settings are the fields of a form about an API.
func (a *api) settings(r *web.Request) []web.Field {
	set := func(is bool) string {
		if is {
			return "true"
		}
		return ""
	}
	return []web.Field{
		{Name: "scopes", Type: "textarea", Label: r.Text("api_scopes"), Hint: r.Text("api_scopes_hint"), Value: a.lines(), Optional: true},
		{Name: "token_seconds", Type: "number", Label: r.Text("token_seconds"), Hint: r.Text("token_seconds_hint"), Value: strconv.Itoa(a.Seconds), Inputmode: "numeric"},
		{Name: "claims", Type: "checkbox", Label: r.Text("claims_role"), Value: set(a.Claims == "role")},
		{Name: "session_tokens", Type: "checkbox", Label: r.Text("session_tokens"), Hint: r.Text("session_tokens_hint"), Value: set(a.Sessions)},
	}
}

// typedSettings is what such a form says.
func typedSettings(r *web.Request) map[string]any {
	scopes := []map[string]any{}
	for line := range strings.Lines(r.Form.Get("scopes")) {
		name, role, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		scope := map[string]any{"name": name}
		if role != "" {
			scope["least_role"] = strings.TrimSpace(role)
		}
		scopes = append(scopes, scope)
	}
	claims := "none"
	if r.Form.Get("claims") != "" {
		claims = "role"
	}
	return map[string]any{"scopes": scopes, "token_seconds": number(r.Form.Get("token_seconds")), "claims": claims, "session_tokens": r.Form.Get("session_tokens") != ""}
}

func (m *Module) registerAPI(r *web.Request) error {
	example := map[string]any{"identifier": "https://orders.example.com", "name": "Orders", "scopes": []map[string]any{{"name": "orders:read"}}}
	usual := &api{Seconds: 300}
	form := web.Form{Intro: r.Text("register_api_explained"), Button: r.Text("register_api"), Back: "/console/apis", Fields: append([]web.Field{
		{Name: "name", Type: "text", Label: r.Text("name"), Autocomplete: "off", Autofocus: true},
		{Name: "identifier", Type: "url", Label: r.Text("identifier"), Hint: r.Text("identifier_hint"), Autocomplete: "off"},
	}, usual.settings(r)...), Curl: r.Curl(http.MethodPost, "/apis", example)}
	return r.Act(platformPage(r, "apis", "register_api"), form, func() (string, error) {
		body := typedSettings(r)
		body["name"], body["identifier"] = r.Form.Get("name"), r.Form.Get("identifier")
		var made api
		err := r.Call(http.MethodPost, "/apis", body, &made)
		return made.Path("?done=api_registered"), gathered(web.At(err, "api_exists", "identifier"), "scopes")
	})
}

func (m *Module) changeAPI(r *web.Request) error {
	a, err := apiOf(r)
	if err != nil {
		return err
	}
	page := platformPage(r, "apis", "")
	page.Heading = r.Text("ask_change_api", a.Name)
	form := web.Form{Intro: r.Text("change_api_explained"), Button: r.Text("save"), Back: a.Path(""), Fields: a.settings(r), Curl: r.Curl(http.MethodPatch, a.call(""), map[string]any{"token_seconds": a.Seconds})}
	return r.Act(page, form, func() (string, error) {
		return a.Path("?done=api_changed"), gathered(r.Call(http.MethodPatch, a.call(""), typedSettings(r), nil), "scopes")
	})
}

func (m *Module) removeAPI(r *web.Request) error {
	a, err := apiOf(r)
	if err != nil {
		return err
	}
	page := platformPage(r, "apis", "")
	page.Heading = r.Text("ask_remove", a.Name)
	form := web.Form{Intro: r.Text("remove_api_explained"), Button: r.Text("act_remove"), Danger: true, Match: a.Name, Back: a.Path(""), Curl: r.Curl(http.MethodDelete, a.call(""), nil)}
	return r.Act(page, form, func() (string, error) {
		return "/console/apis?done=api_removed", r.Call(http.MethodDelete, a.call(""), nil, nil)
	})
}

func (m *Module) makeKeyOfAPI(r *web.Request) error {
	a, err := apiOf(r)
	if err != nil {
		return err
	}
	page := platformPage(r, "apis", "")
	page.Heading = r.Text("make_key_of", a.Name)
	return r.MakeAPIKey(page, web.NewAPIKey{Intro: r.Text("key_of_api_explained"), OfAPI: a.Name, Back: a.Path(""), Call: a.call("/keys")})
}

func (m *Module) revokeKeyOfAPI(r *web.Request) error {
	a, err := apiOf(r)
	if err != nil {
		return err
	}
	var keys []web.APIKey
	if err := r.Call(http.MethodGet, a.call("/keys?limit=1000"), nil, &keys); err != nil {
		return err
	}
	for _, k := range keys {
		if k.ID == r.PathValue("key") {
			k.Holder.Name = a.Name
			return r.RevokeAPIKey(platformPage(r, "apis", ""), k, a.call("/keys/"+id(r, "key")), a.Path(""))
		}
	}
	return &web.Problem{Status: http.StatusNotFound, Detail: r.Text("no_such_key")}
}
