package console

import (
	"net/http"
	"slices"
	"time"

	"guildhall/platform/web"
)

// wholeAccount is the body of what is done to an account, not to a membership.
func wholeAccount(*web.Request, string) map[string]any { return map[string]any{"scope": "account"} }

func ofAccount(rest string) func(string) string {
	return func(user string) string { return "/users/" + user + rest }
}

// accountActs are offered in this order.
var accountActs = []act{
	{
		name: "suspend", operation: "suspendUser", method: http.MethodPost, undo: "restore", danger: true,
		path: ofAccount("/suspend"), fields: accountSuspensionFields,
		body: func(r *web.Request, _ string) map[string]any {
			body := suspensionOf(r)
			body["scope"] = "account"
			return body
		},
		offered: func(_ *place, p *person) bool { return p.Standing == "good" || p.Standing == "inactive" },
	},
	{
		name: "amend", operation: "updateUserSuspension", method: http.MethodPatch,
		path: ofAccount("/suspension"), fields: accountAmendmentFields,
		body:    func(r *web.Request, _ string) map[string]any { return amendmentOf(r) },
		offered: func(_ *place, p *person) bool { return p.Standing == "suspended" },
	},
	{
		name: "deactivate", operation: "deactivateUser", method: http.MethodPost, undo: "restore",
		path: ofAccount("/deactivate"), body: wholeAccount,
		offered: func(_ *place, p *person) bool { return p.Standing == "good" },
	},
	{
		name: "restore", operation: "activateUser", method: http.MethodPost,
		path: ofAccount("/activate"), body: wholeAccount,
		offered: func(_ *place, p *person) bool { return p.Standing == "suspended" || p.Standing == "inactive" },
	},
	{
		name: "close", operation: "archiveUser", method: http.MethodPost, typed: true,
		path:    ofAccount("/archive"),
		fields:  func(r *web.Request) []web.Field { return []web.Field{reasonField(r, "reason_confidential")} },
		body:    func(r *web.Request, _ string) map[string]any { return map[string]any{"reason": r.Form.Get("reason")} },
		offered: func(_ *place, p *person) bool { return p.Standing != "archived" },
	},
	{
		name: "reopen", operation: "unarchiveUser", method: http.MethodPost,
		path:    ofAccount("/unarchive"),
		body:    func(*web.Request, string) map[string]any { return map[string]any{} },
		offered: func(_ *place, p *person) bool { return p.Standing == "archived" && p.Erased == nil },
	},
	{
		name: "erase", operation: "eraseUser", method: http.MethodDelete, undo: "keep", typed: true,
		path:    ofAccount(""),
		offered: func(_ *place, p *person) bool { return p.Erased == nil },
	},
	{
		name: "keep", operation: "cancelErasure", method: http.MethodPost,
		path:    ofAccount("/cancel-erasure"),
		offered: func(_ *place, p *person) bool { return p.Erased != nil && !p.Gone },
	},
}

func accountSuspensionFields(r *web.Request) []web.Field {
	return reasonAndEnd(r, "reason_confidential")
}

func accountAmendmentFields(r *web.Request) []web.Field {
	return reasonAndEnd(r, "reason_confidential", sameEnd(r))
}

// membership is what a person is in an organization.
type membership struct {
	web.Membership
	Archived bool      `json:"is_archived"`
	Joined   time.Time `json:"joined_at"`
}

// accountPage is a page about one person.
type accountPage struct {
	Account account
	Person  person // the same, with what can be done
	Self    bool

	List        web.List
	Memberships []membership
	Suspensions []suspension
}

// accountOf returns the person that a page is about.
func accountOf(r *web.Request) (*accountPage, error) {
	me, err := r.Me()
	if err != nil {
		return nil, err
	}
	var p accountPage
	if err := r.Call(http.MethodGet, "/users/"+id(r, "user"), nil, &p.Account); err != nil {
		return nil, err
	}
	a := p.Account
	p.Account.Gone = a.Erased != nil && !a.Erased.After(r.Now())
	p.Person = person{ID: a.ID, Name: a.Name, Email: a.Email, Standing: a.Standing.Account, Erased: a.Erased, Gone: p.Account.Gone}
	p.Person.offer(accountActs, nil, me)
	p.Self = a.ID == me.ID
	return &p, nil
}

// Path is that of a page of the person.
func (p *accountPage) Path(rest string) string { return "/console/people/" + p.Account.ID + rest }

func (m *Module) account(r *web.Request) error {
	p, err := accountOf(r)
	if err != nil {
		return err
	}
	administrators, err := administratorsOf(r)
	if err != nil {
		return err
	}
	p.Account.Administrator = slices.ContainsFunc(administrators, func(a administrator) bool { return a.ID == p.Account.ID })
	if p.List, err = r.List("/users/"+p.Account.ID+"/organizations?include_archived=true", &p.Memberships); err != nil {
		return err
	}
	if err := r.Call(http.MethodGet, "/users/"+p.Account.ID+"/suspensions?limit=1000", nil, &p.Suspensions); err != nil {
		return err
	}
	page := platformPage(r, "people", "")
	page.Heading, page.Data = p.Account.Name, p
	page.Done = r.Outcome("account_created")
	tell(r, &page, accountActs, p.Path(""), &p.Person, p.Suspensions)
	return r.Show("person", page)
}

// actOnAccount serves the form of an act on an account.
func (m *Module) actOnAccount(a act) func(*web.Request) error {
	return func(r *web.Request) error {
		p, err := accountOf(r)
		if err != nil {
			return err
		}
		return a.serve(r, platformPage(r, "people", ""), &p.Person, subject{home: p.Path(""), past: "/users/" + p.Account.ID + "/suspensions", explained: "explain_account_"})
	}
}

// sessionsPage is the page of a person's sessions.
type sessionsPage struct {
	*accountPage
	Sessions web.SessionList
}

func (m *Module) sessions(r *web.Request) error {
	p, err := accountOf(r)
	if err != nil {
		return err
	}
	data := sessionsPage{accountPage: p}
	if data.Sessions, err = r.Sessions("/users/" + p.Account.ID + "/sessions"); err != nil {
		return err
	}
	page := platformPage(r, "people", "")
	page.Heading, page.Data = r.Text("sessions_of", p.Account.Name), data
	page.Done = r.Outcome("session_ended", "sessions_ended")
	return r.Show("sessions", page)
}

func (m *Module) endSession(r *web.Request) error {
	return m.end(r, "end_session", "session_ended", "/"+id(r, "session"), false)
}

func (m *Module) endSessions(r *web.Request) error {
	return m.end(r, "end_sessions", "sessions_ended", "", true)
}

// end ends sessions of a person: those at the path below that of all.
func (m *Module) end(r *web.Request, name, done, rest string, typed bool) error {
	p, err := accountOf(r)
	if err != nil {
		return err
	}
	page := platformPage(r, "people", "")
	page.Heading = r.Text("ask_"+name, p.Account.Name)
	form := web.Form{Intro: r.Text("explain_" + name), Button: r.Text("act_" + name), Danger: true, Back: p.Path("/sessions")}
	if typed {
		form.Match = p.Account.Email
	}
	return r.Act(page, form, func() (string, error) {
		return p.Path("/sessions?done=" + done), r.Call(http.MethodDelete, "/users/"+p.Account.ID+"/sessions"+rest, nil, nil)
	})
}

// activityPage is the page of what happened to an account.
type activityPage struct {
	*accountPage
	Trail web.Trail
}

func (m *Module) activity(r *web.Request) error {
	p, err := accountOf(r)
	if err != nil {
		return err
	}
	data := activityPage{accountPage: p}
	if data.Trail, err = r.Trail("/users/" + p.Account.ID + "/audit-events"); err != nil {
		return err
	}
	page := platformPage(r, "people", "")
	page.Heading, page.Data = r.Text("activity_of", p.Account.Name), data
	return r.Show("activity", page)
}
