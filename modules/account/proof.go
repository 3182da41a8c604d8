package account

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"guildhall/platform/web"
)

// This file asks for a second factor: to complete a log-in, and to confirm that it is still
// the person.

// mostTries is how many answers to its challenge the API judges.
const mostTries = 5

// The second factors, as the API names them.
const (
	byPasskey      = "passkey"
	byApp          = "otp"
	byRecoveryCode = "recovery_code"
)

// usable returns those that these pages can ask for, in the order in which they offer them.
func (m *Module) usable(methods ...string) (can []string) {
	for _, method := range []string{byPasskey, byApp, byRecoveryCode} {
		if slices.Contains(methods, method) && (method != byPasskey || m.options.Passkeys) { // mutant: passkey-pages
			can = append(can, method)
		}
	}
	return can
}

// methodOf returns by which of the methods the person proves who they are: the one that they chose or
// gave, or else the first.
func methodOf(r *web.Request, can []string) string {
	use := r.Form.Get("use")
	for _, method := range can {
		if use == method || use == "" && r.Form.Has(fieldOf(method)) {
			return method
		}
	}
	if len(can) == 0 {
		return ""
	}
	return can[0]
}

// fieldOf is the field in which a form gives a second factor.
func fieldOf(method string) string {
	if method == byPasskey {
		return web.Credential
	}
	return method
}

// factorOf returns the second factor that a form gives.
func factorOf(r *web.Request, method string) map[string]any {
	switch method {
	case byPasskey:
		return map[string]any{"challenge_token": r.Form.Get("challenge_token"), "credential": passkeyOf(r)}
	case byRecoveryCode:
		return map[string]any{"recovery_code": r.Form.Get("recovery_code")}
	}
	return map[string]any{"otp": r.Form.Get("otp")}
}

// askFactor adds to a form the question for a second factor, and the ways to the others that the
// person has.
func askFactor(r *web.Request, f web.Form, can []string, asked *web.Passkey) web.Form {
	method := methodOf(r, can)
	switch method {
	case byPasskey:
		if f.Passkey, f.Button = asked, r.Text("use_passkey"); asked.Start {
			f.Intro = r.Text("passkey_asked")
		}
	case byApp:
		f.Fields = append(f.Fields, web.Field{Name: "otp", Type: "text", Label: r.Text("otp"), Hint: r.Text("otp_hint"), Class: "code", Autocomplete: "one-time-code", Inputmode: "numeric", Autofocus: true})
	case byRecoveryCode:
		f.Fields = append(f.Fields, web.Field{Name: "recovery_code", Type: "text", Label: r.Text("recovery_code"), Hint: r.Text("recovery_code_hint"), Class: "long code", Autocomplete: "off", Autofocus: true})
	default:
		f.Intro, f.Button = r.Text("no_usable_factor"), ""
	}
	for _, other := range can {
		if other != method {
			f.Others = append(f.Others, web.Other{Name: "use", Value: other, Label: r.Text("instead_" + other)})
		}
	}
	return f
}

// atFactor puts the refusal of a second factor beside its field, which is empty again.
func atFactor(r *web.Request, method string, err error) error {
	if method == byPasskey {
		return atPasskey(r, err)
	}
	r.Form.Del("otp")
	return web.At(web.At(err, "wrong_otp", "otp"), "wrong_recovery_code", "recovery_code")
}

// lostLink returns the way on for who lost every factor.
func (m *Module) lostLink(r *web.Request) *web.Link {
	if !m.options.Mail {
		return nil
	}
	return &web.Link{Text: r.Text("lost_all_factors"), URL: "/account/lost-factors"}
}

// admit begins the browser's session: with the first proof of a log-in, or with the second
// factor that completes it. Where that is missing or wrong, admit asks for it, and returns true.
// Its form comes back to the same path with the values that it keeps. Only the form has the
// token of the challenge: no address and no cookie does.
func (m *Module) admit(r *web.Request, first map[string]any, keep ...string) (asked bool, err error) {
	token := r.Form.Get("factor_token")
	if token == "" {
		var p *web.Problem
		if err := enter(r, "/auth/token", first); !errors.As(err, &p) || p.Code != "mfa_required" {
			return false, err
		}
		r.Form.Set("factor_token", p.Challenge)
		r.Form.Set("factor_until", r.Now().Add(time.Duration(p.ExpiresIn)*time.Second).UTC().Format(time.RFC3339))
		r.Form.Set("factor_methods", strings.Join(p.Methods, " "))
		r.Form.Set("factor_options", string(p.PublicKey))
		return true, r.ShowForm(web.Page{Title: "second_factor"}, m.completing(r, keep), nil)
	}
	if r.Form.Get("use") != "" {
		return true, r.ShowForm(web.Page{Title: "second_factor"}, m.completing(r, keep), nil)
	}
	method := methodOf(r, m.logInMethods(r))
	body := factorOf(r, method)
	body["grant_type"], body["challenge_token"] = "challenge", token
	if err = enter(r, "/auth/token", body); err == nil {
		return false, nil
	}
	var p *web.Problem
	if errors.As(err, &p) && p.Code == "invalid_challenge" {
		tries, _ := strconv.Atoi(r.Form.Get("factor_tries"))
		until, _ := time.Parse(time.RFC3339, r.Form.Get("factor_until"))
		if tries++; tries >= mostTries || !r.Now().Before(until) {
			return false, &web.Problem{Status: http.StatusUnauthorized, Detail: r.Text("factor_too_late")}
		}
		r.Form.Set("factor_tries", strconv.Itoa(tries))
		// The API's sentence is also about mails, and says to ask for a new code.
		switch method {
		case byApp:
			p.Code, p.Detail = "wrong_otp", r.Text("wrong_otp")
		case byRecoveryCode:
			p.Code, p.Detail = "wrong_recovery_code", r.Text("wrong_recovery_code")
		}
	}
	return true, r.ShowForm(web.Page{Title: "second_factor"}, m.completing(r, keep), atFactor(r, method, err))
}

// logInMethods returns by which second factors the person can complete the log-in.
func (m *Module) logInMethods(r *web.Request) []string {
	return m.usable(strings.Fields(r.Form.Get("factor_methods"))...)
}

// completing is the form that asks for the second factor of a log-in.
func (m *Module) completing(r *web.Request, keep []string) web.Form {
	f := web.Form{Intro: r.Text("second_factor_explained"), Button: r.Text("log_in"), Action: r.URL.Path, Link: m.lostLink(r), Back: logInBefore(r.Next(r.Form.Get("next")))}
	for _, name := range append(keep, "factor_token", "factor_until", "factor_tries", "factor_methods", "factor_options") {
		f.Fields = append(f.Fields, web.Field{Name: name, Type: "hidden", Value: r.Form.Get(name)})
	}
	return askFactor(r, f, m.logInMethods(r), &web.Passkey{Options: r.Form.Get("factor_options"), Start: r.Form.Get("use") == byPasskey})
}

// confirm asks for the password, or for the second factor of who has one.
func (m *Module) confirm(r *web.Request) error {
	next := r.URL.Query().Get("next")
	if r.Method == http.MethodPost {
		next = r.Form.Get("next")
	}
	factors, err := r.Factors()
	if err != nil {
		return err
	}
	page := m.page("", "confirm_yourself")
	form := web.Form{Intro: r.Text("confirm_explained"), Button: r.Text("go_on"), Back: r.Start(), Fields: []web.Field{
		{Name: "next", Type: "hidden", Value: r.Next(next)},
	}}
	if len(factors.Factors) > 0 {
		return m.confirmByFactor(r, page, form, factors)
	}
	form.Intro = r.Text("confirm_by_password")
	form.Fields = append(form.Fields, m.present(r, "password"))
	if len(m.options.Providers) > 0 { // whoever registered with one has no password
		form.Link = &web.Link{Text: r.Text("no_password"), URL: logInBefore(r.Next(next))}
	}
	return r.Act(page, form, func() (string, error) {
		err := r.Call(http.MethodPost, "/auth/step-up", map[string]any{"password": r.Form.Get("password")}, nil)
		return r.Next(next), web.At(err, "wrong_password", "password")
	})
}

// confirmByFactor asks for a second factor. A page that is only shown can't ask for a passkey, so
// the person presses a button first.
func (m *Module) confirmByFactor(r *web.Request, page web.Page, form web.Form, has web.Factors) error {
	var methods []string
	for _, f := range has.Factors {
		if f.IsPasskey() {
			methods = append(methods, byPasskey)
		} else {
			methods = append(methods, byApp)
		}
	}
	if has.CodesLeft > 0 {
		methods = append(methods, byRecoveryCode)
	}
	can := m.usable(methods...)
	method := methodOf(r, can)
	answered := r.Method == http.MethodPost && r.Form.Get("use") == "" && (method != byPasskey || r.Form.Has(web.Credential))
	var refused error
	if answered {
		err := r.Call(http.MethodPost, "/auth/step-up", factorOf(r, method), nil)
		if err == nil {
			return r.Redirect(r.Next(r.Form.Get("next")))
		}
		refused = atFactor(r, method, err)
	}
	asked := &web.Passkey{}
	if r.Method == http.MethodPost && method == byPasskey {
		var err error
		asked, err = asksForPasskey(r, "step_up")
		var p *web.Problem
		switch {
		case errors.As(err, &p) && p.Code == "no_passkey": // they belong to a former domain
			can, asked, refused = slices.DeleteFunc(can, func(method string) bool { return method == byPasskey }), nil, err
		case err != nil:
			return err
		default:
			asked.Start = !answered
			form.Fields = append(form.Fields, challengeToken(r))
		}
	}
	return r.ShowForm(page, askFactor(r, form, can, asked), refused)
}
