package account

import (
	"encoding/json"
	"net/http"
	"net/url"

	"guildhall/platform/token"
	"guildhall/platform/web"
)

// answerOf returns what a form says to answer a challenge: the link's token, or the code and
// the token of whoever asked.
func answerOf(r *web.Request) map[string]any {
	if link := r.Form.Get("link_token"); link != "" {
		return map[string]any{"link_token": link}
	}
	return map[string]any{"challenge_token": r.Form.Get("challenge_token"), "code": r.Form.Get("code")}
}

// passwordOf returns what a form says to log in with a password.
func passwordOf(r *web.Request) map[string]any {
	return map[string]any{"username": r.Form.Get("email"), "password": r.Form.Get("password")}
}

// challenge is what the API answers when it sends a code, or asks for a passkey.
type challenge struct {
	ChallengeToken string          `json:"challenge_token"`
	PublicKey      json.RawMessage `json:"public_key"`
}

// enter calls an operation that answers with tokens, and begins the browser's session with
// them.
func enter(r *web.Request, path string, body map[string]any) error {
	var tokens token.Token
	if err := r.Call(http.MethodPost, path, body, &tokens); err != nil {
		return err
	}
	return r.Begin(tokens)
}

// enroll registers a person, or shows again the form in which they typed. Where the address
// has to be proved first, it asks for the code.
func enroll(r *web.Request, body map[string]any, name string, again web.Page, code codeMail, next string) error {
	var answer struct {
		token.Token
		challenge
	}
	r.AsNobody()
	body["password"], body["locale"] = r.Form.Get("password"), r.Locale
	if err := r.Call(http.MethodPost, "/auth/register", body, &answer); err != nil {
		return r.ShowProblem(err, name, again)
	}
	if code.Token = answer.ChallengeToken; code.Token != "" {
		return r.ShowForm(web.Page{Title: code.Title}, code.form(r), nil)
	}
	if err := r.Begin(answer.Token); err != nil {
		return err
	}
	return r.Redirect(next)
}

type logInForm struct {
	Options     Options
	Email, Next string
}

// nextQuery says in an address where to go on.
func nextQuery(next string) string { return url.Values{"next": {next}}.Encode() }

// logInBefore is the log-in that goes on to next.
func logInBefore(next string) string { return "/account/log-in?" + nextQuery(next) }

// Elsewhere are the other services to log in with.
func (f logInForm) Elsewhere() buttons { return buttons{Providers: f.Options.Providers, Next: f.Next} }

func (m *Module) showLogIn(r *web.Request) error {
	return r.Show("log-in", web.Page{Title: "log_in", Done: r.Outcome("reset", "closed", "erasure", "everywhere"), Data: logInForm{Options: m.options, Next: r.Next(r.URL.Query().Get("next"))}})
}

// logIn begins the browser's session with a password, or with the link from a mail.
func (m *Module) logIn(r *web.Request) error {
	form := passwordOf(r)
	if r.Form.Get("link_token") != "" {
		form = answerOf(r)
		form["grant_type"] = "challenge"
	}
	r.AsNobody()
	asked, err := m.admit(r, form, "next", "email")
	switch {
	case asked:
		return err
	case err != nil:
		return m.logInAgain(r, err)
	}
	return r.Redirect(r.Next(r.Form.Get("next")))
}

// logInAgain shows the log-in again, with why it was refused.
func (m *Module) logInAgain(r *web.Request, err error) error {
	return r.ShowProblem(err, "log-in", web.Page{Title: "log_in", Data: logInForm{Options: m.options, Email: r.Form.Get("email"), Next: r.Next(r.Form.Get("next"))}})
}

func (m *Module) logOut(r *web.Request) error {
	if r.SignedIn() {
		if err := r.Call(http.MethodPost, "/auth/logout", map[string]any{}, nil); err != nil {
			return err
		}
	}
	r.End()
	return r.Redirect("/account/log-in")
}

// chooseTheme keeps the look that a person chooses.
func (m *Module) chooseTheme(r *web.Request) error {
	r.SetTheme(r.Form.Get("theme"))
	return r.Redirect(r.Next(r.Form.Get("next")))
}

// welcomeForm creates the first account of the service, with the link that the service
// prints.
type welcomeForm struct {
	registerForm
	Link string
	Curl string
}

func (m *Module) showWelcome(r *web.Request) error {
	return r.Show("welcome", web.Page{Title: "welcome", Data: welcomeForm{Curl: m.setUpCall(r)}})
}

func (m *Module) setUpCall(r *web.Request) string {
	return r.Curl(http.MethodPost, "/auth/register", map[string]any{
		"name": "Ada Lovelace", "email": "ada@example.com", "password": "correct horse battery", "setup_token": "…",
	})
}

func (m *Module) welcome(r *web.Request) error {
	form := welcomeForm{registerForm{Name: r.Form.Get("name"), Email: r.Form.Get("email")}, r.Form.Get("link_token"), m.setUpCall(r)}
	body := map[string]any{"name": form.Name, "email": form.Email, "setup_token": form.Link, "organization_name": nil}
	return enroll(r, body, "welcome", web.Page{Title: "welcome", Data: form}, registrationCode.to(form.Email, "/console/new"), r.Next("/console/new"))
}

type registerForm struct {
	Name, Email, Next string
	Elsewhere         buttons // the other services to register with
}

func (m *Module) showRegister(r *web.Request) error {
	if !m.options.Registration {
		return &web.Problem{Status: http.StatusForbidden, Detail: r.Text("registration_closed")}
	}
	next := r.Next(r.URL.Query().Get("next"))
	return r.Show("register", web.Page{Title: "register", Data: registerForm{Next: next, Elsewhere: buttons{Providers: m.options.Providers, Next: next}}})
}

func (m *Module) register(r *web.Request) error {
	next := r.Next(r.Form.Get("next"))
	form := registerForm{r.Form.Get("name"), r.Form.Get("email"), next, buttons{Providers: m.options.Providers, Next: next}}
	body := map[string]any{"name": form.Name, "email": form.Email}
	return enroll(r, body, "register", web.Page{Title: "register", Data: form}, registrationCode.to(form.Email, form.Next), form.Next)
}

func (m *Module) showForgot(r *web.Request) error {
	return r.Show("forgot", web.Page{Title: "forgot", Data: ""})
}

// forgot sends a code, and asks for it and the new password.
func (m *Module) forgot(r *web.Request) error {
	email := r.Form.Get("email")
	var c challenge
	if err := r.Call(http.MethodPost, "/auth/challenges", map[string]any{"purpose": "reset_password", "email": email}, &c); err != nil {
		return r.ShowProblem(err, "forgot", web.Page{Title: "forgot", Data: email})
	}
	return r.Show("reset", web.Page{Title: "new_password", Data: resetForm{Token: c.ChallengeToken, Email: email}})
}

// resetForm asks for a new password. Without a Token the link of a mail opened it.
type resetForm struct{ Token, Email, Link, Code string }

func (m *Module) showReset(r *web.Request) error {
	return r.Show("reset", web.Page{Title: "new_password", Data: resetForm{}})
}

func (m *Module) reset(r *web.Request) error {
	form := answerOf(r)
	form["new_password"] = r.Form.Get("new_password")
	if err := r.Call(http.MethodPost, "/auth/password-reset", form, nil); err != nil {
		return r.ShowProblem(err, "reset", web.Page{Title: "new_password", Data: resetForm{
			Token: r.Form.Get("challenge_token"), Email: r.Form.Get("email"), Link: r.Form.Get("link_token"), Code: r.Form.Get("code"),
		}})
	}
	r.End()
	return r.Redirect("/account/log-in?done=reset")
}

// verifyForm confirms an address: with the code to a Token, or with the Link of a mail.
type verifyForm struct {
	SignedIn           bool
	Token, Link, Email string
}

func (m *Module) showVerify(r *web.Request) error {
	return r.Show("verify", web.Page{Title: "verify", Data: verifyForm{SignedIn: r.SignedIn()}})
}

// sendVerification sends a code to the person's address, and asks for it.
func (m *Module) sendVerification(r *web.Request) error {
	if !r.SignedIn() {
		return web.ErrSignIn
	}
	var c challenge
	if err := r.Call(http.MethodPost, "/auth/challenges", map[string]any{"purpose": "verify_email"}, &c); err != nil {
		return err
	}
	return r.Show("verify", web.Page{Title: "verify", Data: verifyForm{SignedIn: true, Token: c.ChallengeToken}})
}

// verify answers a mail to prove an address. Whoever is not logged in logs in on the same
// form: only the person of the account may answer.
func (m *Module) verify(r *web.Request) error {
	again := verifyForm{SignedIn: r.SignedIn(), Token: r.Form.Get("challenge_token"), Link: r.Form.Get("link_token"), Email: r.Form.Get("email")}
	if !r.SignedIn() {
		switch asked, err := m.admit(r, passwordOf(r), "link_token", "challenge_token", "code", "email"); {
		case asked:
			return err
		case err != nil:
			return r.ShowProblem(err, "verify", web.Page{Title: "verify", Data: again})
		}
		again.SignedIn = true
	}
	if err := r.Call(http.MethodPost, "/auth/email-confirmation", answerOf(r), nil); err != nil {
		return r.ShowProblem(err, "verify", web.Page{Title: "verify", Data: again})
	}
	return r.Redirect("/account?done=verified")
}

func (m *Module) showDisavow(r *web.Request) error {
	return r.Show("disavow", web.Page{Title: "disavow", Data: ""})
}

func (m *Module) disavow(r *web.Request) error {
	if err := r.Call(http.MethodPost, "/auth/disavow", map[string]any{"link_token": r.Form.Get("link_token")}, nil); err != nil {
		return r.ShowProblem(err, "disavow", web.Page{Title: "disavow", Data: r.Form.Get("link_token")})
	}
	r.End()
	return r.Show("forgot", web.Page{Title: "disavowed", Done: "done_disavow", Data: ""})
}
