package account

import (
	"net/http"

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

// challenge is what the API answers when it sends a code.
type challenge struct {
	ChallengeToken string `json:"challenge_token"`
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

// codeForm asks for the code that completes a registration.
type codeForm struct{ Token, Email, Next string }

// enroll registers a person, or shows again the form in which they typed. Where the address
// has to be proved first, it asks for the code.
func enroll(r *web.Request, body map[string]any, name string, again web.Page, code codeForm, next string) error {
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
		return r.Show("register-code", web.Page{Title: "enter_code", Data: code})
	}
	if err := r.Begin(answer.Token); err != nil {
		return err
	}
	return r.Redirect(next)
}

// home shows who is logged in.
func (m *Module) home(r *web.Request) error {
	if !r.SignedIn() {
		return web.ErrSignIn
	}
	var me struct {
		Name, Email string
		Verified    bool `json:"email_verified"`
	}
	if err := r.Call(http.MethodGet, "/auth/me", nil, &me); err != nil {
		return err
	}
	var organizations []struct {
		ID, Name, Role string
	}
	if err := r.Call(http.MethodGet, "/organizations", nil, &organizations); err != nil {
		return err
	}
	done := ""
	switch r.URL.Query().Get("done") {
	case "verified":
		done = "done_verified"
	case "joined":
		done = "done_joined"
	}
	return r.Show("home", web.Page{Title: "account", Done: done, Data: map[string]any{"Me": me, "Organizations": organizations, "Mail": m.options.Mail}})
}

type logInForm struct {
	Options     Options
	Email, Next string
}

func (m *Module) showLogIn(r *web.Request) error {
	done := ""
	if r.URL.Query().Get("done") == "reset" {
		done = "done_reset"
	}
	return r.Show("log-in", web.Page{Title: "log_in", Done: done, Data: logInForm{Options: m.options, Next: r.Next(r.URL.Query().Get("next"))}})
}

// logIn begins the browser's session with a password, or with the link from a mail.
func (m *Module) logIn(r *web.Request) error {
	form := passwordOf(r)
	if r.Form.Get("link_token") != "" {
		form = answerOf(r)
		form["grant_type"] = "challenge"
	}
	r.AsNobody()
	if err := enter(r, "/auth/token", form); err != nil {
		return r.ShowProblem(err, "log-in", web.Page{Title: "log_in", Data: logInForm{Options: m.options, Email: r.Form.Get("email"), Next: r.Next(r.Form.Get("next"))}})
	}
	return r.Redirect(r.Next(r.Form.Get("next")))
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

type registerForm struct{ Name, Email, Next string }

func (m *Module) showRegister(r *web.Request) error {
	return r.Show("register", web.Page{Title: "register", Data: registerForm{Next: r.Next(r.URL.Query().Get("next"))}})
}

func (m *Module) register(r *web.Request) error {
	form := registerForm{r.Form.Get("name"), r.Form.Get("email"), r.Next(r.Form.Get("next"))}
	body := map[string]any{"name": form.Name, "email": form.Email}
	return enroll(r, body, "register", web.Page{Title: "register", Data: form}, codeForm{Email: form.Email, Next: form.Next}, form.Next)
}

func (m *Module) completeRegistration(r *web.Request) error {
	form := answerOf(r)
	form["grant_type"] = "challenge"
	r.AsNobody()
	if err := enter(r, "/auth/token", form); err != nil {
		return r.ShowProblem(err, "register-code", web.Page{Title: "enter_code", Data: codeForm{
			Token: r.Form.Get("challenge_token"), Email: r.Form.Get("email"), Next: r.Next(r.Form.Get("next")),
		}})
	}
	return r.Redirect(r.Next(r.Form.Get("next")))
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
		if err := enter(r, "/auth/token", passwordOf(r)); err != nil {
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
