package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// APIKey is a key of a person or of a service account.
type APIKey struct {
	ID, Name, Hint string
	OrganizationID string `json:"organization_id"`
	Scopes         []string
	Holder         struct{ ID, Name, Role, Kind string }
	Created        time.Time                  `json:"created_at"`
	Creator        *struct{ ID, Name string } `json:"created_by"`
	Expires        *time.Time                 `json:"expires_at"`
	Used           *time.Time                 `json:"last_used_at"`
	Rotated        bool                       `json:"is_rotated"`
	Secret         string                     `json:"key"` // once, when the key was made

	Beside       Beside   `json:"-"` // what the list says beside the name: the holder, or the organization
	Allowed      []string `json:"-"` // what the scopes are called
	Explanations []string `json:"-"` // of the scopes
	Path         string   `json:"-"` // that its forms are below
	Rotatable    bool     `json:"-"` // what may be offered
	Revocable    bool     `json:"-"`
}

// Beside is a name with a page, if Path is not empty.
type Beside struct {
	Name, Path string
	Service    bool // it is a service account's
}

// APIKeyList is a page of a list of API keys.
type APIKeyList struct {
	List   List
	Keys   []APIKey
	Column string // what the names beside those of the keys are
}

// APIKeys calls an operation that lists API keys.
func (r *Request) APIKeys(path string) (l APIKeyList, err error) {
	l.List, err = r.List(path, &l.Keys)
	for i := range l.Keys {
		l.Keys[i].describe(r)
	}
	return l, err
}

// APIKey calls an operation that shows one key.
func (r *Request) APIKey(path string) (k APIKey, err error) {
	return k, r.Call(http.MethodGet, path, nil, &k)
}

// describe says what the scopes allow. One of a registered API has its own name.
func (k *APIKey) describe(r *Request) {
	known := r.words.texts[r.Locale]
	for _, scope := range k.Scopes {
		name, explanation := known["scope_"+scope], known["scope_"+scope+"_explained"]
		if name == "" {
			name = scope
		}
		k.Allowed, k.Explanations = append(k.Allowed, name), append(k.Explanations, explanation)
	}
}

// NewAPIKey is what a form that makes a key begins with.
type NewAPIKey struct {
	Intro  string
	Admin  bool    // the holder may do more than read
	Fields []Field // further ones
	Call   string  // the path of the operation
	Holder string  // the service account's id; empty for the person who looks
	OfAPI  string  // the name of a registered API, whose keys have no scopes
	Back   string
}

// scopes that a key can have. The second is for admins.
var scopes = []string{"read", "manage"}

// lifetimes of keys, in days, to choose from.
var lifetimes = []int{7, 30, 90, 365}

// usualLifetime is chosen at first.
const usualLifetime = 90

// endless is the choice of a key that never ends.
const endless = "never"

// MakeAPIKey serves a form that makes a key, and shows the key.
func (r *Request) MakeAPIKey(p Page, n NewAPIKey) error {
	body := map[string]any{"name": "CI"}
	fields := []Field{{Name: "name", Type: "text", Label: r.Text("name"), Hint: r.Text("key_name_hint"), Autocomplete: "off", Autofocus: true}}
	if n.OfAPI == "" {
		body["scopes"] = []string{"read"}
		fields = slices.Concat(fields, n.Fields, r.scopes(n.Admin))
	}
	if n.Holder != "" {
		body["user_id"] = n.Holder
	}
	fields = append(fields, r.lifetime(), Field{Name: "from", Type: "hidden", Value: r.Now().UTC().Format(time.RFC3339)})
	f := Form{Intro: n.Intro, Button: r.Text("make_key"), Back: n.Back, Curl: r.Curl(http.MethodPost, n.Call, body), Fields: fields}
	if r.Method != http.MethodPost {
		return r.ShowForm(p, f, nil)
	}
	body["name"] = r.Form.Get("name")
	if n.OfAPI == "" {
		chosen := slices.Concat(r.Form["scopes"], strings.Fields(r.Form.Get("further")))
		if len(chosen) == 0 {
			return r.ShowForm(p, f, &Problem{Status: http.StatusUnprocessableEntity, Errors: []FieldError{{"body.scopes", r.Text("no_scopes")}}})
		}
		body["scopes"] = chosen
	}
	switch days := r.Form.Get("lifetime"); {
	case days == endless:
		body["expires_at"] = nil
	case r.days(days) > 0:
		body["expires_at"] = r.from().AddDate(0, 0, r.days(days))
	}
	var made APIKey
	if err := r.Call(http.MethodPost, n.Call, body, &made); err != nil {
		return r.ShowForm(p, f, At(At(err, "scope_beyond_role", "scopes"), "unknown_scope", "further"))
	}
	return r.showAPIKey(p, made, n.OfAPI, n.Back)
}

// scopes ask what a key can do here, and in registered APIs.
func (r *Request) scopes(admin bool) []Field {
	here := Field{Name: "scopes", Type: "checks", Label: r.Text("key_can")}
	for _, scope := range scopes {
		if scope == "read" || admin {
			here.Options = append(here.Options, Option{Value: scope, Label: r.Text("scope_" + scope), Hint: r.Text("scope_" + scope + "_explained"), Chosen: scope == "read"})
		}
	}
	return []Field{here, {Name: "further", Type: "text", Label: r.Text("further_scopes"), Hint: r.Text("further_scopes_hint"), Autocomplete: "off", Optional: true}}
}

// lifetime asks how long a key works.
func (r *Request) lifetime() Field {
	field := Field{Name: "lifetime", Type: "select", Label: r.Text("key_lifetime"), Location: "expires_at"}
	longest := int(r.site.options.KeyLongest / (24 * time.Hour))
	days := slices.DeleteFunc(slices.Clone(lifetimes), func(d int) bool { return longest > 0 && d > longest })
	if longest > 0 && !slices.Contains(days, longest) {
		days = append(days, longest)
	}
	for _, d := range days {
		field.Options = append(field.Options, Option{Value: fmt.Sprint(d), Label: r.Text("in_days", d)})
		if d <= usualLifetime {
			field.Value = fmt.Sprint(d)
		}
	}
	if longest == 0 {
		field.Options = append(field.Options, Option{Value: endless, Label: r.Text("never_expires")})
	}
	return field
}

// from is the time from which the life of a key counts: when its form was shown, so that a form
// that arrives again asks for the same key, or now.
func (r *Request) from() time.Time {
	now := r.Now().UTC().Truncate(time.Second)
	from, err := time.Parse(time.RFC3339, r.Form.Get("from"))
	if err != nil || from.After(now) || now.Sub(from) > 24*time.Hour {
		return now
	}
	return from
}

// days returns a number of days that a form offers, or 0.
func (r *Request) days(text string) (n int) {
	for _, o := range r.lifetime().Options {
		if o.Value == text && text != endless {
			_, _ = fmt.Sscan(text, &n)
		}
	}
	return n
}

// overlaps are for how long the former key can go on after a rotation, in seconds.
var overlaps = []struct{ seconds, text string }{
	{"0", "overlap_none"}, {"3600", "overlap_hour"}, {"86400", "overlap_day"}, {"604800", "overlap_week"}, {"2592000", "overlap_month"},
}

// RotateAPIKey serves a form that replaces a key, and shows the new one.
func (r *Request) RotateAPIKey(p Page, k APIKey, call, back string) error {
	p.Heading = r.Text("ask_rotate_key", k.Name)
	overlap := Field{Name: "overlap", Type: "select", Label: r.Text("overlap"), Value: "86400", Location: "overlap_seconds"}
	for _, o := range overlaps {
		overlap.Options = append(overlap.Options, Option{Value: o.seconds, Label: r.Text(o.text)})
	}
	f := Form{
		Intro: r.Text("rotate_key_explained", k.Holder.Name), Button: r.Text("rotate_key"), Back: back, Fields: []Field{overlap},
		Curl: r.Curl(http.MethodPost, call+"/rotate", map[string]any{"overlap_seconds": 86400}),
	}
	if r.Method != http.MethodPost {
		return r.ShowForm(p, f, nil)
	}
	body := map[string]any{}
	if i := slices.IndexFunc(overlap.Options, func(o Option) bool { return o.Value == r.Form.Get("overlap") }); i >= 0 {
		var seconds int
		_, _ = fmt.Sscan(overlap.Options[i].Value, &seconds)
		body["overlap_seconds"] = seconds
	}
	var made APIKey
	if err := r.Call(http.MethodPost, call+"/rotate", body, &made); err != nil {
		return r.ShowForm(p, f, err)
	}
	return r.showAPIKey(p, made, "", back)
}

// RevokeAPIKey serves a form that ends a key.
func (r *Request) RevokeAPIKey(p Page, k APIKey, call, back string) error {
	p.Heading = r.Text("ask_revoke_key", k.Name)
	f := Form{
		Intro: r.Text("revoke_key_explained", k.Hint, k.Holder.Name), Button: r.Text("revoke_key"), Danger: true, Match: k.Name, Back: back,
		Curl: r.Curl(http.MethodDelete, call, nil),
	}
	return r.Act(p, f, func() (string, error) {
		return back + "?done=key_revoked", r.Call(http.MethodDelete, call, nil, nil)
	})
}

// shownAPIKey is a key that was just made. Only this answer to the form has its secret: no
// address, no cookie and nothing that is stored leads to it again. An answer that the API
// repeats has none.
type shownAPIKey struct {
	APIKey
	OfAPI string // the name of the registered API
	Back  string
	Curl  string
}

func (r *Request) showAPIKey(p Page, k APIKey, api, back string) error {
	k.describe(r)
	shown := shownAPIKey{APIKey: k, OfAPI: api, Back: back}
	if api == "" {
		shown.Curl = r.Curl(http.MethodGet, "/organizations/"+k.OrganizationID, nil)
	}
	p.Heading, p.Data = r.Text("key_made"), shown
	return r.Show("api-key", p)
}
