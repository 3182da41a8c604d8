package account

import (
	"net/http"

	"guildhall/platform/web"
)

// page returns a page about the person who is logged in.
func (m *Module) page(section, title string) web.Page {
	if m.options.LogInOnly {
		return web.Page{Title: title, Area: &web.Area{}}
	}
	area := &web.Area{Items: []web.Item{{Section: "overview", Path: "/account"}}}
	for _, s := range []string{"profile", "password", "factors", "identities", "email", "sessions", "keys", "activity", "organizations", "data", "close"} {
		if s == "email" && !m.options.Mail {
			continue // a new address could not be proved
		}
		if s == "identities" && len(m.options.Providers) == 0 {
			continue
		}
		area.Items = append(area.Items, web.Item{Section: s, Path: "/account/" + s})
	}
	return web.Page{Title: title, Area: area, Section: section}
}

// overview is the page at which people arrive.
type overview struct {
	Mail        bool
	Invitations []invitation
}

func (m *Module) overview(r *web.Request) (err error) {
	data := overview{Mail: m.options.Mail}
	if data.Invitations, err = invitations(r); err != nil {
		return err
	}
	page := m.page("overview", "account")
	page.Done, page.Data = r.Outcome("verified", "joined", "declined"), data
	return r.Show("overview", page)
}

// profile changes what others see of the person, and their language.
func (m *Module) profile(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	language := web.Field{Name: "locale", Type: "select", Label: r.Text("language"), Value: text(me.Locale), Options: []web.Option{{Label: r.Text("language_of_browser")}}}
	for _, locale := range web.Locales {
		language.Options = append(language.Options, web.Option{Value: locale, Label: r.Text("language_" + locale)})
	}
	form := web.Form{Intro: r.Text("profile_explained"), Button: r.Text("save"), Fields: []web.Field{
		{Name: "name", Type: "text", Label: r.Text("name"), Value: me.Name, Autocomplete: "name"},
		{Name: "bio", Type: "textarea", Label: r.Text("bio"), Value: text(me.Bio), Optional: true},
		{Name: "avatar_url", Type: "url", Label: r.Text("avatar"), Hint: r.Text("avatar_hint"), Value: text(me.Avatar), Optional: true, Autocomplete: "photo"},
		language,
	}}
	page := m.page("profile", "nav_profile")
	page.Done = r.Outcome("saved")
	return r.Act(page, form, func() (string, error) {
		body := map[string]any{"name": r.Form.Get("name")}
		for _, name := range []string{"bio", "avatar_url", "locale"} {
			if body[name] = nil; r.Form.Get(name) != "" {
				body[name] = r.Form.Get(name)
			}
		}
		return "/account/profile?done=saved", r.Call(http.MethodPatch, "/users/"+me.ID+"/profile", body, nil)
	})
}

// text is a text that may be missing.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (m *Module) password(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("password_explained"), Button: r.Text("set_password"), Fields: []web.Field{
		m.present(r, "old_password"),
		{Name: "new_password", Type: "password", Label: r.Text("chosen_password"), Hint: r.Text("password_hint"), Autocomplete: "new-password"},
	}}
	page := m.page("password", "nav_password")
	page.Done = r.Outcome("password")
	return r.Act(page, form, func() (string, error) {
		body := map[string]any{"old_password": r.Form.Get("old_password"), "new_password": r.Form.Get("new_password")}
		err := r.Call(http.MethodPatch, "/users/"+me.ID+"/password", body, nil)
		return "/account/password?done=password", web.At(err, "wrong_password", "old_password")
	})
}

// present asks for the password that the person has.
func (m *Module) present(r *web.Request, name string) web.Field {
	f := web.Field{Name: name, Type: "password", Label: r.Text("present_password"), Autocomplete: "current-password", Autofocus: true}
	if m.options.Mail {
		f.Hint = r.Text("present_password_hint")
	}
	return f
}

// email sends a code to a new address, and asks for it.
func (m *Module) email(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	page := m.page("email", "nav_email")
	page.Done = r.Outcome("email")
	form := web.Form{Intro: r.Text("email_explained", me.Email), Button: r.Text("send_code"), Fields: []web.Field{
		{Name: "new_email", Type: "email", Label: r.Text("new_email"), Autocomplete: "email"},
	}}
	if r.Method != http.MethodPost {
		return r.ShowForm(page, form, nil)
	}
	var c challenge
	wanted := r.Form.Get("new_email")
	err = r.Call(http.MethodPost, "/auth/challenges", map[string]any{"purpose": "change_email", "new_email": wanted}, &c)
	if err != nil {
		return r.ShowForm(page, form, err)
	}
	return r.ShowForm(page, emailCode(r, c.ChallengeToken, wanted), nil)
}

func emailCode(r *web.Request, token, email string) web.Form {
	return web.Form{Intro: r.Text("code_sent", email), Button: r.Text("change_email"), Action: "/account/email/code", Back: "/account/email", Fields: append(codeFields(r, token),
		web.Field{Name: "new_email", Type: "hidden", Value: email})}
}

// changeEmail takes the code from the mail to the new address.
func (m *Module) changeEmail(r *web.Request) error {
	form := emailCode(r, r.Form.Get("challenge_token"), r.Form.Get("new_email"))
	return r.Act(m.page("email", "nav_email"), form, func() (string, error) {
		err := r.Call(http.MethodPost, "/auth/email-confirmation", answerOf(r), nil)
		return "/account/email?done=email", web.At(err, "invalid_challenge", "code")
	})
}

// activity shows what happened to the account.
func (m *Module) activity(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	page := m.page("activity", "nav_activity")
	if page.Data, err = r.Trail("/users/" + me.ID + "/audit-events"); err != nil {
		return err
	}
	return r.Show("activity", page)
}

// data is the export of what the service holds about the person.
func (m *Module) data(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	page := m.page("data", "nav_data")
	form := web.Form{Intro: r.Text("data_explained"), Button: r.Text("download_data"), Link: &web.Link{Text: r.Text("to_erase"), URL: "/account/erase"}}
	if r.Method == http.MethodPost {
		err = r.Download("/users/" + me.ID + "/export")
		if err == nil {
			return nil
		}
	}
	return r.ShowForm(page, form, err)
}

// erase closes the account, and has it erased after a delay.
func (m *Module) erase(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("erase_explained", m.options.ErasureDays), Button: r.Text("nav_erase"), Danger: true, Match: me.Email, Back: "/account/data"}
	return r.Act(m.page("data", "nav_erase"), form, func() (string, error) {
		if err := r.Call(http.MethodDelete, "/users/"+me.ID, nil, nil); err != nil {
			return "", err
		}
		r.End()
		return "/account/log-in?done=erasure", nil
	})
}

// close archives the account.
func (m *Module) close(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("close_explained"), Button: r.Text("nav_close"), Danger: true, Match: me.Email, Fields: []web.Field{
		{Name: "reason", Type: "textarea", Label: r.Text("reason"), Hint: r.Text("reason_hint")},
	}, Link: &web.Link{Text: r.Text("to_erase"), URL: "/account/erase"}}
	return r.Act(m.page("close", "nav_close"), form, func() (string, error) {
		if err := r.Call(http.MethodPost, "/users/"+me.ID+"/archive", map[string]any{"reason": r.Form.Get("reason")}, nil); err != nil {
			return "", err
		}
		r.End()
		return "/account/log-in?done=closed", nil
	})
}
