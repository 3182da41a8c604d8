package main

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// goes sends the browser from the page on the way to the provider there, where somebody logs in,
// and returns the path to which that leads it back.
func (b *browser) goes(who someone, page shown) string {
	b.s.t.Helper()
	to, is := strings.CutPrefix(page.header.Get("Refresh"), "0; url=")
	if !is {
		b.s.t.Fatalf("%v %s", page.header, page.body)
	}
	o := b.s.other(0)
	o.QueueUser(who)
	back, err := url.Parse(b.s.follows("", to).location)
	if err != nil || back.Path != "/account/callback" {
		b.s.t.Fatalf("%v %v", back, err)
	}
	return back.RequestURI()
}

// fromElsewhere makes the next request one to which another site leads.
func (b *browser) fromElsewhere(path string) shown {
	b.headers["Sec-Fetch-Site"] = "cross-site"
	defer func() { b.headers["Sec-Fetch-Site"] = "same-origin" }()
	return b.get(path)
}

// TestPagesOfProviders: a person logs in with another service without a script, also with a second
// factor, and links and unlinks their accounts there. Only the browser that asked can come back.
func TestPagesOfProviders(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		b, who := s.browser(), newcomer()
		b.get("/account/register").says(200, "Continue with Corp")
		b.get("/account/log-in?next=/account/sessions").says(200, "Continue with Corp")
		leaving := func(b *browser) shown {
			return b.post("/account/log-in/provider", "provider", "corp", "next", "/account/sessions").says(200, "On to Corp", "Continue with Corp")
		}
		page := leaving(b)
		back := b.goes(who, page)
		kept := b.cookies["guildhall-provider"]
		if kept == "" || strings.Contains(page.header.Get("Set-Cookie"), "challenge") || !strings.Contains(page.header.Get("Set-Cookie"), "HttpOnly; SameSite=Lax") {
			t.Errorf("%v", page.header)
		}

		// Eve's answer in this browser, and this one's in hers.
		eve := s.browser()
		hers := eve.goes(newcomer(), leaving(eve))
		b.fromElsewhere(hers).says(401, "This browser did not ask for this log-in")
		eve.fromElsewhere(back).says(401, "This browser did not ask for this log-in")
		s.browser().fromElsewhere(back).says(401, "This browser did not ask for this log-in")

		b.fromElsewhere(back).leads("/account/sessions")
		b.get("/account").says(200, "Ada Lovelace")
		if b.cookies["guildhall-provider"] != "" {
			t.Error("the cookie stays")
		}
		b.cookies["guildhall-provider"] = kept
		b.fromElsewhere(back).says(401, "was used before")

		// Declined, or not found.
		b = s.browser()
		declined, _ := url.Parse(b.goes(newcomer(), leaving(b)))
		q := declined.Query()
		q.Del("code")
		q.Set("error", "access_denied")
		b.fromElsewhere("/account/callback?"+q.Encode()).says(401, "did not log you in", "Continue with Corp")
		b.post("/account/log-in/provider", "provider", "nobody").says(404, "There is no such service")
		s.other(0).down.Store(true)
		leaving(b) // it is known
		s.other(0).down.Store(false)

		// Linked and unlinked.
		ada := s.verifiedPerson("Ada")
		phone, _ := ada.enrols()
		b, page = s.asked(ada, "/account")
		b.answers("/account/log-in", page, "otp", phone.next()).leads("/account")
		b.get("/account/identities").says(200, "Link Corp").lacks("Unlink")
		b.get("/account/identities/corp/link").says(200, "Link your account at Corp?")
		linked := newcomer()
		b.fromElsewhere(b.goes(linked, b.post("/account/identities/corp/link"))).leads("/account/identities")
		b.get("/account/identities").says(200, "Unlink", linked.claims["email"].(string))

		// And then a second factor is asked for.
		other := s.browser()
		page = other.fromElsewhere(other.goes(linked, leaving(other))).says(200, "One more proof is needed")
		other.answers("/account/callback", page, "otp", phone.next()).leads("/account/sessions")
		other.get("/account/sessions").says(200)

		id := s.table("SELECT id FROM user_identities WHERE user_id = ?", ada.id)[0][0]
		b.get("/account/identities/"+id+"/unlink").says(200, "Unlink Corp?")
		b.post("/account/identities/" + id + "/unlink").leads("/account/identities?done=unlinked")
		b.get("/account/identities?done=unlinked").says(200, "It does not log in to your account any more.").lacks(linked.claims["email"].(string))

		// A proof that is too old is renewed first. Who has no password logs in again.
		other = s.browser()
		other.fromElsewhere(other.goes(newcomer(), leaving(other))).leads("/account/sessions")
		s.later(11 * time.Minute)
		confirm := "/account/confirm?next=%2Faccount%2Fidentities%2Fcorp%2Flink"
		b.post("/account/identities/corp/link").leads(confirm)
		other.post("/account/identities/corp/link").leads(confirm)
		other.get(confirm).says(200, "Log in again", "/account/log-in?next=%2Faccount%2Fidentities%2Fcorp%2Flink")
	}, withPages, withProvider(t, "oidc"), longTokens)
}

// TestPagesOfInvitationsByProvider: the page of an invitation leads to a provider and back, and the
// person joins: with a new account, with the one that they have, and after a second factor.
func TestPagesOfInvitationsByProvider(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.verifiedPerson("Ada")
		comes := func(who someone) (b *browser, page shown) {
			ada.invites(who.claims["email"].(string)).is(201)
			link := s.mail(who.claims["email"].(string), "invitation").link()
			b = s.browser()
			b.post("/account/invitation", "link_token", link).says(200, "Either way, with another service", "Continue with Corp", link)
			page = b.post("/account/log-in/provider", "provider", "corp", "link_token", link).says(200, "On to Corp").lacks(link)
			return b, b.fromElsewhere(b.goes(who, page))
		}
		joined := func(b *browser) {
			t.Helper()
			b.get("/account/organizations").says(200, "Ada's Organization")
		}
		b, page := comes(newcomer())
		page.leads("/account?done=joined")
		joined(b)
		b.get("/account/organizations").lacks("Lovelace's Organization")

		grace := s.verifiedPerson("Grace")
		phone, _ := grace.enrols()
		b, page = comes(memberAt("grace", grace.email))
		page.says(200, "One more proof is needed")
		page = b.answers("/account/callback", page, "otp", "000000").says(401, "The code is wrong")
		b.answers("/account/callback", page, "otp", phone.next()).leads("/account?done=joined")
		joined(b)

		// The account of the provider has another address than the invitation.
		b, other := s.browser(), newcomer()
		ada.invites("mary@example.com").is(201)
		page = b.post("/account/log-in/provider", "provider", "corp", "link_token", s.mail("mary@example.com", "invitation").link())
		b.fromElsewhere(b.goes(other, page)).says(403, "This invitation is for another email address.")
		if n := s.count("SELECT COUNT(*) FROM users WHERE email = ?", other.claims["email"]); n != 0 {
			t.Error("there is an account all the same")
		}
	}, withPages, withProvider(t, "oidc"))
}
