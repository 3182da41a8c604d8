package account

import (
	"cmp"
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"guildhall/platform/web"
)

// This file lists the person's second factors, and sets them up.

func (m *Module) factors(r *web.Request) error {
	factors, err := r.Factors()
	if err != nil {
		return err
	}
	page := m.page("factors", "factors")
	page.Done, page.Data = r.Outcome("factor_added", "factor_renamed", "factor_removed", "factors_kept"), listedFactors{factors, m.options.Passkeys}
	return r.Show("factors", page)
}

type listedFactors struct {
	web.Factors
	Passkeys bool // can be set up
}

// setUp asks for the first code of an app, and shows once what the app needs.
type setUp struct {
	Factor, Next string
	Offer        *shownOffer // nil after the first code
}

// shownOffer is what an app needs. Only this answer to the form has it, as with an API key.
type shownOffer struct {
	QR     template.HTML
	Groups []string     // of the secret, for typing it
	URI    template.URL // opens an app on the same device
}

// addFactor offers a secret for an authenticator app.
func (m *Module) addFactor(r *web.Request) error {
	next := r.URL.Query().Get("next")
	if r.Method == http.MethodPost {
		next = r.Form.Get("next")
	}
	form := web.Form{Intro: r.Text("add_factor_explained"), Button: r.Text("go_on"), Back: "/account/factors", Fields: []web.Field{
		{Name: "name", Type: "text", Label: r.Text("name"), Hint: r.Text("factor_name_hint"), Value: r.Text("factor_usual_name"), Autocomplete: "off"},
		{Name: "next", Type: "hidden", Value: nextOf(r, next), Returns: true},
	}}
	if m.options.Passkeys {
		form.Link = &web.Link{Text: r.Text("add_passkey_instead"), URL: setUpAt("/account/factors/passkeys/new", nextOf(r, next))}
	}
	page := m.page("factors", "add_factor")
	if r.Method != http.MethodPost {
		return r.ShowForm(page, form, nil)
	}
	var made struct {
		ID, Secret, URI string
		QR              string `json:"qr_svg"`
	}
	if err := r.Call(http.MethodPost, "/auth/factors/totp", map[string]any{"name": r.Form.Get("name")}, &made); err != nil {
		return r.ShowForm(page, form, err)
	}
	shown := shownOffer{QR: template.HTML(made.QR), URI: template.URL(made.URI)} //nolint:gosec // the service drew and wrote them
	for group := range slices.Chunk([]byte(made.Secret), 4) {
		shown.Groups = append(shown.Groups, string(group))
	}
	page.Data = setUp{Factor: made.ID, Next: nextOf(r, next), Offer: &shown}
	return r.Show("factor", page)
}

// nextOf returns the page to go on to after a set-up, or nothing.
func nextOf(r *web.Request, wanted string) string {
	if wanted == "" {
		return ""
	}
	return r.Next(wanted)
}

// confirmFactor takes the first code of an app.
func (m *Module) confirmFactor(r *web.Request) error {
	page, next := m.page("factors", "add_factor"), nextOf(r, r.Form.Get("next"))
	var answer struct {
		Codes []string `json:"recovery_codes"`
	}
	err := r.Call(http.MethodPost, "/auth/factors/totp/"+url.PathEscape(r.PathValue("factor"))+"/confirm", map[string]any{"otp": r.Form.Get("otp")}, &answer)
	if err != nil {
		page.Data = setUp{Factor: r.PathValue("factor"), Next: next}
		return r.ShowProblem(web.At(err, "wrong_otp", "otp"), "factor", page)
	}
	return m.factorAdded(r, answer.Codes, next)
}

// factorAdded shows the recovery codes that came with the first factor, or goes on.
func (m *Module) factorAdded(r *web.Request, codes []string, next string) error {
	switch {
	case len(codes) > 0:
		page := m.page("factors", "recovery_codes")
		page.Done, page.Data = "done_factor_added", recoveryCodes{Codes: codes, Next: cmp.Or(next, "/account/factors")}
		return r.Show("recovery-codes", page)
	case next != "":
		return r.Redirect(next)
	}
	return r.Redirect("/account/factors?done=factor_added")
}

// recoveryCodes are shown once, as an API key is.
type recoveryCodes struct {
	Codes    []string
	Next     string // the page to go on to
	Replaced bool   // others, which do not work any more
}

// renewCodes replaces the recovery codes.
func (m *Module) renewCodes(r *web.Request) error {
	page := m.page("factors", "new_codes")
	form := web.Form{Intro: r.Text("new_codes_explained"), Button: r.Text("new_codes"), Back: "/account/factors"}
	if r.Method != http.MethodPost {
		return r.ShowForm(page, form, nil)
	}
	var answer struct {
		Codes []string `json:"recovery_codes"`
	}
	if err := r.Call(http.MethodPost, "/auth/recovery-codes", map[string]any{}, &answer); err != nil {
		return r.ShowForm(page, form, err)
	}
	page = m.page("factors", "recovery_codes")
	page.Data = recoveryCodes{Codes: answer.Codes, Next: "/account/factors", Replaced: true}
	return r.Show("recovery-codes", page)
}

// thisFactor returns the factor that a page is about, and whether it is the only one.
func thisFactor(r *web.Request) (f web.Factor, last bool, err error) {
	factors, err := r.Factors()
	if err != nil {
		return f, false, err
	}
	i := slices.IndexFunc(factors.Factors, func(f web.Factor) bool { return f.ID == r.PathValue("factor") })
	if i < 0 {
		return f, false, &web.Problem{Status: http.StatusNotFound, Detail: r.Text("no_such_factor")}
	}
	return factors.Factors[i], len(factors.Factors) == 1, nil
}

func (m *Module) renameFactor(r *web.Request) error {
	f, _, err := thisFactor(r)
	if err != nil {
		return err
	}
	form := web.Form{Button: r.Text("save"), Back: "/account/factors", Fields: []web.Field{
		{Name: "name", Type: "text", Label: r.Text("name"), Hint: r.Text("factor_name_hint"), Value: f.Name, Autocomplete: "off", Autofocus: true},
	}}
	page := m.page("factors", "")
	page.Heading = r.Text("ask_rename_factor", f.Name)
	return r.Act(page, form, func() (string, error) {
		return "/account/factors?done=factor_renamed", r.Call(http.MethodPatch, "/auth/factors/"+f.ID, map[string]any{"name": r.Form.Get("name")}, nil)
	})
}

func (m *Module) removeFactor(r *web.Request) error {
	f, last, err := thisFactor(r)
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("remove_factor_explained"), Button: r.Text("remove_factor"), Danger: true, Back: "/account/factors"}
	if last {
		form.Intro = r.Text("remove_last_factor_explained")
	}
	if f.IsPasskey() {
		form.Intro += " " + r.Text("remove_passkey_explained")
	}
	page := m.page("factors", "")
	page.Heading = r.Text("ask_remove_factor", f.Name)
	return r.Act(page, form, func() (string, error) {
		return "/account/factors?done=factor_removed", r.Call(http.MethodDelete, "/auth/factors/"+f.ID, nil, nil)
	})
}
