package account

import (
	"encoding/json"
	"errors"
	"net/http"

	"guildhall/platform/web"
)

// This file asks for passkeys: to log in with one alone, and to set one up. proof.go asks for
// one among other second factors.

// asksForPasskey asks the API for what an authenticator is asked for. The form gets the token of
// the challenge.
func asksForPasskey(r *web.Request, purpose string) (*web.Passkey, error) {
	var asked challenge
	err := r.Call(http.MethodPost, "/auth/challenges", map[string]any{"purpose": purpose, "method": "passkey"}, &asked)
	if err != nil {
		return nil, err
	}
	r.Form.Set("challenge_token", asked.ChallengeToken)
	return &web.Passkey{Create: purpose == "enrol_passkey", Options: string(asked.PublicKey), Start: true}, nil
}

// challengeToken is the token of the challenge that the form answers.
func challengeToken(r *web.Request) web.Field {
	return web.Field{Name: "challenge_token", Type: "hidden", Value: r.Form.Get("challenge_token")}
}

// passkeyOf returns the passkey that a form gives. The API says what is wrong with another text.
func passkeyOf(r *web.Request) any {
	if text := r.Form.Get(web.Credential); json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return ""
}

// atPasskey puts a refusal beside the button for the passkey. The API's sentence about a wrong
// answer is also about mails.
func atPasskey(r *web.Request, err error) error {
	var p *web.Problem
	if !errors.As(err, &p) {
		return err
	}
	switch {
	case r.Form.Get(web.Credential) == "": // the script did not run
		p.Code, p.Detail = "wrong_passkey", r.Text("passkey_needs_script")
	case p.Code == "invalid_challenge":
		p.Code, p.Detail = "wrong_passkey", r.Text("wrong_passkey")
	}
	return web.At(err, "wrong_passkey", web.Credential)
}

// logInByPasskey asks for a passkey, and begins the browser's session with it. Nobody types an
// address.
func (m *Module) logInByPasskey(r *web.Request) error {
	next := r.Next(r.Form.Get("next"))
	answered := r.Form.Has(web.Credential)
	r.AsNobody()
	var refused error
	if answered {
		body := map[string]any{"grant_type": "challenge", "challenge_token": r.Form.Get("challenge_token"), "credential": passkeyOf(r)}
		err := enter(r, "/auth/token", body)
		if err == nil {
			return r.Redirect(next)
		}
		refused = atPasskey(r, err)
		var p *web.Problem
		if !errors.As(refused, &p) || p.Field(web.Credential) == "" {
			return m.logInAgain(r, refused)
		}
	}
	asked, err := asksForPasskey(r, "log_in")
	if err != nil {
		return m.logInAgain(r, err)
	}
	intro := r.Text("passkey_asked")
	if asked.Start = !answered; answered { // mutant: passkey-loop
		intro = r.Text("passkey_at_button")
	}
	return r.ShowForm(web.Page{Title: "log_in_by_passkey"}, web.Form{
		Intro: intro, Button: r.Text("use_passkey"), Action: "/account/log-in/passkey", Back: logInBefore(next), Passkey: asked,
		Fields: []web.Field{challengeToken(r), {Name: "next", Type: "hidden", Value: next}},
	}, refused)
}

// addPasskey asks for the name of a new passkey, and then for the passkey.
func (m *Module) addPasskey(r *web.Request) error {
	page, next := m.page("factors", "add_passkey"), r.URL.Query().Get("next")
	if !m.options.Passkeys {
		return &web.Problem{Status: http.StatusServiceUnavailable, Detail: r.Text("no_passkeys_here")}
	}
	if r.Method == http.MethodPost {
		next = r.Form.Get("next")
	}
	next = nextOf(r, next)
	name := web.Field{Name: "name", Type: "text", Label: r.Text("name"), Hint: r.Text("passkey_name_hint"), Value: r.Text("passkey_usual_name"), Autocomplete: "off"}
	goOn := web.Field{Name: "next", Type: "hidden", Value: next, Returns: true}
	form := web.Form{
		Intro: r.Text("add_passkey_explained"), Button: r.Text("go_on"), Back: "/account/factors", Passkey: &web.Passkey{}, Fields: []web.Field{name, goOn},
		Link: &web.Link{Text: r.Text("add_factor_instead"), URL: setUpAt("/account/factors/new", next)},
	}
	switch {
	case r.Method != http.MethodPost:
		return r.ShowForm(page, form, nil)
	case !r.Form.Has(web.Credential):
		asked, err := asksForPasskey(r, "enrol_passkey")
		if err != nil {
			return r.ShowForm(page, form, err)
		}
		name.Type, name.Value = "hidden", r.Form.Get("name")
		form.Intro, form.Button, form.Passkey, form.Link = r.Text("passkey_made"), r.Text("make_passkey"), asked, nil
		form.Fields = []web.Field{name, goOn, challengeToken(r)}
		return r.ShowForm(page, form, nil)
	}
	var answer struct {
		Codes []string `json:"recovery_codes"`
	}
	body := map[string]any{"challenge_token": r.Form.Get("challenge_token"), "credential": passkeyOf(r), "name": r.Form.Get("name")}
	err := r.Call(http.MethodPost, "/auth/factors/passkeys", body, &answer)
	if err == nil {
		return m.factorAdded(r, answer.Codes, next)
	}
	var p *web.Problem
	if err = atPasskey(r, err); errors.As(err, &p) && p.Field("name") != "" && p.Field(web.Credential) == "" {
		// The device has made the passkey. It only lacks a name.
		form.Intro, form.Passkey, form.Link = "", nil, nil
		form.Fields = []web.Field{name, goOn, challengeToken(r), {Name: web.Credential, Type: "hidden"}}
	}
	return r.ShowForm(page, form, err)
}

// setUpAt is the page that sets up a factor of the other kind, and then goes on to next.
func setUpAt(path, next string) string {
	if next == "" {
		return path
	}
	return path + "?" + nextQuery(next)
}
