package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// colleagues creates accounts without a password, and returns their ids and addresses.
func colleagues(root *actor, n int) (ids, emails []string) {
	for range n {
		email := fmt.Sprintf("Colleague.%d@example.com", people.Add(1))
		ids = append(ids, root.post("/users", body("email", email, "name", "Colleague")).is(201).str("id"))
		emails = append(emails, email)
	}
	return ids, emails
}

// locations returns the locations of the errors of a 422.
func (a answer) locations() (list []string) {
	for _, e := range a.object()["errors"].([]any) {
		list = append(list, e.(map[string]any)["location"].(string))
	}
	return list
}

func (a *actor) members() (ids []string) {
	a.s.t.Helper()
	for _, m := range a.get(a.org("/members?limit=1000")).is(200).list() {
		ids = append(ids, m["id"].(string))
	}
	return ids
}

func TestABatchAddsMembers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		ids, emails := colleagues(root, 25)
		a := ada.post(ada.org("/members/batch"), body("user_ids", ids[:10], "emails", emails[10:])).is(201)
		added := a.object()["added"].([]any)
		if len(added) != 25 || len(a.object()["existing"].([]any)) != 0 || a.header.Get("Location") != "/api/v1"+ada.org("/members") {
			t.Errorf("%s %d %s", a.header.Get("Location"), len(added), a.body)
		}
		for i, grant := range added {
			if g := grant.(map[string]any); g["user_id"] != ids[i] || g["role"] != "member" || g["organization_id"] != ada.organization {
				t.Fatalf("%d: %v", i, g)
			}
		}
		if n := len(ada.members()); n != 26 {
			t.Errorf("%d members", n)
		}
		if events := ada.get(ada.org("/audit-events?action=member.added&limit=1000")).is(200).list(); len(events) != 25 {
			t.Errorf("%d events", len(events))
		}
	})
}

func TestABatchAddsAllOrNobody(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, grace, gone := s.operator("Root"), s.person("Ada"), s.person("Grace"), s.person("Gone")
		grace.joins(ada, false)
		gone.post("/users/"+gone.id+"/archive", because()).is(200)
		ids, emails := colleagues(root, 3)
		before := ada.members()
		a := ada.post(ada.org("/members/batch"), body(
			"user_ids", []string{ids[0], nowhere, grace.id, gone.id, ids[0]},
			"emails", []string{emails[1], emails[0], "nobody@example.com", grace.email},
		)).is(422, "validation_failed")
		want := []string{"body.user_ids[1]", "body.user_ids[2]", "body.user_ids[3]", "body.user_ids[4]", "body.emails[1]", "body.emails[2]", "body.emails[3]"}
		if !slices.Equal(a.locations(), want) {
			t.Errorf("%v", a.locations())
		}
		if !slices.Equal(ada.members(), before) {
			t.Error("a refused batch added somebody")
		}
		a = ada.post(ada.org("/members/batch"), body("user_ids", []string{ids[0], grace.id, ids[0]}, "emails", []string{emails[0], ada.email}, "skip_existing", true)).is(201)
		existing := a.object()["existing"].([]any)
		if len(a.object()["added"].([]any)) != 1 || !slices.Equal(existing, []any{any(grace.id), any(ada.id)}) {
			t.Errorf("%s", a.body)
		}
		// An unknown person is never skipped.
		a = ada.post(ada.org("/members/batch"), body("user_ids", []string{ids[1], nowhere}, "skip_existing", true)).is(422)
		if !slices.Equal(a.locations(), []string{"body.user_ids[1]"}) {
			t.Errorf("%v", a.locations())
		}
	})
}

func TestABatchIsValidated(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, stranger := s.person("Ada"), s.person("Grace"), s.person("Stranger")
		path := ada.org("/members/batch")
		for _, c := range []struct {
			body any
			at   string
		}{
			{body(), "body"},
			{body("user_ids", []string{}), "body"},
			{body("user_ids", slices.Repeat([]string{nowhere}, 600), "emails", slices.Repeat([]string{"a@example.com"}, 401)), "body"},
			{body("user_ids", slices.Repeat([]string{nowhere}, 1001)), "body.user_ids"},
			{body("user_ids", nowhere), "body.user_ids"},
			{body("user_ids", body("0", nowhere)), "body.user_ids"},
			{body("user_ids", nil), "body.user_ids"},
			{body("user_ids", []any{nowhere, nil}), "body.user_ids[1]"},
			{body("user_ids", []any{nowhere, 7}), "body.user_ids[1]"},
			{body("user_ids", []any{[]string{nowhere}}), "body.user_ids[0]"},
			{body("emails", []string{"a@example.com", "b@example.com", "not an address"}), "body.emails[2]"},
			{body("user_ids", []string{nowhere}, "role", "admin"), "body.role"},
		} {
			if a := ada.post(path, c.body).is(422, "validation_failed"); !slices.Equal(a.locations(), []string{c.at}) {
				t.Errorf("%v: %v", c.body, a.locations())
			}
		}
		ok := body("user_ids", []string{stranger.id})
		grace.joins(ada, false).post(path, ok).is(403, "insufficient_role")
		stranger.post(path, ok).is(404, "organization_not_found")
		s.do("POST", "/api/v1"+path, "", ok).is(401)
	})
}

func TestABatchIsAnsweredOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		ids, _ := colleagues(root, 2)
		first := ada.post(ada.org("/members/batch"), body("user_ids", ids), "Idempotency-Key", "k1").is(201)
		again := ada.post(ada.org("/members/batch"), body("user_ids", ids), "Idempotency-Key", "k1").is(201)
		if string(first.body) != string(again.body) || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s\n%s", first.body, again.body)
		}
		ada.post(ada.org("/members/batch"), body("user_ids", ids[:1]), "Idempotency-Key", "k1").is(422, "idempotency_key_reused")
		oneWins(t, 4, 201, 422, func(int) answer { return ada.post(ada.org("/members/batch"), body("emails", []string{root.email})) })
	})
}

// TestBatchesOfAddressesAreLimited: a refusal reveals which addresses have accounts.
func TestBatchesOfAddressesAreLimited(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		guesses := make([]string, 1000)
		for i := range guesses {
			guesses[i] = fmt.Sprintf("g%d@example.com", i)
		}
		ada.post(ada.org("/members/batch"), body("emails", guesses)).is(422)
		ada.post(ada.org("/members/batch"), body("emails", guesses)).is(422)
		// One address becomes free every two seconds, also while this test runs.
		a := ada.post(ada.org("/members/batch"), body("emails", guesses[:200])).is(429, "too_many_requests")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if n := len(ada.get(ada.org("/audit-events?action=members.refused")).is(200).list()); n != 2 {
			t.Errorf("%d events", n)
		}
		s.later(time.Minute)
		ada.post(ada.org("/members/batch"), body("emails", guesses[:30])).is(422)
		ada.post(ada.org("/members/batch"), body("emails", guesses[:200])).is(429)
		// The single additions have their own limit, and other people theirs.
		ada.post(ada.org("/members"), body("email", grace.email)).is(201)
		// Only addresses without an account count: a list with a slip can be sent again and again.
		root := s.operator("Root")
		_, emails := colleagues(root, 5)
		for range 60 {
			grace.post(grace.org("/members/batch"), body("emails", append([]string{guesses[0]}, emails...))).is(422)
		}
		grace.post(grace.org("/members/batch"), body("emails", emails)).is(201)
	}, limited)
}
