package account

import (
	"net/http"

	"guildhall/platform/web"
)

// codeMail is a mail with a code, and what its code is entered for.
type codeMail struct {
	Title, Intro, Button string // keys of texts
	Action               string // where the code is sent

	Token, Email, Next string
}

// Mails with a code that logs the person in.
var (
	registrationCode = codeMail{Title: "enter_code", Intro: "code_sent", Button: "complete_registration", Action: "/account/register/code"}
	logInCode        = codeMail{Title: "log_in", Intro: "code_sent_if", Button: "log_in", Action: "/account/log-in/code"}
)

// to returns the mail to an address, after whose code the person goes on to next.
func (c codeMail) to(email, next string) codeMail {
	c.Email, c.Next = email, next
	return c
}

// form asks for the code.
func (c codeMail) form(r *web.Request) web.Form {
	return web.Form{Intro: r.Text(c.Intro, c.Email), Button: r.Text(c.Button), Action: c.Action, Fields: append(codeFields(r, c.Token),
		web.Field{Name: "email", Type: "hidden", Value: c.Email}, web.Field{Name: "next", Type: "hidden", Value: c.Next})}
}

// codeFields ask for the code that answers a challenge.
func codeFields(r *web.Request, token string) []web.Field {
	return []web.Field{
		{Name: "challenge_token", Type: "hidden", Value: token},
		{Name: "code", Type: "text", Label: r.Text("code"), Class: "code", Autocomplete: "one-time-code", Inputmode: "numeric", Autofocus: true},
	}
}

// logInWith takes the code, and begins the browser's session.
func (m *Module) logInWith(mail codeMail) func(*web.Request) error {
	return func(r *web.Request) error {
		c, body := mail.to(r.Form.Get("email"), r.Next(r.Form.Get("next"))), answerOf(r)
		body["grant_type"] = "challenge"
		r.AsNobody()
		asked, err := m.admit(r, body, "next", "email")
		switch {
		case asked:
			return err
		case err != nil && r.Form.Get("factor_token") != "": // the mail's code was used
			return m.logInAgain(r, err)
		case err != nil:
			return r.ShowForm(web.Page{Title: c.Title}, c.form(r), web.At(err, "invalid_challenge", "code"))
		}
		return r.Redirect(c.Next)
	}
}

// mailLogIn sends a code with which a person logs in, and asks for it.
func (m *Module) mailLogIn(r *web.Request) error {
	page, next := web.Page{Title: "log_in_by_mail"}, r.Next(r.Form.Get("next"))
	if r.Method != http.MethodPost {
		next = r.Next(r.URL.Query().Get("next"))
	}
	form := web.Form{Intro: r.Text("log_in_by_mail_explained"), Button: r.Text("send_code"), Back: "/account/log-in", Fields: []web.Field{
		{Name: "next", Type: "hidden", Value: next},
		{Name: "email", Type: "email", Label: r.Text("email"), Autocomplete: "username", Autofocus: true},
	}}
	if r.Method != http.MethodPost {
		return r.ShowForm(page, form, nil)
	}
	c := logInCode.to(r.Form.Get("email"), next)
	var answer challenge
	if err := r.Call(http.MethodPost, "/auth/challenges", map[string]any{"purpose": "log_in", "email": c.Email}, &answer); err != nil {
		return r.ShowForm(page, form, err)
	}
	c.Token = answer.ChallengeToken
	return r.ShowForm(web.Page{Title: c.Title}, c.form(r), nil)
}
