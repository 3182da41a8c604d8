package account

import (
	"net/http"
	"time"

	"guildhall/platform/web"
)

// This file lets a person ask for the removal of their lost second factors: with a code from a
// mail, and the password.

func (m *Module) askLost(r *web.Request, err error) error {
	return r.ShowForm(web.Page{Title: "lost_factors"}, web.Form{
		Intro: r.Text("lost_factors_explained"), Button: r.Text("send_code"), Back: "/account/log-in",
		Fields: []web.Field{{Name: "email", Type: "email", Label: r.Text("email"), Autocomplete: "username", Autofocus: true}},
	}, err)
}

func (m *Module) showLost(r *web.Request) error { return m.askLost(r, nil) }

// lost sends the code, and asks for it and the password.
func (m *Module) lost(r *web.Request) error {
	var c challenge
	if err := r.Call(http.MethodPost, "/auth/challenges", map[string]any{"purpose": "recover_factors", "email": r.Form.Get("email")}, &c); err != nil {
		return m.askLost(r, err)
	}
	return r.ShowForm(web.Page{Title: "lost_factors"}, m.proveLost(r, c.ChallengeToken), nil)
}

func (m *Module) proveLost(r *web.Request, token string) web.Form {
	return web.Form{
		Intro: r.Text("code_sent_if", r.Form.Get("email")), Button: r.Text("remove_lost_factors"), Danger: true, Action: "/account/lost-factors/code", Back: "/account/log-in",
		Fields: []web.Field{
			{Name: "challenge_token", Type: "hidden", Value: token},
			{Name: "email", Type: "hidden", Value: r.Form.Get("email")},
			{Name: "code", Type: "text", Label: r.Text("code"), Class: "code", Autocomplete: "one-time-code", Inputmode: "numeric", Autofocus: true},
			{Name: "password", Type: "password", Label: r.Text("password"), Autocomplete: "current-password"},
		},
	}
}

// recoverFactors asks for the removal, and says when it takes effect.
func (m *Module) recoverFactors(r *web.Request) error {
	var started struct {
		At time.Time `json:"recovers_at"`
	}
	body := answerOf(r)
	body["password"] = r.Form.Get("password")
	if err := r.Call(http.MethodPost, "/auth/factor-recovery", body, &started); err != nil {
		return r.ShowForm(web.Page{Title: "lost_factors"}, m.proveLost(r, r.Form.Get("challenge_token")), web.At(err, "invalid_challenge", "code"))
	}
	return r.Show("lost-factors", web.Page{Title: "lost_factors", Data: started.At})
}

// keepFactors stops it.
func (m *Module) keepFactors(r *web.Request) error {
	if err := r.Call(http.MethodDelete, "/auth/factor-recovery", nil, nil); err != nil {
		return err
	}
	return r.Redirect("/account/factors?done=factors_kept")
}
