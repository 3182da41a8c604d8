package console

import (
	"html/template"
	"net/http"
	"time"

	"guildhall/platform/web"
)

// account is a person to the platform, whatever organizations they are in.
type account struct {
	ID, Name, Email string
	Verified        bool                     `json:"email_verified"`
	Created         time.Time                `json:"created_at"`
	Standing        struct{ Account string } // elsewhere it is that of a membership

	Erased *time.Time `json:"erased_at"` // or when it will be

	Administrator bool `json:"-"` // of the platform
	Gone          bool `json:"-"` // it was erased
}

// accountList is the page of all people.
type accountList struct {
	List             web.List
	People           []account
	Standings, Sorts template.HTML // to choose from
}

func (m *Module) people(r *web.Request) (err error) {
	var data accountList
	if data.List, err = r.List("/users?scope=all", &data.People, "q", "standing", "sort"); err != nil {
		return err
	}
	asked := data.List.Query
	data.Standings = r.Choices(asked.Get("standing"), "every_standing", "standing_", "good", "suspended", "inactive", "archived")
	data.Sorts = r.Choices(asked.Get("sort"), "sort_", "sort_", "name", "-name")
	page := platformPage(r, "people", "people")
	page.Data = data
	return r.Show("people", page)
}

// createAccount makes an account for another person.
func (m *Module) createAccount(r *web.Request) error {
	hint := "password_hint"
	if m.options.Mail {
		hint = "password_hint_mail"
	}
	form := web.Form{Intro: r.Text("create_account_explained"), Button: r.Text("create"), Back: "/console/people", Fields: []web.Field{
		{Name: "name", Type: "text", Label: r.Text("name"), Autocomplete: "off", Autofocus: true},
		{Name: "email", Type: "email", Label: r.Text("email"), Autocomplete: "off"},
		{Name: "password", Type: "password", Label: r.Text("password"), Hint: r.Text(hint), Autocomplete: "new-password", Optional: true},
	}, Curl: r.Curl(http.MethodPost, "/users", map[string]any{"name": "Grace Hopper", "email": "grace@example.com"})}
	return r.Act(platformPage(r, "people", "create_account"), form, func() (string, error) {
		body := map[string]any{"name": r.Form.Get("name"), "email": r.Form.Get("email")}
		if password := r.Form.Get("password"); password != "" {
			body["password"] = password
		}
		var created account
		err := r.Call(http.MethodPost, "/users", body, &created)
		return "/console/people/" + created.ID + "?done=account_created", web.At(err, "email_taken", "email")
	})
}
