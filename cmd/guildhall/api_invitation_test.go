package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/config"
)

// proved proves the address of an account.
func (s *service) proved(a *actor) *actor {
	s.t.Helper()
	s.exec("UPDATE users SET email_verified_at = created_at WHERE id = ?", a.id)
	return a
}

// invites invites an address, and returns the answer.
func (a *actor) invites(email string, more ...any) answer {
	a.s.t.Helper()
	return a.post(a.org("/invitations"), body(append([]any{"email", email}, more...)...))
}

// shown invites an address without a mail, and returns the token.
func (a *actor) shown(email string, more ...any) string {
	a.s.t.Helper()
	return tokenOf(a.invites(email, append([]any{"deliver", false}, more...)...).is(201))
}

// mailed invites an address by mail, and returns the token.
func (a *actor) mailed(email string, more ...any) string {
	a.s.t.Helper()
	a.invites(email, more...).is(201)
	return a.s.mail(email, "invitation").link()
}

// tokenOf returns the token in the URL of an answer.
func tokenOf(a answer) string {
	_, token, _ := strings.Cut(a.str("url"), "#link_token=")
	return token
}

func (a *actor) accepts(token string) answer {
	a.s.t.Helper()
	return a.post("/invitations/accept", body("token", token))
}

func (s *service) previews(token string) answer {
	s.t.Helper()
	return s.do("POST", "/api/v1/invitations/preview", "", body("token", token))
}

// roleOf returns the role of a person in the actor's organization, or "".
func (a *actor) roleOf(other *actor) string {
	a.s.t.Helper()
	m := a.get(a.org("/members/" + other.id))
	if m.status == http.StatusNotFound {
		return ""
	}
	return m.is(200).str("role")
}

func TestInvitation(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		s.proved(grace)
		ada.patch(ada.org(""), body("name", "Engines https://evil.example/")).is(200)
		first := ada.invites(strings.ToUpper(grace.email), "role", "admin", "expires_in_hours", 2).is(201)
		if first.str("url") != "" || strings.Contains(string(first.body), "token") || first.str("status") != "open" || first.str("invited_by.name") != "Ada" {
			t.Errorf("%s", first.body)
		}
		ada.invites(grace.email).is(409, "already_invited")
		ada.invites(ada.email).is(409, "already_member")

		// Whether there is an account does not show.
		none := ada.invites("nobody@example.com").is(201)
		if a, b := fieldsOf(first), fieldsOf(none); a != b {
			t.Errorf("%s and %s", a, b)
		}

		m := s.mail(strings.ToUpper(grace.email), "invitation")
		if want := "https://id.example.com/account/invitation#link_token="; !strings.HasPrefix(m.Links[0], want) || strings.Contains(m.Text+m.Subject, "https://evil.example") {
			t.Errorf("%+v", m)
		}
		p := s.previews(m.link()).is(200)
		if p.str("email") != strings.ToUpper(grace.email[:1])+"•••@EXAMPLE.COM" || p.str("role") != "admin" || p.str("invited_by_name") != "Ada" || p.str("expires_at") != first.str("expires_at") {
			t.Errorf("%s", p.body)
		}
		// A mail scanner may follow the link as often as it likes.
		for range 10 {
			s.previews(m.link()).is(200)
			s.do("GET", "/api/v1/invitations/accept", "", nil).is(405)
		}
		tokens := grace.accepts(m.link()).is(200)
		if tokens.str("organization_id") != ada.organization || ada.roleOf(grace) != "admin" {
			t.Errorf("%s, %s", tokens.body, ada.roleOf(grace))
		}
		s.actorOf(tokens).get(ada.org("/members")).is(200)
		grace.get("/auth/me").is(200) // their session goes on
		grace.accepts(m.link()).is(410, "invitation_used")
		s.previews(m.link()).is(410, "invitation_used")
		ada.invites(grace.email).is(409, "already_member")

		// Lists, and what can't be done to a closed one.
		closed := ada.org("/invitations/" + first.str("id"))
		ada.delete(closed).is(409, "invitation_closed")
		ada.post(closed+"/resend", body()).is(409, "invitation_closed")
		for query, want := range map[string]int{"": 2, "?status=open": 1, "?status=accepted": 1, "?status=revoked": 0, "?q=NOB": 1, "?q=nob_dy": 0, "?q=%25": 0, "?status=open&q=grace": 0, "?limit=1": 1} {
			a := ada.get(ada.org("/invitations") + query).is(200)
			if got := len(a.list()); got != want || strings.Contains(string(a.body), m.link()) {
				t.Errorf("%s: %d, want %d: %s", query, got, want, a.body)
			}
		}
		if n := ada.get(ada.org("/invitations?count=true&status=open")).header.Get("X-Total-Count"); n != "1" {
			t.Error(n)
		}

		// Resent: the former token dies.
		old := s.mail("nobody@example.com", "invitation").link()
		path := ada.org("/invitations/" + none.str("id"))
		s.later(time.Minute)
		again := ada.post(path+"/resend", body("expires_in_hours", 720)).is(200)
		if again.str("id") != none.str("id") || again.str("created_at") != none.str("created_at") || again.str("expires_at") <= none.str("expires_at") || again.str("url") != "" {
			t.Errorf("%s", again.body)
		}
		s.previews(old).is(404, "invitation_not_found")
		s.previews(s.mail("nobody@example.com", "invitation").link()).is(200)
		last := tokenOf(ada.post(path+"/resend", body("deliver", false)).is(200))
		s.previews(last).is(200)

		// Declined, revoked, expired; then there can be another.
		s.do("POST", "/api/v1/invitations/decline", "", body("token", last)).is(204)
		s.do("POST", "/api/v1/invitations/decline", "", body("token", last)).is(410, "invitation_used")
		s.previews(last).is(410, "invitation_used")
		second := ada.invites("nobody@example.com").is(201)
		ada.delete(ada.org("/invitations/" + second.str("id"))).is(204)
		s.previews(s.mail("nobody@example.com", "invitation").link()).is(410, "invitation_revoked")
		ada.invites("nobody@example.com", "expires_in_hours", 1).is(201)
		s.later(time.Hour)
		ada = s.logInAgain(ada)
		s.previews(s.mail("nobody@example.com", "invitation").link()).is(410, "invitation_expired")
		ada.invites("nobody@example.com").is(201)
		if list := ada.get(ada.org("/invitations?status=expired")).list(); len(list) != 1 || list[0]["closed_at"] != nil {
			t.Errorf("%v", list)
		}
		s.later(31*24*time.Hour + 8*24*time.Hour)
		if n := s.swept()["invitations"]; n != 5 || s.count("SELECT COUNT(*) FROM organization_invitations") != 0 {
			t.Errorf("%d went", n)
		}
	}, withMailbox)
}

// fieldsOf returns the names of the members of an answer, and their types.
func fieldsOf(a answer) string {
	var all []string
	for name, v := range a.object() {
		all = append(all, fmt.Sprintf("%s %T", name, v))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// TestInvitationNeedsTheRole: only the owner invites admins, or touches their invitations.
func TestInvitationNeedsTheRole(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		admin, member := s.person("Grace").joins(ada, true), s.person("Mary").joins(ada, false)
		admin.organization, member.organization = ada.organization, ada.organization
		member.invites("x@example.com", "deliver", false).is(403, "insufficient_role")
		member.get(ada.org("/invitations")).is(403)
		admin.invites("x@example.com", "deliver", false, "role", "admin").is(403, "insufficient_role")
		admin.invites("x@example.com", "deliver", false).is(201)
		admin.invites("x@example.com").is(503, "mail_not_configured")
		admin.post(ada.org("/invitations/batch"), body("invitations", []any{body("email", "y@example.com")})).is(503, "mail_not_configured")
		admin.post(ada.org("/invitation-links"), body("domains", []string{"example.com"})).is(503, "mail_not_configured")
		id := ada.invites("y@example.com", "deliver", false, "role", "admin").is(201).str("id")
		admin.delete(ada.org("/invitations/"+id)).is(403, "insufficient_role")
		admin.post(ada.org("/invitations/"+id+"/resend"), body("deliver", false)).is(403, "insufficient_role")
		admin.delete(ada.org("/invitations/"+nowhere)).is(404, "invitation_not_found")
		admin.delete(ada.org("/invitation-links/"+nowhere)).is(404, "invitation_link_not_found")
	})
}

// TestInvitationIsForItsAddress: accepted while signed in as another person (threats 91 and
// 140), it is refused and stays open.
func TestInvitationIsForItsAddress(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, eve := s.person("Ada"), s.proved(s.person("Grace")), s.proved(s.person("Eve"))
		for _, token := range []string{ada.mailed(grace.email), ada.shown("other@example.com")} {
			before := s.rows()
			eve.accepts(token).is(403, "invitation_for_another_address")
			if s.rows() != before || ada.roleOf(eve) != "" {
				t.Error("Eve is in")
			}
			s.previews(token).is(200)
		}
		register := body("email", "eve.2@example.com", "password", password, "name", "Eve", "invitation_token", s.mail(grace.email, "invitation").link())
		s.do("POST", "/api/v1/auth/register", "", register).is(403, "invitation_for_another_address")
		// Neither is the id of any use.
		id := ada.get(ada.org("/invitations?q=grace")).list()[0]["id"].(string)
		eve.post("/auth/me/invitations/"+id+"/accept", nil).is(404, "invitation_not_found")
		eve.post("/auth/me/invitations/"+id+"/decline", nil).is(404, "invitation_not_found")
		if list := eve.get("/auth/me/invitations").is(200).list(); len(list) != 0 {
			t.Errorf("%v", list)
		}
		grace.accepts(s.mail(grace.email, "invitation").link()).is(200)
	}, withMailbox)
}

// TestSquattedAddressTakesNoInvitation: whoever registers somebody's address gets none of
// their invitations (threat 141).
func TestSquattedAddressTakesNoInvitation(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		squatter := s.person("Grace")
		id := ada.invites(squatter.email).is(201).str("id")
		squatter.get("/auth/me/invitations").is(403, "email_not_verified")
		squatter.post("/auth/me/invitations/"+id+"/accept", nil).is(403, "email_not_verified")
		squatter.post("/auth/me/invitations/"+id+"/decline", nil).is(403, "email_not_verified")

		// The mailbox's owner wins: they accept as the account, and the squatter is out.
		before := s.actorOf(s.logIn(squatter.email, password).is(200))
		tokens := before.accepts(s.mail(squatter.email, "invitation").link()).is(200)
		grace := s.actorOf(tokens)
		for _, a := range []*actor{squatter, before} {
			a.get("/auth/me").is(401)
			s.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", a.refresh)).is(401)
		}
		s.logIn(squatter.email, password).is(401)
		if me := grace.get("/auth/me").is(200).object(); me["email_verified"] != true || grace.organization != ada.organization {
			t.Errorf("%v", me)
		}
	}, withMailbox)
}

// TestShownInvitationProvesNothing: the inviter who reads the link is not the mailbox
// (threat 142).
func TestShownInvitationProvesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		mary, grace, joan := s.person("Mary"), s.person("Grace"), s.person("Joan")
		token := ada.shown(grace.email)
		grace.accepts(token).is(403, "email_not_verified")
		if me := grace.get("/auth/me").is(200).object(); me["email_verified"] != false || ada.roleOf(grace) != "" {
			t.Errorf("%v", me)
		}
		s.previews(token).is(200) // nothing was consumed
		link := tokenOf(ada.post(ada.org("/invitation-links"), body()).is(201))
		joan.accepts(link).is(403, "email_not_verified")
		// A mailed one that was shown later proves nothing either.
		id := ada.invites(mary.email).is(201).str("id")
		shown := tokenOf(ada.post(ada.org("/invitations/"+id+"/resend"), body("deliver", false)).is(200))
		mary.accepts(shown).is(403, "email_not_verified")
		mary.accepts(s.mail(mary.email, "invitation").link()).is(404)
		for _, a := range []*actor{grace, joan, mary} {
			s.proved(a)
		}
		grace.accepts(token).is(200)
		joan.accepts(link).is(200)
		mary.accepts(shown).is(200)

		// No token is in an answer, an event, a stored answer or the log.
		secret := ada.mailed("secret@example.com")
		ada.invites("kept@example.com", "deliver", false, "role", "admin").is(201)
		secrets := []string{token, link, shown, secret}
		for _, path := range []string{ada.org("/invitations"), ada.org("/invitation-links"), ada.org("/audit-events?limit=1000")} {
			for _, secret := range secrets {
				if a := ada.get(path).is(200); strings.Contains(string(a.body), secret) {
					t.Errorf("%s shows a token", path)
				}
			}
		}
		for _, secret := range secrets {
			if strings.Contains(s.log.String(), secret) {
				t.Error("a token is in the log")
			}
			for table, rows := range s.inputContents("organization_invitations", "invitation_links", "audit_events", "idempotency_keys", "mail_outbox") {
				if strings.Contains(strings.Join(rows, "\n"), secret) {
					t.Errorf("%s has a token", table)
				}
			}
		}
		if events := string(ada.get(ada.org("/audit-events?limit=1000")).body); strings.Contains(events, "secret@example.com") || !strings.Contains(events, "s•••@example.com") {
			t.Error("the events show an address")
		}
	}, withMailbox)
}

// TestShownURLIsShownOnce: a repeated request with the same key creates nothing, and the
// answer that was kept for it has no URL.
func TestShownURLIsShownOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for path, b := range map[string]map[string]any{
			ada.org("/invitations"):      body("email", "new@example.com", "deliver", false),
			ada.org("/invitation-links"): body(),
		} {
			first := ada.post(path, b, "Idempotency-Key", "k"+path).is(201)
			again := ada.post(path, b, "Idempotency-Key", "k"+path).is(201)
			if first.str("url") == "" || again.str("url") != "" || again.str("id") != first.str("id") || again.header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s, then %s", first.body, again.body)
			}
		}
	})
}

func (s *service) tokenHash() (hash string) {
	s.t.Helper()
	if err := s.kernel.DB.Row(everything, "SELECT token_hash FROM organization_invitations").Scan(&hash); err != nil {
		s.t.Fatal(err)
	}
	return hash
}

// TestForgedInvitations: no altered token is accepted (threat 143).
func TestForgedInvitations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.proved(s.person("Grace"))
		token := ada.mailed(grace.email)
		if len(token) != 43 {
			t.Errorf("%d characters", len(token))
		}
		forged := []string{strings.ToUpper(token), token + "A", token[1:], "x", s.tokenHash()}
		for i := range token {
			flipped := []byte(token)
			if flipped[i] ^= 1; flipped[i] != token[i] {
				forged = append(forged, string(flipped))
			}
		}
		for _, other := range forged {
			grace.accepts(other).is(404, "invitation_not_found")
			s.previews(other).is(404, "invitation_not_found")
			s.do("POST", "/api/v1/invitations/decline", "", body("token", other)).is(404)
			s.do("POST", "/api/v1/auth/register", "", body("email", "new@example.com", "password", password, "name", "N", "invitation_token", other)).is(404, "invitation_not_found")
		}
		grace.accepts(token).is(200)
	}, withMailbox, func(c *config.Config) { c.RateLimitEnabled = false })
}

// TestForeignInvitations: an admin reaches no invitation of another organization by its id
// (threat 144).
func TestForeignInvitations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve := s.person("Ada"), s.person("Eve")
		token := ada.shown("grace@example.com")
		id := ada.get(ada.org("/invitations")).list()[0]["id"].(string)
		link := ada.post(ada.org("/invitation-links"), body()).is(201)
		for _, organization := range []string{ada.organization, eve.organization} {
			base := "/organizations/" + organization
			eve.delete(base + "/invitations/" + id).is(404)
			eve.post(base+"/invitations/"+id+"/resend", body("deliver", false)).is(404)
			eve.delete(base + "/invitation-links/" + link.str("id")).is(404)
		}
		eve.get(ada.org("/invitations")).is(404, "organization_not_found")
		eve.get(ada.org("/invitation-links")).is(404)
		eve.post(ada.org("/invitations"), body("email", "x@example.com", "deliver", false)).is(404)
		eve.post(ada.org("/invitation-links"), body()).is(404)
		if len(eve.get(eve.org("/invitations")).list())+len(eve.get(eve.org("/invitation-links")).list()) != 0 {
			t.Error("Eve sees them")
		}
		s.previews(token).is(200)
		s.previews(tokenOf(link)).is(200)
	})
}

// TestParallelAcceptance: one membership, whoever is first, and no use of a link beyond its
// limit (threat 145).
func TestParallelAcceptance(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		rounds, parallel := 10, 64
		if trustLong() {
			rounds = 50
		}
		for range rounds {
			grace := s.person("Grace")
			token := ada.shown(grace.email)
			oneWins(t, parallel, 200, 410, func(int) answer { return grace.accepts(token) })
			if n := s.count("SELECT COUNT(*) FROM organization_members WHERE organization_id = ? AND user_id = ?", ada.organization, grace.id); n != 1 {
				t.Errorf("%d memberships", n)
			}
		}
		var people []*actor
		for range 64 {
			people = append(people, s.person("P"))
		}
		for round := range 5 {
			const most = 9
			link := ada.post(ada.org("/invitation-links"), body("max_uses", most)).is(201)
			fresh := people[round*12 : round*12+12]
			before := s.count("SELECT COUNT(*) FROM organization_members WHERE organization_id = ?", ada.organization)
			var mu sync.Mutex
			statuses := map[int]int{}
			var wg sync.WaitGroup
			for _, p := range fresh {
				wg.Go(func() {
					a := p.accepts(tokenOf(link))
					mu.Lock()
					defer mu.Unlock()
					statuses[a.status]++
				})
			}
			wg.Wait()
			joined := s.count("SELECT COUNT(*) FROM organization_members WHERE organization_id = ?", ada.organization) - before
			if statuses[200] != most || statuses[410] != len(fresh)-most || joined != most {
				t.Errorf("%v, %d joined", statuses, joined)
			}
			s.previews(tokenOf(link)).is(410, "invitation_used")
		}
		// Of parallel invitations of one address, one is stored, and the schema says so too.
		oneWins(t, 16, 201, 409, func(int) answer { return ada.invites("one@example.com", "deliver", false) })
		s.refused("INSERT INTO organization_invitations SELECT organization_id, '"+nowhere+"', email, email_canonical, role, token_hash, delivered, invited_by, created_at, expires_at, NULL, NULL FROM organization_invitations WHERE closed_at IS NULL", "duplicated key")

		// An admin adds the person who accepts.
		for _, p := range people[:30] {
			ada.delete(ada.org("/members/" + p.id))
			token := ada.shown(p.email)
			var wg sync.WaitGroup
			wg.Go(func() { p.accepts(token).is(200) })
			wg.Go(func() { ada.post(ada.org("/members"), body("user_id", p.id)) })
			wg.Wait()
		}
	}, func(c *config.Config) { c.RateLimitEnabled = false })
}

// TestAnAcceptanceWaitsForADemotion: it reads the inviter's role under the lock of the
// organization.
func TestAnAcceptanceWaitsForADemotion(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		admin := s.person("Mary").joins(ada, true)
		admin.organization = ada.organization
		token := admin.shown(grace.email)
		answered := make(chan answer, 1)
		err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
			if err := s.kernel.Gate.LockOrganization(ctx, uuid.MustParse(ada.organization)); err != nil {
				return err
			}
			// Only the role: the invitation stays open.
			err := s.kernel.DB.Conn(ctx).Exec("DELETE FROM organization_admins WHERE organization_id = ? AND user_id = ?", ada.organization, admin.id).Error
			if err != nil {
				return err
			}
			go func() { answered <- grace.accepts(token) }()
			select {
			case a := <-answered:
				t.Errorf("it did not wait: %d %s", a.status, a.body)
				answered <- a
			case <-time.After(300 * time.Millisecond):
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		(<-answered).is(410, "invitation_revoked")
	})
}

// TestInvitationIntoASuspendedOrArchivedOrganization is threat 146.
func TestInvitationIntoASuspendedOrArchivedOrganization(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		token, link := ada.shown(grace.email), tokenOf(ada.post(ada.org("/invitation-links"), body()).is(201))
		register := func(token string) answer {
			return s.do("POST", "/api/v1/auth/register", "", body("email", "new@example.com", "password", password, "name", "N", "invitation_token", token))
		}
		ada.post(ada.org("/suspend"), because()).is(200)
		grace.accepts(token).is(403, "organization_suspended")
		grace.accepts(link).is(403, "organization_suspended")
		register(link).is(403, "organization_suspended")
		ada.invites("x@example.com", "deliver", false).is(403, "organization_suspended")
		ada.post(ada.org("/activate"), nil).is(200)
		ada.post(ada.org("/archive"), because()).is(200)
		for _, token := range []string{token, link} {
			grace.accepts(token).is(410, "invitation_revoked")
			s.previews(token).is(410, "invitation_revoked")
		}
		register(link).is(410, "invitation_revoked")
		s.proved(grace)
		if list := grace.get("/auth/me/invitations").is(200).list(); len(list) != 0 {
			t.Errorf("%v", list)
		}
		ada.post(ada.org("/unarchive"), body()).is(200)
		grace.accepts(token).is(200)
		register(link).is(201)
	})
}

// TestInvitationsOfAFiredInviter: whoever loses the power to invite loses what they had open
// (threat 147).
func TestInvitationsOfAFiredInviter(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		i := 0
		for name, fire := range map[string]func(owner, admin *actor){
			"demoted":     func(o, a *actor) { o.delete(o.org("/admins/" + a.id)).is(204) },
			"removed":     func(o, a *actor) { o.delete(o.org("/members/" + a.id)).is(204) },
			"left":        func(o, a *actor) { a.delete(o.org("/members/" + a.id)).is(204) },
			"suspended":   func(o, a *actor) { o.post(o.org("/members/"+a.id+"/suspend"), because()).is(200) },
			"deactivated": func(o, a *actor) { o.post(o.org("/members/"+a.id+"/deactivate"), nil).is(200) },
			"account suspended": func(_, a *actor) {
				root.post("/users/"+a.id+"/suspend", body("reason", "x", "scope", "account")).is(200)
			},
			"account archived": func(_, a *actor) {
				root.post("/users/"+a.id+"/archive", because()).is(200)
			},
		} {
			i++
			ada := s.person("Ada")
			admin, grace := s.person("Mary").joins(ada, true), s.person("Grace")
			admin.organization = ada.organization
			kept := ada.shown("kept@example.com")
			token, link := admin.shown(grace.email), tokenOf(admin.post(ada.org("/invitation-links"), body()).is(201))
			fire(ada, admin)
			if n := s.count("SELECT COUNT(*) FROM organization_invitations WHERE invited_by = ? AND closed_at IS NULL", admin.id) + s.count("SELECT COUNT(*) FROM invitation_links WHERE invited_by = ? AND closed_at IS NULL", admin.id); n != 0 {
				t.Errorf("%s: %d are open", name, n)
			}
			for _, token := range []string{token, link} {
				grace.accepts(token).is(410, "invitation_revoked")
				s.previews(token).is(410, "invitation_revoked")
			}
			s.previews(kept).is(200)
			if events := ada.get(ada.org("/audit-events?action=invitations.withdrawn")).is(200).list(); len(events) != 1 {
				t.Errorf("%s: %v", name, events)
			}
		}

		// A former owner keeps the invitations of members only.
		ada := s.person("Ada")
		heir := s.person("Mary").joins(ada, true)
		member, admin := ada.shown("member@example.com"), ada.shown("admin@example.com", "role", "admin")
		ada.post(ada.org("/transfer-ownership"), body("new_owner_user_id", heir.id)).is(200)
		s.previews(member).is(200)
		s.previews(admin).is(410, "invitation_revoked")

		// The acceptance reads the inviter's role itself, whatever took it.
		s.exec("DELETE FROM organization_admins WHERE organization_id = ? AND user_id = ?", ada.organization, ada.id)
		s.previews(member).is(410, "invitation_revoked")
		s.person("Joan").accepts(member).is(410, "invitation_revoked")
		// A suspension that has only begun to count by its time, too.
		s.exec("INSERT INTO organization_admins (organization_id, user_id, granted_at) VALUES (?, ?, ?)", ada.organization, ada.id, s.kernel.Now())
		s.previews(member).is(200)
	})
}

// TestInvitationsOfAThief: whoever loses an account to its owner loses the invitations that
// they left as a way back (threats 61 and 147).
func TestInvitationsOfAThief(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for name, c := range map[string]struct {
			account *actor
			evict   func(account *actor)
		}{
			"disavowed": {s.verifiedPerson("Ada"), func(a *actor) {
				a.patch("/users/"+a.id+"/password", body("old_password", password, "new_password", newPassword)).is(204)
				s.public("/auth/disavow", "link_token", s.mail(a.email, "password_changed").link()).is(204)
			}},
			"squatted": {s.person("Grace"), func(a *actor) {
				s.ask("reset_password", a.email)
				s.reset("link_token", s.mail(a.email, "reset_password").link()).is(204)
			}},
		} {
			thief := s.verifiedPerson("Mary")
			invitation := c.account.shown(thief.email, "role", "admin")
			link := tokenOf(c.account.post(c.account.org("/invitation-links"), body()).is(201))
			c.evict(c.account)
			for _, token := range []string{invitation, link} {
				if a := thief.accepts(token); a.status != 410 {
					t.Errorf("%s: %d", name, a.status)
				}
			}
		}

		// Whoever has only forgotten their password keeps what they offered.
		ada := s.verifiedPerson("Ada")
		kept := ada.shown("grace@example.com")
		s.ask("reset_password", ada.email)
		s.reset("link_token", s.mail(ada.email, "reset_password").link()).is(204)
		s.previews(kept).is(200)
	}, withMailbox)
}

// TestInvitationsKeepRoles: an existing member is neither lifted nor lowered.
func TestInvitationsKeepRoles(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, mary := s.person("Ada"), s.person("Grace"), s.person("Mary")
		lift, lower := ada.shown(grace.email, "role", "admin"), ada.shown(mary.email)
		link := ada.post(ada.org("/invitation-links"), body("max_uses", 1)).is(201)
		grace.joins(ada, false)
		mary.joins(ada, true)
		for _, a := range []answer{grace.accepts(lift).is(200), mary.accepts(lower).is(200), grace.accepts(tokenOf(link)).is(200)} {
			if a.str("organization_id") != ada.organization {
				t.Errorf("%s", a.body)
			}
		}
		if g, m := ada.roleOf(grace), ada.roleOf(mary); g != "member" || m != "admin" {
			t.Error(g, m)
		}
		s.previews(lift).is(410, "invitation_used")
		s.previews(tokenOf(link)).is(200) // a member does not use it up
		// A suspension outlives the membership, and keeps the person out.
		joan := s.person("Joan")
		token := ada.shown(joan.email)
		joan.joins(ada, false)
		ada.post(ada.org("/members/"+joan.id+"/suspend"), because()).is(200)
		ada.delete(ada.org("/members/" + joan.id)).is(204)
		joan.accepts(token).is(403, "membership_suspended")
		s.previews(token).is(200)
	})
}

func TestMyInvitations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve, grace := s.person("Ada"), s.person("Eve"), s.proved(s.person("Grace"))
		ada.invites(grace.email, "role", "admin").is(201)
		eve.invites(grace.email).is(201)
		list := grace.get("/auth/me/invitations?count=true").is(200)
		if l := list.list(); len(l) != 2 || l[0]["organization_name"] != "Ada's Organization" || l[0]["role"] != "admin" || l[0]["invited_by_name"] != "Ada" || list.header.Get("X-Total-Count") != "2" {
			t.Fatalf("%s", list.body)
		}
		id := func(i int) string { return list.list()[i]["id"].(string) }
		grace.post("/auth/me/invitations/"+id(1)+"/decline", nil).is(204)
		if declined := grace.post("/auth/me/invitations/"+id(1)+"/accept", nil).is(410, "invitation_used"); !strings.Contains(declined.str("detail"), "declined") {
			t.Errorf("%s", declined.body)
		}
		if a := grace.post("/auth/me/invitations/"+id(0)+"/accept", nil).is(200); a.str("organization_id") != ada.organization || ada.roleOf(grace) != "admin" {
			t.Errorf("%s", a.body)
		}
		if l := grace.get("/auth/me/invitations").is(200).list(); len(l) != 0 {
			t.Errorf("%v", l)
		}
		if l := eve.get(eve.org("/invitations?status=declined")).list(); len(l) != 1 {
			t.Errorf("%v", l)
		}
	}, withMailbox)
}

func TestInvitationLinks(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		a := ada.post(ada.org("/invitation-links"), body("domains", []string{"Example.com", "bücher.example"}, "max_uses", 3)).is(201)
		if got := fmt.Sprint(a.object()["domains"]); got != "[example.com xn--bcher-kva.example]" {
			t.Error(got)
		}
		p := s.previews(tokenOf(a)).is(200)
		if p.object()["email"] != nil || p.str("role") != "member" {
			t.Errorf("%s", p.body)
		}
		grace.accepts(tokenOf(a)).is(403, "email_not_verified")
		s.proved(grace)
		s.exec("UPDATE users SET email = 'g@sub.example.com', email_canonical = 'g@sub.example.com' WHERE id = ?", grace.id)
		grace.accepts(tokenOf(a)).is(403, "invitation_for_another_address")
		s.exec("UPDATE users SET email = 'g@example.com', email_canonical = 'g@example.com' WHERE id = ?", grace.id)
		grace.accepts(tokenOf(a)).is(200)
		if ada.roleOf(grace) != "member" {
			t.Error(ada.roleOf(grace))
		}
		s.do("POST", "/api/v1/invitations/decline", "", body("token", tokenOf(a))).is(404)
		other := ada.post(ada.org("/invitation-links"), body("expires_in_hours", 1)).is(201)
		list := ada.get(ada.org("/invitation-links?count=true")).is(200)
		if l := list.list(); len(l) != 2 || l[0]["uses"] != 1.0 || l[0]["url"] != nil || l[1]["max_uses"] != nil || list.header.Get("X-Total-Count") != "2" {
			t.Errorf("%s", list.body)
		}
		ada.delete(ada.org("/invitation-links/" + a.str("id"))).is(204)
		ada.delete(ada.org("/invitation-links/"+a.str("id"))).is(409, "invitation_closed")
		s.previews(tokenOf(a)).is(410, "invitation_revoked")
		s.later(time.Hour)
		s.previews(tokenOf(other)).is(410, "invitation_expired")
		for _, bad := range []string{"", "example.com/", "@example.com", "a@example.com", "-", "exa mple.com"} {
			inputNames(s.logInAgain(ada).post(ada.org("/invitation-links"), body("domains", []string{bad})), "body.domains[0]")
		}
		s.later(32 * 24 * time.Hour)
		if n := s.swept()["invitation links"]; n != 2 {
			t.Errorf("%d went", n)
		}
	}, withMailbox)
}

// TestRegistrationByInvitation: it works while registration is closed, and founds no
// organization.
func TestRegistrationByInvitation(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		closed := start(t, s.kernel.Config.DatabaseURL.Reveal(), func(c *config.Config) { c.EnableRegistration = false }, withMailbox)
		register := func(email, token string) answer {
			return closed.do("POST", "/api/v1/auth/register", "", body("email", email, "password", password, "name", "New", "invitation_token", token))
		}
		organizations := closed.count("SELECT COUNT(*) FROM organizations")
		closed.do("POST", "/api/v1/auth/register", "", body("email", "new@example.com", "password", password, "name", "N")).is(403, "registration_disabled")

		// By mail: at once, and verified.
		token := ada.mailed("grace@example.com", "role", "admin")
		register("ada@example.com", token).is(403, "invitation_for_another_address")
		grace := closed.actorOf(register("Grace@example.com", token).is(201))
		if me := grace.get("/auth/me").is(200); me.object()["email_verified"] != true || me.str("organization.role") != "admin" || grace.organization != ada.organization {
			t.Errorf("%s", me.body)
		}
		register("grace@example.com", token).is(410, "invitation_used")

		// By a shown link: when the code comes back.
		shown := ada.shown("mary@example.com")
		challenge := register("mary@example.com", shown).is(202).str("challenge_token")
		if n := closed.count("SELECT COUNT(*) FROM users WHERE email_canonical = 'mary@example.com'"); n != 0 {
			t.Error("there is an account already")
		}
		code := closed.mail("mary@example.com", "confirm_email").code()
		complete := func(challenge, code string) answer {
			return closed.do("POST", "/api/v1/auth/token", "", body("grant_type", "challenge", "challenge_token", challenge, "code", code))
		}
		complete(challenge, wrong(code)).is(401)
		mary := closed.actorOf(complete(challenge, code).is(200))
		if me := mary.get("/auth/me").is(200); me.object()["email_verified"] != true || me.str("organization.role") != "member" {
			t.Errorf("%s", me.body)
		}

		// Revoked before the code comes back.
		link := ada.post(ada.org("/invitation-links"), body()).is(201)
		challenge = register("joan@example.com", tokenOf(link)).is(202).str("challenge_token")
		ada.delete(ada.org("/invitation-links/" + link.str("id"))).is(204)
		complete(challenge, closed.mail("joan@example.com", "confirm_email").code()).is(410, "invitation_revoked")
		if n := closed.count("SELECT COUNT(*) FROM users WHERE email_canonical = 'joan@example.com'"); n != 0 {
			t.Error("there is an account")
		}
		register("joan@example.com", tokenOf(link)).is(410, "invitation_revoked")
		if n := closed.count("SELECT COUNT(*) FROM organizations"); n != organizations {
			t.Error("an organization was founded")
		}
		if strings.Contains(fmt.Sprint(closed.inputContents("challenges")), tokenOf(link)) {
			t.Error("a challenge has the token")
		}
	}, withMailbox)
}

// TestInvitationsWithoutMail: there is no proof to be had, so none is asked for.
func TestInvitationsWithoutMail(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		token := ada.shown(grace.email)
		id := ada.get(ada.org("/invitations")).list()[0]["id"].(string)
		grace.post("/auth/me/invitations/"+id+"/accept", nil).is(403, "email_not_verified") // no proof at all
		if !strings.HasPrefix(ada.post(ada.org("/invitations/"+id+"/resend"), body("deliver", false)).is(200).str("url"), "http") {
			t.Error("no url")
		}
		grace.accepts(token).is(404)
		token = tokenOf(ada.post(ada.org("/invitations/"+id+"/resend"), body("deliver", false)).is(200))
		ada.post(ada.org("/invitations/"+id+"/resend"), body()).is(503, "mail_not_configured")
		grace.accepts(token).is(200)
		if me := grace.get("/auth/me").is(200).object(); me["email_verified"] != false {
			t.Errorf("%v", me)
		}
		link := tokenOf(ada.post(ada.org("/invitation-links"), body()).is(201))
		a := s.do("POST", "/api/v1/auth/register", "", body("email", "new@example.com", "password", password, "name", "N", "invitation_token", link)).is(201)
		if a.str("organization_id") != ada.organization {
			t.Errorf("%s", a.body)
		}
	})
}

// TestInvitationLimits: mails to one address count wherever they come from, and so do an
// inviter's invitations and an organization's (threats 92 and 149).
func TestInvitationLimits(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		victim := "victim@example.com"
		for i := range 10 {
			owner := s.person("Owner")
			if i == 0 {
				s.ask("reset_password", victim)
				continue
			}
			owner.invites(victim).is(201)
		}
		retryAfter(s.person("Owner").invites(victim).is(429, "too_many_requests"))
		s.do("POST", "/api/v1/auth/challenges", "", body("purpose", "reset_password", "email", victim)).is(429)
		if n := len(s.mails(victim)); n != 9 { // the reset was for nobody
			t.Errorf("%d mails", n)
		}
		ada := s.person("Ada")
		inputNames(ada.post(ada.org("/invitations/batch"), body("invitations", []any{body("email", "other@example.com"), body("email", victim)})), "body.invitations[1].email")
		if len(ada.get(ada.org("/invitations")).list())+len(s.mails("other@example.com")) != 0 {
			t.Error("somebody was invited")
		}

		// Two full batches of one inviter, and three of an organization.
		admin, second := s.person("Mary").joins(ada, true), s.person("Joan").joins(ada, true)
		batch := func(who *actor, n int) answer {
			var all []any
			for i := range 1000 {
				all = append(all, body("email", fmt.Sprintf("p%d.%d@example.com", n, i)))
			}
			return who.post(ada.org("/invitations/batch"), body("invitations", all))
		}
		batch(admin, 1).is(201)
		batch(admin, 2).is(201)
		batch(admin, 3).is(429, "too_many_requests") // a single one may be allowed again by now
		batch(second, 3).is(201)
		batch(second, 4).is(429) // of the organization
		s.later(31 * time.Second)
		admin.post(ada.org("/invitations"), body("email", "x@example.com")).is(201)
	}, withMailbox, func(c *config.Config) { c.RateLimitEnabled = true })
}

func TestInvitationBatch(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, true)
		ada.invites("open@example.com").is(201)
		path := ada.org("/invitations/batch")
		list := []any{
			body("email", "new@example.com"), body("email", grace.email), body("email", "OPEN@example.com"),
			body("email", "NEW@example.com", "role", "admin"), body("email", "second@example.com", "role", "admin"),
		}
		a := ada.post(path, body("invitations", list))
		inputNames(a, "body.invitations[1].email", "body.invitations[2].email", "body.invitations[3].email")
		for _, code := range []string{"already_member", "already_invited", "named_twice"} {
			if !strings.Contains(string(a.body), `"`+code+`"`) {
				t.Errorf("no %s: %s", code, a.body)
			}
		}
		before := s.rows()
		dry := ada.post(path, body("invitations", list, "skip_existing", true, "dry_run", true), "Idempotency-Key", "dry").is(200)
		ada.post(path, body("invitations", list, "skip_existing", true, "dry_run", true), "Idempotency-Key", "dry").is(200)
		if dry.object()["dry_run"] != true || len(dry.object()["invited"].([]any)) != 2 || len(dry.object()["skipped"].([]any)) != 3 || s.rows() != before || len(s.mails("new@example.com")) != 0 {
			t.Errorf("%s", dry.body)
		}
		grace.post(path, body("invitations", list, "skip_existing", true)).is(403, "insufficient_role")
		done := ada.post(path, body("invitations", list, "skip_existing", true, "expires_in_hours", 1)).is(201)
		if len(done.object()["invited"].([]any)) != 2 || done.object()["invited"].([]any)[0].(map[string]any)["id"] == nil || done.header.Get("Location") != "/api/v1"+ada.org("/invitations") {
			t.Errorf("%s", done.body)
		}
		if s.previews(s.mail("second@example.com", "invitation").link()).is(200).str("role") != "admin" {
			t.Error("another role")
		}
		for _, c := range []struct {
			body map[string]any
			at   []string
		}{
			{body("invitations", []any{}), []string{"body"}},
			{body("invitations", []any{"x", 1, nil, []any{}}), []string{"body.invitations[0]", "body.invitations[1]", "body.invitations[2]", "body.invitations[3]"}},
			{body("invitations", []any{body("email", "x"), body("role", "owner"), body("email", "a@example.com", "x", 1)}), []string{"body.invitations[0].email", "body.invitations[1].email", "body.invitations[1].role", "body.invitations[2].x"}},
			{body("invitations", slices.Repeat([]any{body("email", "a@example.com")}, 1001)), []string{"body.invitations"}},
		} {
			inputNames(ada.post(path, c.body), c.at...)
		}
		inputNames(ada.post(path, `{"invitations":[{"email":"a@example.com","email":"b@example.com"}]}`), "body.email")
	}, withMailbox)
}

func TestInvitationsFromCSV(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		send := func(text, query string, headers ...string) answer {
			if !slices.Contains(headers, "Content-Type") {
				headers = append(headers, "Content-Type", "text/csv")
			}
			return ada.post(ada.org("/invitations/batch")+query, text, headers...)
		}
		a := send("\ufeffemail,role\r\n\"a@example.com\",admin\r\n b@example.com ,\r\nc@example.com,member", "", "Content-Type", "text/csv; charset=UTF-8").is(201)
		if got := fmt.Sprint(a.object()["invited"]); !strings.Contains(got, "email:a@example.com") || !strings.Contains(got, "email:b@example.com") || strings.Count(got, "role:member") != 2 {
			t.Error(got)
		}
		send("role,email\nmember,d@example.com\n", "?expires_in_hours=1").is(201)
		send("email\ne@example.com\n", "").is(201)
		if n := s.mail("e@example.com", "invitation"); n.link() == "" {
			t.Error("no mail")
		}
		// Every bad row is named as a spreadsheet numbers it; an empty line counts.
		bad := send("email,role\nx\nf@example.com,owner\n\nf@example.com,member\ng@example.com,member,more\n=cmd()@@example.com,\n", "?dry_run=true")
		inputNames(bad, "row 2", "row 3", "row 6", "row 7")
		if !strings.Contains(bad.str("detail"), "Row 3 must be member or admin.") {
			t.Error(bad.str("detail"))
		}
		inputNames(send("email\nh@example.com\na@example.com\n"+ada.email+"\nh@example.com\n", ""), "row 3", "row 4", "row 5")
		if dry := send("email\nh@example.com\na@example.com\n"+ada.email+"\n", "?dry_run=true&skip_existing=1").is(200); len(dry.object()["skipped"].([]any)) != 2 {
			t.Errorf("%s", dry.body)
		}
		// The same key with another query is another request.
		send("email\ni@example.com\n", "?dry_run=true", "Idempotency-Key", "k").is(200)
		send("email\ni@example.com\n", "", "Idempotency-Key", "k").is(201)
		send("email\ni@example.com\n", "?skip_existing=true", "Idempotency-Key", "k").is(422, "idempotency_key_reused")
		if again := send("email\ni@example.com\n", "", "Idempotency-Key", "k").is(201); again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s", again.body)
		}
		for _, header := range []string{"mail", "email,email", "role", "email,role,name", "email;mail"} {
			inputNames(send(header+"\na@example.com\n", ""), "row 1")
		}
		// As spreadsheets in other languages write it.
		if got := send("Email; Role\nexcel@example.com;admin\n", "?dry_run=true").is(200); got.str("invited") != "[map[email:excel@example.com id:<nil> role:admin]]" {
			t.Errorf("%s", got.body)
		}
		for _, malformed := range []string{"email\n\"a@example.com\n", "email\na\"b@example.com\n", "\"email\nx"} {
			send(malformed, "").is(400, "malformed_body")
		}
		send("", "").is(400, "malformed_body")
		inputNames(send("email\n", ""), "body")
		inputNames(send("email\n\xff@example.com\n", ""), "body")
		inputNames(send("email\nj@example.com\n", "?dry_run=x&expires_in_hours=721"), "query.dry_run", "query.expires_in_hours")
		inputNames(send("email\n"+strings.Repeat("j@example.com\n", 1001), ""), "body")
		ada.post(ada.org("/invitations"), "email\na@example.com\n", "Content-Type", "text/csv").is(415, "unsupported_media_type")

		// A thousand of the longest addresses fit, in both forms.
		var rows strings.Builder
		var list []any
		for i := range 1000 {
			email := fmt.Sprintf("%s%04d@%s.example.com", strings.Repeat("x", 60), i, strings.Repeat(strings.Repeat("y", 58)+".", 3)[:176])
			rows.WriteString(email + ",member\r\n")
			list = append(list, body("email", email, "role", "member"))
		}
		if n := len(send("email,role\r\n"+rows.String(), "?dry_run=true").is(200).object()["invited"].([]any)); n != 1000 {
			t.Errorf("%d rows", n)
		}
		ada.post(ada.org("/invitations/batch"), body("invitations", list, "dry_run", true)).is(200)
		send("email\n"+strings.Repeat(" ", 512<<10), "").is(413, "body_too_large")
	}, withMailbox)
}
