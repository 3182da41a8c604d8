package main

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"guildhall/platform/config"
)

// browserOf returns a browser in which the person is logged in.
func (s *service) browserOf(p *actor) *browser {
	s.t.Helper()
	b := s.browser()
	b.post("/account/log-in", "email", p.email, "password", password, "next", "/console").leads("/console")
	return b
}

// lacks checks that the page does not say something.
func (p shown) lacks(texts ...string) shown {
	p.t.Helper()
	for _, text := range texts {
		if strings.Contains(html.UnescapeString(p.body), text) {
			p.t.Errorf("%q is in\n%s", text, p.body)
		}
	}
	return p
}

func TestConsoleMembers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, alan := s.person("Ada"), s.person("Grace"), s.person("Alan")
		grace.joins(ada, false)
		alan.joins(ada, false)
		home := "/console/o/" + ada.organization
		b := s.browserOf(ada)
		b.get("/console").leads(home)
		b.get(home).leads(home + "/members")
		b.get(home+"/members").says(200, "Ada's Organization", "Grace", alan.email, "Owner", "Add a person").lacks("Invite people")

		// Each act has a page, is done once, and can be undone.
		at := home + "/member/" + grace.id
		b.get(at).says(200, "Make admin", "Suspend", "Remove", grace.email)
		b.get(at+"/grant").says(200, "Make Grace an admin?")
		if role := ada.get(ada.org("/members/" + grace.id)).is(200).str("role"); role != "member" { // a GET changes nothing
			t.Error(role)
		}
		b.post(at + "/grant").leads(at + "?done=grant")
		undo := b.get(at+"?done=grant").says(200, "Grace is an admin now.", "Undo", at+"/revoke").hidden("undo")
		b.post(at+"/grant").says(409, "already an admin")
		b.post(at+"/revoke", "undo", undo).leads(at + "?done=revoke")

		b.post(at+"/suspend", "reason", "", "for", "7d").says(422, `aria-invalid="true"`)
		b.post(at+"/suspend", "reason", "<b>Lost badge</b>", "for", "7d").leads(at + "?done=suspend")
		page := b.get(at+"?done=suspend").says(200, "Grace is suspended.", "<b>Lost badge</b>", "In force", at+"/restore")
		if strings.Contains(page.body, "<b>Lost") {
			t.Error(page.body)
		}
		b.post(at+"/amend", "reason", "Found it", "for", "").leads(at + "?done=amend")
		b.get(at).says(200, "Found it", "until it is lifted")
		b.post(at+"/amend", "reason", "Lost again", "for", "30d").leads(at + "?done=amend")
		b.post(at+"/amend", "reason", "Still lost", "for", "same").leads(at + "?done=amend")
		b.get(at).says(200, "Still lost").lacks("until it is lifted")
		b.post(at + "/restore").leads(at + "?done=restore")
		b.post(at + "/deactivate").leads(at + "?done=deactivate")
		b.get(at).says(200, "Deactivated")
		b.post(at + "/restore").leads(at + "?done=restore")

		// What is hard to undo is typed.
		b.post(at+"/remove").says(422, "Type it exactly: "+grace.email)
		b.post(at+"/remove", "typed", alan.email).says(422, "Type it exactly")
		b.post(at+"/remove", "typed", " "+strings.ToUpper(grace.email)+" ").leads(home + "/members?done=remove")
		b.get(home+"/members?done=remove").says(200, "The member was removed.").lacks(grace.email)
		b.get(at).says(404, "There is no")

		// A person with an account is added.
		b.post(home+"/add", "email", "nobody@example.com").says(404, `value="nobody@example.com"`)
		b.post(home+"/add", "email", grace.email).leads(home + "/members?done=added")

		// The list is searched.
		b.get(home+"/members?q=ala").says(200, "Alan").lacks(grace.email)
		b.get(home+"/members?q=nobody").says(200, "No member fits.")

		// Ownership.
		b.post(at+"/transfer", "typed", grace.email).leads(at + "?done=transfer")
		b.get(at+"?done=transfer").says(200, "Grace is the owner now.", "Owner")
		b.get(home+"/settings").says(200, "Leave").lacks("Archive")
		b.post(home+"/settings/archive", "reason", "Done", "typed", "Ada's Organization").says(403)
	}, withoutMail)
}

// withoutMail serves pages. People can be added by an address that nobody has proved.
func withoutMail(c *config.Config) { c.AccountPages, c.Console = true, true }

// TestConsoleListsSayWhatTheyDoNotTake checks that a search for too many words keeps its page.
func TestConsoleListsSayWhatTheyDoNotTake(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b, root, home := s.browserOf(ada), s.browserOf(s.operator("Root")), "/console/o/"+ada.organization
		for list, by := range map[string]*browser{home + "/members": b, "/console/people": root, "/console/organizations": root} {
			by.get(list+"?q=maria+del+carmen+garcia").says(422, "1 to 3 words", `value="maria del carmen garcia"`)
			by.get(list+"?cursor=x").says(422, "cursor")
		}
		b.get(home+"/invitations?cursor=x").says(422, "cursor")
		b.get(home+"/audit?since=someday").says(422, "must be")
		b.get("/console/o/x/members").says(422, "UUID")
		b.post(home+"/invite", "emails", " ").says(422, "Enter at least one address.")
	}, withPages)
}

// TestConsoleTellsOnlyWhatWasDone checks that a link from elsewhere can't say that something
// was done, and offer to undo it.
func TestConsoleTellsOnlyWhatWasDone(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		grace.joins(ada, false)
		b := s.browserOf(ada)
		spoof := "/console/o/" + ada.organization + "/member/" + grace.id + "?done=revoke"
		b.get(spoof).says(200, "Undo")
		for _, site := range []string{"cross-site", "same-site", "none"} {
			b.headers["Sec-Fetch-Site"] = site
			b.get(spoof).says(200, "Make admin").lacks("Undo")
		}
		b.headers["Sec-Fetch-Site"] = "same-origin"
		b.post("/account/log-in", "email", ada.email, "password", password, "next", spoof).leads(strings.TrimSuffix(spoof, "?done=revoke"))
	}, withoutMail)
}

// TestConsoleConfirmsWhatIsShown checks that a name can be typed as the browser shows it.
func TestConsoleConfirmsWhatIsShown(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b, settings := s.browserOf(ada), "/console/o/"+ada.organization+"/settings"
		b.post(settings+"/rename", "name", "Café  Engines").leads(settings + "?done=renamed")
		b.get(settings+"/archive").says(200, "The owner and the admins can read it.")
		b.post(settings+"/archive", "reason", "Over", "typed", "Cafe Engines").says(422)
		b.post(settings+"/archive", "reason", "Over", "typed", "Cafe\u0301 Engines").leads(settings + "?done=archived")
	}, withoutMail)
}

// TestConsoleOffersWhatOneMay checks that members and admins get what they may do, and that
// the API refuses the rest, whatever the browser sends.
func TestConsoleOffersWhatOneMay(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, alan, eve := s.person("Ada"), s.person("Grace"), s.person("Alan"), s.person("Eve")
		grace.joins(ada, true)
		alan.joins(ada, false)
		home := "/console/o/" + ada.organization
		members := home + "/member/"

		admin := s.browserOf(grace)
		admin.get(members+alan.id).says(200, "Suspend", "Remove").lacks("Make admin", "Make owner")
		admin.get(members+ada.id).says(200).lacks("Suspend", "Remove")
		admin.get(members+grace.id).says(200, "This is you")
		admin.post(members + alan.id + "/grant").says(403)
		admin.post(members+ada.id+"/suspend", "reason", "x", "for", "").says(403)
		admin.get(home+"/settings").says(200, "Rename", "Leave").lacks("Archive")

		member := s.browserOf(alan)
		member.get(home+"/members").says(200).lacks("Invite", "Audit log")
		member.get(members + grace.id).says(200).lacks("Suspend")
		member.post(members+grace.id+"/remove", "typed", grace.email).says(403)
		for _, path := range []string{"/audit", "/invitations"} {
			member.get(home + path).says(403)
		}
		member.post(home+"/settings/leave", "typed", "Ada's Organization").leads("/console")
		member.get(home + "/members").says(404)

		// Someone else learns nothing: not there, as for an organization that does not exist.
		stranger := s.browserOf(eve)
		known := stranger.get(home + "/members").says(404)
		unknown := stranger.get("/console/o/" + eve.id + "/members").says(404)
		if known.body != unknown.body {
			t.Errorf("%s\n%s", known.body, unknown.body)
		}
		for _, path := range []string{"/settings/rename", "/member/" + alan.id + "/remove", "/invite", "/invitation-link", "/add"} {
			stranger.post(home+path, "name", "Mine", "typed", alan.email, "emails", eve.email, "email", eve.email).says(404)
		}
		for _, path := range []string{"/o/x/members", "/o/" + ada.organization + "/member/x", "/o/%2e%2e/members", "/none"} {
			if p := stranger.get("/console" + path); p.status < 400 || p.status >= 500 {
				t.Errorf("%s: %d", path, p.status)
			}
		}
	}, withoutMail)
}

func TestConsoleInvitations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		home := "/console/o/" + ada.organization
		b := s.browserOf(ada)
		b.get(home+"/invitations").says(200, "No invitation fits.")
		b.post(home+"/invite", "emails", "grace@example.com\nalan@", "role", "member").says(422, "number 2", "grace@example.com")
		b.post(home+"/invite", "emails", "", "role", "member").says(422)
		b.post(home+"/invite", "emails", "grace@example.com, alan@example.com", "role", "admin", "key", "k1").leads(home + "/invitations?done=invited")
		b.post(home+"/invite", "emails", "grace@example.com, alan@example.com", "role", "admin", "key", "k1").leads(home + "/invitations?done=invited") // sent twice, carried out once
		page := b.get(home+"/invitations?done=invited").says(200, "on their way", "grace@example.com", "Admin", "Pending")
		link := s.mail("grace@example.com", "invitation").link()
		at := regexp.MustCompile(`/console/o/[^"]+/invitation/[^"]+/resend`).FindString(page.body)
		b.post(at).leads(home + "/invitations?done=resent")
		other := s.browser()
		other.post("/account/invitation", "link_token", link).says(404)
		b.post(strings.Replace(at, "resend", "revoke", 1)).leads(home + "/invitations?done=revoked")
		b.get(home+"/invitations?status=revoked").says(200, "Revoked")
		b.get(home+"/invitations?q=alan").says(200, "alan@example.com").lacks("grace@")

		// A link for many.
		b.post(home+"/invitation-link", "max_uses", "many").says(422, `value="many"`)
		b.post(home+"/invitation-link", "domains", "example.com, exa_mple").says(422, `value="example.com, exa_mple"`)
		page = b.post(home+"/invitation-link", "max_uses", "5", "domains", "example.com").says(200, "Copy the link now")
		url := regexp.MustCompile(`value="(http[^"]+)"`).FindStringSubmatch(page.body)
		if url == nil {
			t.Fatal(page.body)
		}
		token := url[1][strings.Index(url[1], "link_token=")+len("link_token="):]
		other.post("/account/invitation", "link_token", token).says(200, "Ada invites you")
		page = b.get(home+"/invitations").says(200, "0 / 5").lacks(token)
		b.post(regexp.MustCompile(`/console/o/[^"]+/invitation-link/[^"]+/revoke`).FindString(page.body)).leads(home + "/invitations?done=link_revoked")
		other.post("/account/invitation", "link_token", token).says(410)
	}, withPages)
}

func TestConsoleSettings(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browserOf(ada)
		b.post("/console/new", "name", "").says(422, `aria-invalid="true"`)
		made := b.post("/console/new", "name", `Engines "<i>`)
		home := strings.TrimSuffix(made.header.Get("Location"), "/members?done=created")
		b.get(home+"/members?done=created").says(200, "The organization was created.", `Engines "<i>`, "only member so far").lacks("<i>Analytical")
		settings := home + "/settings"
		b.post(settings+"/rename", "name", "Engines").leads(settings + "?done=renamed")
		b.post(settings+"/suspend", "reason", "Unpaid", "for", "1d").leads(settings + "?done=organization_suspended")
		undo := b.get(settings+"?done=organization_suspended").says(200, "is suspended", "Unpaid", "Undo").hidden("undo")
		b.get(home).leads(settings)
		b.get(home + "/members").says(403)
		b.post(settings+"/restore", "undo", undo).leads(settings + "?done=organization_restored")
		b.post(settings+"/archive", "reason", "Over", "typed", "engine").says(422, "Type it exactly: Engines", "Over")
		b.post(settings+"/archive", "reason", "Over", "typed", "Engines").leads(settings + "?done=archived")
		b.get(settings).says(200, "Archived", "Restore").lacks("Rename")
		b.post(settings + "/unarchive").leads(settings + "?done=unarchived")

		page := b.get(home+"/audit").says(200, "Ada archived the organization", "Ada restored the organization", "Over", "192.0.2.1")
		b.get(home+"/audit?action=organization.renamed").says(200, "renamed").lacks("Ada archived")
		b.get(home+"/audit?actor_user_id="+s.person("Eve").id).says(200, "No event fits.")
		if strings.Contains(page.body, "<i>") {
			t.Error(page.body)
		}

		// A page that stays open in an organization that was just lost.
		grace := s.person("Grace")
		grace.joins(ada, false)
		other := s.browserOf(grace)
		at := "/console/o/" + ada.organization
		other.get(at+"/members").says(200, "Grace")
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		other.get(at + "/members").says(404)
		other.post(at+"/settings/leave", "typed", "Ada's Organization").says(404)

		// Members by pages, forward and back.
		for range 51 {
			s.person("Member").joins(ada, false)
		}
		first := b.get(at + "/members")
		next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(first.body)
		if next == nil {
			t.Fatal(first.body)
		}
		second := b.get(html.UnescapeString(next[1])).says(200)
		prev := regexp.MustCompile(`rel="prev" href="([^"]+)"`).FindStringSubmatch(second.body)
		if prev == nil {
			t.Fatal(second.body)
		}
		b.get(html.UnescapeString(prev[1])).says(200, ada.email)
	}, withoutMail)
}

// TestConsoleCanBeTurnedOff checks CONSOLE=false.
func TestConsoleCanBeTurnedOff(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		b := s.browser()
		b.get("/console").says(404)
		b.get("/account/log-in").says(200).lacks("/console")
	}, withPages, func(c *config.Config) { c.Console = false })
}

// TestAccountPagesCanBeTurnedOff checks ACCOUNT_PAGES=false: people still log in to the
// console.
func TestAccountPagesCanBeTurnedOff(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		b := s.browser()
		b.get("/account/log-in").says(200).lacks("/account/register", "/account/forgot")
		b.get("/account/register").says(404)
		b.post("/account/log-in", "email", ada.email, "password", password, "next", "/account").leads("/console")
		b.get("/console").leads("/console/o/" + ada.organization)
		b.get("/console/o/" + ada.organization + "/members").says(200).lacks(`href="/account"`)
		b.post("/account/log-out").leads("/account/log-in")
	}, withPages, func(c *config.Config) { c.AccountPages = false })
}

// TestConsoleUndoesOnlyWhatItShows checks an Undo on a page that has been open while someone
// else acted.
func TestConsoleUndoesOnlyWhatItShows(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, root := s.person("Ada"), s.person("Grace"), s.operator("Root")
		grace.joins(ada, false)
		at := "/console/o/" + ada.organization + "/member/" + grace.id
		b := s.browserOf(ada)
		b.post(at + "/deactivate").leads(at + "?done=deactivate")
		undo := b.get(at+"?done=deactivate").says(200, "Undo").hidden("undo")
		root.post(ada.org("/members/"+grace.id+"/activate"), nil).is(200)
		root.post(ada.org("/members/"+grace.id+"/suspend"), because()).is(200)
		b.post(at+"/restore", "undo", undo).says(409, "Someone has changed this since.")
		if standing := ada.get(ada.org("/members/" + grace.id)).is(200).str("standing"); standing != "suspended" {
			t.Error(standing)
		}
		undo = b.get(at+"?done=suspend").says(200, "Undo").hidden("undo")
		b.post(at+"/restore", "undo", undo).leads(at + "?done=restore")
	}, withoutMail)
}
