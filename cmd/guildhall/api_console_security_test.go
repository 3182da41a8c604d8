package main

import (
	"net/url"
	"testing"
	"time"
)

// TestConsoleSecurity: an owner asks for second factors, and members learn why they are refused.
func TestConsoleSecurity(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, eve := s.person("Ada"), s.person("Grace"), s.person("Eve")
		grace.joins(ada, false)
		home := "/console/o/" + ada.organization
		b, g := s.browserOf(ada), s.browserOf(grace)
		b.get(home+"/members").says(200, `href="`+home+`/security"`)
		page := b.get(home+"/security").says(200, "Nobody", "People without one", "To ask others for a second factor, you need one yourself.").lacks("/security/change")
		b.post(home+"/security/change", "mfa", "everyone").says(403, "A second factor is needed", "/account/factors/new?next="+url.QueryEscape(home+"/security/change"))
		g.get(home+"/security").says(200, "Nobody").lacks("/security/change", "People without one", "you need one yourself")
		g.post(home+"/security/change", "mfa", "everyone").says(403)
		s.browserOf(eve).get(home + "/security").says(404)

		setUp := page.link("Set up a second factor")
		b.get(setUp).says(200)
		_, page = b.sets(b.post("/account/factors/new", "name", "Phone", "next", home+"/security").says(200))
		page.says(200, `href="`+home+`/security"`)
		b.get(home+"/security").says(200, "/security/change").lacks("you need one yourself")
		b.get(home+"/security/change").says(200, "People here who have none now: 1.", `value="off" selected`, `type="date"`, "curl -X PUT")
		past, far := s.kernel.Now().Format(time.DateOnly), s.kernel.Now().AddDate(0, 0, 100).Format(time.DateOnly)
		for _, day := range []string{past, far, "someday"} {
			b.post(home+"/security/change", "mfa", "everyone", "from", day).says(422, `aria-describedby="from-error"`, `value="everyone" selected`, day)
		}
		b.post(home+"/security/change", "mfa", "sometimes").says(422)
		day := s.kernel.Now().UTC().AddDate(0, 0, 30).Format(time.DateOnly)
		b.post(home+"/security/change", "mfa", "everyone", "from", day).leads(home + "/security?done=secured")
		b.get(home+"/security?done=secured").says(200, "The policy was changed.", "Every member", "Not yet", day)
		b.get(home+"/security/change").says(200, `value="`+day+`"`, `value="everyone" selected`)
		g.get(home + "/members").says(200)
		g.get(home+"/security").says(200, "Every member", "Not yet", day)

		b.post(home+"/security/change", "mfa", "everyone", "from", "").leads(home + "/security?done=secured")
		refused := g.get(home+"/members?q=a").says(403, "Ada's Organization asks you for a second factor, and you have none.", "/account/factors/new?next="+url.QueryEscape(home+"/members?q=a"), "Grace's Organization", "Needs a second factor")
		g.post(home+"/keys/new", "name", "x", "scopes", "read", "lifetime", "7").says(403, "asks you for a second factor")
		g.get("/account").says(200, "Needs a second factor")
		g.get("/account/organizations").says(200, "Needs a second factor", "/account/organizations/"+ada.organization+"/leave")
		g.get("/account/organizations/"+ada.organization+"/leave").says(200, "Leave Ada's Organization?")
		g.get("/console/o/"+grace.organization+"/members").says(200, "Needs a second factor") // in the menu
		b.get("/account/organizations").says(200).lacks("Needs a second factor")

		// Back, after the set-up.
		next := g.get(refused.link("Set up a second factor")).says(200).hidden("next")
		tablet, page := g.sets(g.post("/account/factors/new", "name", "Tablet", "next", next).says(200))
		page.says(200, `href="`+home+`/members?q=a"`)
		g.get(home+"/members?q=a").says(200, "Ada")

		// A session that has not proved the factor that the person has.
		s.exec("UPDATE sessions SET aal = 1 WHERE user_id = ?", grace.id)
		refused = g.get(home+"/members").says(401, "You have one, and this log-in has not proved it.")
		to := refused.link("Confirm it")
		if to != "/account/confirm?next="+url.QueryEscape(home+"/members") {
			t.Error(to)
		}
		g.post("/account/confirm", "next", home+"/members", "otp", tablet.next()).leads(home + "/members")
		g.get(home+"/members").says(200, "Ada")

		// Admins only, and German.
		b.post(home+"/security/change", "mfa", "admins").leads(home + "/security?done=secured")
		b.get(home+"/security").says(200, "The owner and admins").lacks("Not yet", "Since")
		g.headers["Accept-Language"] = "de"
		g.get(home+"/security").says(200, "Vom Inhaber und den Admins")
		b.get(home+"/audit").says(200, "Ada changed whom the organization asks for a second factor")
	}, withPages, longTokens)
}
