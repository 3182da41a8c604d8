package account

import (
	"net/http"
	"net/url"

	"guildhall/platform/web"
)

func (m *Module) sessions(r *web.Request) (err error) {
	page := m.page("sessions", "nav_sessions")
	if page.Data, err = r.Sessions("/auth/sessions"); err != nil {
		return err
	}
	page.Done = r.Outcome("ended")
	return r.Show("sessions", page)
}

func (m *Module) endSession(r *web.Request) error {
	form := web.Form{Intro: r.Text("end_explained"), Button: r.Text("end"), Danger: true, Back: "/account/sessions"}
	return r.Act(m.page("sessions", "ask_end"), form, func() (string, error) {
		return "/account/sessions?done=ended", r.Call(http.MethodDelete, "/auth/sessions/"+url.PathEscape(r.PathValue("session")), nil, nil)
	})
}

// logOutEverywhere ends all sessions of the person, also this one.
func (m *Module) logOutEverywhere(r *web.Request) error {
	me, err := r.Me()
	if err != nil {
		return err
	}
	form := web.Form{Intro: r.Text("everywhere_explained"), Button: r.Text("everywhere"), Danger: true, Match: me.Email, Back: "/account/sessions"}
	return r.Act(m.page("sessions", "everywhere"), form, func() (string, error) {
		if err := r.Call(http.MethodPost, "/auth/logout", map[string]any{"all": true}, nil); err != nil {
			return "", err
		}
		r.End()
		return "/account/log-in?done=everywhere", nil
	})
}
