package main

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"guildhall/platform/config"
)

// TestConsoleOfThePlatformIsForItsAdministrators tries every page of theirs as a member and
// as an owner, on themselves and on others.
func TestConsoleOfThePlatformIsForItsAdministrators(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, grace := s.operator("Root"), s.person("Ada"), s.person("Grace")
		grace.joins(ada, false)
		session := grace.get("/auth/sessions").list()[0]["id"].(string)
		nobody, owner, member := s.browser(), s.browserOf(ada), s.browserOf(grace)
		pages := 0
		for _, p := range s.app.Pages() {
			method, path, _ := strings.Cut(p.Pattern, " ")
			if !strings.HasPrefix(path, "/console/") || strings.HasPrefix(path, "/console/o/") || path == "/console/new" {
				continue
			}
			pages++
			for _, user := range []*actor{grace, ada, root} {
				at := strings.NewReplacer("{user}", user.id, "{session}", session).Replace(path)
				form := url.Values{"typed": {user.email}, "reason": {"Mine"}, "name": {"X"}, "email": {"x@example.com"}}
				owner.send(method, at, form).says(403, "Only a platform administrator may do this.").lacks(root.email)
				member.send(method, at, form).says(403, "Only a platform administrator may do this.").lacks(root.email)
				if to := nobody.send(method, at, form).header.Get("Location"); !strings.HasPrefix(to, "/account/log-in") {
					t.Errorf("%s leads to %q", p.Pattern, to)
				}
			}
		}
		if pages < 20 {
			t.Errorf("%d pages", pages)
		}
		for _, a := range []*actor{ada, grace} {
			s.browserOf(a).get("/account").says(200).lacks("/console/people")
			if me := a.get("/auth/me").is(200); me.str("standing.account") != "good" {
				t.Error(me.str("standing.account"))
			}
		}
		s.browserOf(root).get("/account").says(200, "/console/people", "Platform")
	}, withoutMail)
}

func TestConsolePeople(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, eve := s.operator("Root"), s.person("Ada"), s.person("Eve")
		eve.patch("/users/"+eve.id+"/profile", map[string]any{"name": `Eve <script>alert("x")</script>`}).is(200)
		b := s.browserOf(root)
		page := b.get("/console/people").says(200, "Root", "Ada", eve.email, `Eve <script>`)
		if strings.Contains(page.body, "<script>alert") {
			t.Error(page.body)
		}
		b.get("/console/people?q=ada").says(200, ada.email).lacks(eve.email)
		b.get("/console/people?sort=-name").says(200, ada.email)
		b.get("/console/people?sort=x").says(422)
		b.get("/console/people?standing=archived").says(200, "Nobody fits.", "Show all")

		// An account is created once, however often the form arrives.
		b.get("/console/people/new").says(200, "Create an account")
		b.post("/console/people/new", "name", "", "email", ada.email, "password", "secret word").says(422, `aria-invalid="true"`).lacks("secret word")
		b.post("/console/people/new", "name", "Ada", "email", ada.email).says(409, `aria-invalid="true"`, ada.email)
		made := b.post("/console/people/new", "name", "Alan", "email", "alan@example.com", "password", password, "key", "one")
		home, _, _ := strings.Cut(made.header.Get("Location"), "?")
		made.leads(home + "?done=account_created")
		b.post("/console/people/new", "name", "Alan", "email", "alan@example.com", "password", password, "key", "one").leads(home + "?done=account_created")
		b.get(home+"?done=account_created").says(200, "The account was created.", "Alan", "not confirmed", "in no organization")
		s.browser().post("/account/log-in", "email", "alan@example.com", "password", password, "next", "/console").leads("/console")

		b.get("/console/people/"+ada.id).says(200, ada.email, "Ada's Organization", "/console/o/"+ada.organization, "Owner").lacks("Platform administrator")
		b.get("/console/people/"+root.id).says(200, "Platform administrator", "This is you").lacks("/suspend")
		b.get("/console/people/" + strings.Repeat("0", 8) + ada.id[8:]).says(404)
		b.get("/console/people/x").says(422)
	}, withoutMail)
}

// TestConsoleActsOnAccounts checks that each act on an account is done once, is undone, and
// is refused as the API refuses it.
func TestConsoleActsOnAccounts(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, grace := s.operator("Root"), s.person("Ada"), s.person("Grace")
		grace.joins(ada, false)
		b := s.browserOf(root)
		at := "/console/people/" + grace.id
		standing := func() string {
			return root.get("/users/" + grace.id).is(200).str("standing.account")
		}

		b.get(at+"/suspend").says(200, "Suspend Grace?", "Only platform administrators can read it.")
		if got := standing(); got != "good" { // a GET changes nothing
			t.Error(got)
		}
		b.post(at+"/suspend", "reason", "", "for", "7d").says(422, `aria-invalid="true"`)
		b.post(at+"/suspend", "reason", "<b>Fraud</b>", "for", "7d").leads(at + "?done=suspend")
		page := b.get(at+"?done=suspend").says(200, "Grace is suspended.", "<b>Fraud</b>", "In force", "Change the suspension", `action="`+at+"/restore").lacks("/suspend\"")
		if strings.Contains(page.body, "<b>Fraud") {
			t.Error(page.body)
		}
		grace.get("/auth/me").is(401)
		b.post(at+"/suspend", "reason", "Again", "for", "").says(409, "already suspended", "Again")
		b.post(at+"/amend", "reason", "Still", "for", "").leads(at + "?done=amend")
		b.get(at+"?done=amend").says(200, "The suspension of Grace was changed.", "Still", "until it is lifted")
		b.post(at+"/restore", "undo", page.hidden("undo")).says(409, "Someone has changed this since.") // the suspension that was shown has been changed
		b.post(at + "/restore").leads(at + "?done=restore")
		b.post(at+"/amend", "reason", "Still", "for", "").says(409, "not suspended")
		b.get(at+"?done=restore").says(200, "Grace is in good standing again.", "Still").lacks("In force", ">Undo<")
		b.post(at + "/deactivate").leads(at + "?done=deactivate")
		page = b.get(at+"?done=deactivate").says(200, "Grace is deactivated.", "Deactivated", `action="`+at+"/restore")
		b.post(at+"/restore", "undo", page.hidden("undo")).leads(at + "?done=restore")

		// An account is closed with its address typed, and reopened.
		b.post(at+"/close", "reason", "Left").says(422, "Type it exactly: "+grace.email, "Left")
		b.post(at+"/close", "reason", "", "typed", grace.email).says(422, `aria-invalid="true"`)
		b.post("/console/people/"+ada.id+"/close", "reason", "Left", "typed", ada.email).says(409, "owner")
		b.post(at+"/close", "reason", "Left", "typed", grace.email).leads(at + "?done=close")
		b.get(at+"?done=close").says(200, "The account of Grace is closed.", "Archived", "Reopen the account").lacks("Suspend")
		b.get("/console/people?standing=archived").says(200, grace.email)
		b.post(at + "/reopen").leads(at + "?done=reopen")
		b.get(at+"?done=reopen").says(200, "The account of Grace is open again.").lacks("Archived</span>\n<dt>")
		b.post(at + "/reopen").says(409)
		if got := standing(); got != "good" {
			t.Error(got)
		}

		// Nobody acts on the own account here.
		b.post("/console/people/"+root.id+"/suspend", "reason", "x", "for", "").says(403)

		b.get(at+"/activity").says(200, "Root suspended Grace", "Root closed the account of Grace", "Fraud", "/console/people/"+root.id)
		b.get(at+"/activity?action=user.archived").says(200, "Root closed").lacks("Root suspended")
	}, withoutMail)
}

func TestConsoleSessionsOfAPerson(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, grace := s.operator("Root"), s.person("Grace")
		b, other := s.browserOf(root), s.browser()
		other.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
		other.post("/account/log-in", "email", grace.email, "password", password).leads("/account")
		at := "/console/people/" + grace.id + "/sessions"
		page := b.get(at).says(200, "Sessions of Grace", "Firefox on Linux", "End all sessions").lacks("This browser")
		row := page.body[strings.Index(page.body, "Firefox on Linux"):]
		end := regexp.MustCompile(at + `/[^"/]+/end`).FindString(row)
		b.get(end).says(200, "End a session of Grace?")
		other.get("/account").says(200)
		b.post(end).leads(at + "?done=session_ended")
		b.post(end).says(404)
		b.get(at+"?done=session_ended").says(200, "The session has ended.").lacks("Firefox")
		other.get("/account").leads("/account/log-in?next=%2Faccount")

		b.post(at+"/end").says(422, "Type it exactly: "+grace.email)
		grace.get("/auth/me").is(200)
		b.post(at+"/end", "typed", grace.email).leads(at + "?done=sessions_ended")
		grace.get("/auth/me").is(401)
		b.get(at+"?done=sessions_ended").says(200, "All sessions have ended.", "logged in nowhere").lacks("End all")
		b.get("/console/people/"+root.id+"/sessions").says(200, "This browser")
	}, withoutMail)
}

func TestConsoleOrganizationsAndTrail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, grace := s.operator("Root"), s.person("Ada"), s.person("Grace")
		ada.patch(ada.org(""), map[string]any{"name": `Engines <img src="x">`}).is(200)
		grace.post(grace.org("/archive"), map[string]any{"reason": "Over"}).is(200)
		b := s.browserOf(root)
		page := b.get("/console/organizations").says(200, `Engines <img`, "/console/o/"+ada.organization).lacks("Grace's Organization")
		if strings.Contains(page.body, "<img src=\"x") {
			t.Error(page.body)
		}
		b.get("/console/organizations?include_archived=true").says(200, "Grace's Organization", "Archived")
		b.get("/console/organizations?standing=archived").says(200, "Grace's Organization").lacks("Engines")
		b.get("/console/organizations?q=engines").says(200, "Engines").lacks("Ada's", "Grace's")
		b.get("/console/organizations?q=nothing").says(200, "No organization fits.")
		b.get("/console/o/"+ada.organization+"/members").says(200, ada.email)

		page = b.get("/console/trail").says(200, "Ada renamed the organization", "Grace archived the organization", "/console/people/"+ada.id, "/console/o/"+ada.organization, "Engines <img").lacks("only the events")
		if strings.Contains(page.body, "<img src=\"x") {
			t.Error(page.body)
		}
		b.get("/console/trail?actor_user_id="+ada.id).says(200, "Ada renamed", "only the events", `name="actor_user_id" value="`+ada.id).lacks("Grace archived")
		b.get("/console/trail?user_id="+grace.id).says(200, "Grace registered").lacks("Ada registered")
		b.get("/console/trail?organization_id="+grace.organization).says(200, "Grace archived").lacks("Ada renamed")
		b.get("/console/trail?action=organization.renamed").says(200, "Ada renamed").lacks("Grace archived")
		today := s.kernel.Now().UTC().Format(time.DateOnly)
		b.get("/console/trail?since="+today).says(200, "Ada renamed", `value="`+today+`"`)
		b.get("/console/trail?until="+today).says(200, "No event fits.")
		b.get("/console/trail?since=today").says(422)
		for i := range 51 {
			ada.patch(ada.org(""), map[string]any{"name": strings.Repeat("x", i+1)}).is(200)
		}
		next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(b.get("/console/trail?action=organization.renamed&since=" + today).body)
		if next == nil {
			t.Fatal("no next page")
		}
		b.get(html.UnescapeString(next[1])).says(200, `value="`+today+`"`, "Ada renamed").lacks("Grace archived")
	}, withoutMail)
}

func TestConsoleOfTheInstallation(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		b := s.browserOf(root)
		b.get("/console").leads("/console/o/" + root.organization)
		b.get("/console/administrators").says(200, root.email, "guildhall admin grant EMAIL")
		b.get("/console/health").says(200, "SQL", "no scheduled backups", "BACKUP_DIR", "No mail can be sent", "MAIL_TRANSPORT")
		page := b.get("/console/configuration").says(200, "JWT_SECRET_KEY", "guildhall check", "Good", "default")
		if worst, good := strings.Index(page.body, ">Not fit<"), strings.Index(page.body, ">Good<"); worst < 0 || worst > good {
			t.Errorf("%d, %d: %s", worst, good, page.body)
		}

		b.headers["Accept-Language"] = "de"
		for path, text := range map[string]string{
			"people": "Konto anlegen", "people/new": "Ohne Passwort", "people/" + root.id: "Das sind Sie", "people/" + root.id + "/sessions": "Sitzungen von Root",
			"people/" + root.id + "/activity": "Aktivität von Root", "organizations": "mit archivierten", "trail": "Prüfprotokoll",
			"administrators": "guildhall admin grant E-MAIL", "health": "keine regelmäßigen Sicherungen", "configuration": "Prüfliste",
		} {
			b.get("/console/"+path).says(200, text, "Plattform")
		}
	}, withoutMail)
}

func TestConsoleHealthWithBackupsAndMail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		b := s.browserOf(root)
		b.get("/console/health").says(200, "every 6 h", "7 are kept", "none yet", "only shown, in development", "Waiting").lacks("no scheduled backups", "No mail can be sent")

		// A person without a password sets one by mail.
		b.get("/console/people/new").says(200, "as if it were forgotten")
		b.post("/console/people/new", "name", "Alan", "email", "alan@example.com")
		alan := s.browser()
		alan.post("/account/forgot", "email", "alan@example.com").says(200)
		alan.post("/account/reset", "link_token", s.mail("alan@example.com", "reset_password").link(), "new_password", password).leads("/account/log-in?done=reset")
		alan.post("/account/log-in", "email", "alan@example.com", "password", password).leads("/account")
	}, withPages, func(c *config.Config) {
		c.BackupDir, c.BackupInterval, c.BackupKeep = t.TempDir(), 6*time.Hour, 7
	})
}
