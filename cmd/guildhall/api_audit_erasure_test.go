package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestErasedFromTheAuditLog checks that an erasure takes a person's traces from the events of
// every chain, that the chains verify afterwards, here and after an import elsewhere, and that
// nobody can disguise a change as an erasure.
func TestErasedFromTheAuditLog(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		const program, reason = "graces-own-program/1.0", "Grace was seen at the races"
		ada := s.person("Ada")
		grace := s.person("Grace")
		grace.joins(ada, true)
		s.do("POST", "/api/v1/auth/token", "", body("username", grace.email, "password", password), "User-Agent", program).is(200)
		grace.patch("/users/"+grace.id+"/profile", body("bio", "…"), "User-Agent", program).is(200)
		admin := grace.in(ada)
		admin.post(ada.org("/members"), body("user_id", s.person("Eve").id), "User-Agent", program).is(201)
		ada.post(ada.org("/members/"+grace.id+"/suspend"), body("reason", reason)).is(200)
		before := s.verified()
		erase := func() {
			t.Helper()
			if err := s.kernel.Trail.Erase(s.ctx, uuid.MustParse(grace.id)); err != nil {
				t.Fatal(err)
			}
		}
		traces := func() (n int) {
			for _, row := range s.table("SELECT address, client, details FROM audit_events") {
				if strings.Contains(fmt.Sprint(row), program) || strings.Contains(fmt.Sprint(row), reason) {
					n++
				}
			}
			return n
		}
		if traces() < 4 {
			t.Fatalf("%d events tell of Grace", traces())
		}
		erase()
		if n := traces(); n != 0 {
			t.Errorf("%d events still tell of Grace", n)
		}
		after := s.verified()
		if after.Events <= before.Events || after.Digest == before.Digest {
			t.Errorf("no event tells of the erasure: %+v, before %+v", after, before)
		}
		erase()
		if again := s.verified(); again.Events != after.Events {
			t.Errorf("an erasure with nothing to erase left %d events", again.Events-after.Events)
		}

		// What happened, and what others did, stays.
		var added, suspended, named bool
		for _, e := range ada.get(ada.org("/audit-events?limit=100")).is(200).list() {
			details := e["details"].(map[string]any)
			switch {
			case e["action"] == "member.added" && e["actor_user_id"] == grace.id:
				added = e["address"] == "" && details["role"] == "member" && details["erased"] == "true"
			case e["action"] == "user.suspended":
				suspended = e["user_id"] == grace.id && e["actor_user_id"] == ada.id && e["address"] != "" && details["reason"] == nil && details["erased"] == "true"
			case e["action"] == "organization.created":
				named = e["address"] != "" && details["erased"] == nil
			}
		}
		if !added || !suspended || !named {
			t.Errorf("added %v, suspended %v, created %v", added, suspended, named)
		}

		archive := s.export(ada.organization)
		targets(t, func(_ *testing.T, there *service) {
			there.commandIs(0, "was imported", "import", archive)
			there.verified()
		})
		s.asOwner()
		which := fmt.Sprintf(" WHERE chain_id = '%s' AND address <> 'erased' AND sequence > 1", ada.organization)
		for _, forbidden := range []string{
			"UPDATE audit_events SET address = 'erased', client = '', action = 'member.left'" + which,
			"UPDATE audit_events SET address = 'erased', client = '', request_id = 'x'" + which,
			"UPDATE audit_events SET address = 'erased', client = '', hash = 'x'" + which,
			"UPDATE audit_events SET address = 'erased', client = '', user_id = NULL" + which,
			"UPDATE audit_events SET address = 'erased', client = 'x'" + which,
			"UPDATE audit_events SET details = '{}', address = 'erased', client = ''" + which,
		} {
			s.refused(forbidden, "never changed")
		}
		s.unguardEvents()
		s.exec("CREATE TABLE kept AS SELECT * FROM audit_events")
		for _, forgery := range []string{
			"UPDATE audit_events SET address = 'erased', client = ''" + which,
			"UPDATE audit_events SET details = '{\"erased\":\"true\"}'" + which,
			fmt.Sprintf("UPDATE audit_events SET actor_role = 'x' WHERE chain_id = '%s' AND address = 'erased'", ada.organization),
			fmt.Sprintf("UPDATE audit_events SET hash = 'x' WHERE chain_id = '%s' AND address = 'erased'", ada.organization),
			fmt.Sprintf("UPDATE audit_events SET address = '' WHERE chain_id = '%s' AND address = 'erased'", ada.organization),
			fmt.Sprintf("UPDATE audit_events SET details = '{}' WHERE chain_id = '%s' AND action = 'events.erased'", ada.organization),
		} {
			s.exec(forgery)
			if v := s.verify(); len(v.Broken) != 1 || !strings.Contains(v.Broken[0], ada.organization) {
				t.Errorf("%s: %+v", forgery, v)
			}
			s.commandIs(1, "could not be imported", "export", ada.organization, "--output", filepath.Join(t.TempDir(), "archive"))
			s.exec("DELETE FROM audit_events")
			s.exec("INSERT INTO audit_events SELECT * FROM kept")
		}
		s.verified()
	})
}

// TestTracesInTheChainsOfOthers: whoever acts on another account has traces in its chain. That
// chain gets the record of their erasure.
func TestTracesInTheChainsOfOthers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		const program = "roots-own-program/1.0"
		root, grace := s.operator("Root"), s.person("Grace")
		root.post("/users/"+grace.id+"/suspend", body("reason", "x", "scope", "account"), "User-Agent", program).is(200)
		eve := s.person("Eve")
		eve.get("/platform/status", "User-Agent", program).is(403)
		chains := func() int {
			return len(s.table("SELECT DISTINCT chain_id FROM audit_events WHERE client = ?", program))
		}
		if n := chains(); n != 2 {
			t.Fatalf("the traces are in %d chains", n)
		}
		for _, who := range []*actor{root, eve} {
			if err := s.kernel.Trail.Erase(s.ctx, uuid.MustParse(who.id)); err != nil {
				t.Fatal(err)
			}
			s.verified()
		}
		if n := chains(); n != 0 {
			t.Errorf("traces are left in %d chains", n)
		}
	})
}

// TestRetentionAfterAnErasure: what an erasure left is deleted like any other event.
func TestRetentionAfterAnErasure(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for i := range 3 {
			ada.patch(ada.org(""), body("name", fmt.Sprint(i))).is(200)
		}
		s.later(60 * day)
		ada = s.logInAgain(ada)
		ada.patch(ada.org(""), body("name", "later")).is(200)
		if err := s.kernel.Trail.Erase(context.Background(), uuid.MustParse(ada.id)); err != nil {
			t.Fatal(err)
		}
		s.verified()
		s.later(31 * day)
		if n := s.swept()["audit events"]; n < 4 {
			t.Errorf("%d events were deleted", n)
		}
		if v := s.verified(); v.Events < 2 {
			t.Errorf("%+v", v)
		}
	}, keepingEvents(90))
}
