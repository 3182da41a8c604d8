package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// named lists people by their ids: "Name", or "Name (former)".
func (a *actor) named(ids []string, headers ...string) (list []string) {
	a.s.t.Helper()
	for _, p := range a.get("/users?ids="+strings.Join(ids, ","), headers...).is(200).list() {
		name := p["name"].(string)
		if p["is_former"] == true {
			name += " (former)"
			for _, hidden := range []string{"email", "bio", "avatar_url"} {
				if p[hidden] != nil {
					a.s.t.Errorf("%s shows %s: %v", name, hidden, p)
				}
			}
		} else if p["email"] == nil {
			a.s.t.Errorf("%s without an email: %v", name, p)
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// TestFormerMembersHaveNames: a product that stores who created a row can show the name
// without a copy of it.
func TestFormerMembersHaveNames(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada, grace, joan, stranger := s.operator("Root"), s.person("Ada"), s.person("Grace"), s.person("Joan"), s.person("Stranger")
		grace.joins(ada, false)
		inAda := joan.joins(ada, false)
		inAda.patch("/users/"+joan.id+"/profile", body("bio", "Secret.", "avatar_url", "https://example.com/joan.png")).is(200)
		everybody := []string{ada.id, grace.id, joan.id, root.id, stranger.id, nowhere}
		grace = grace.in(ada)
		expect := func(who *actor, want ...string) {
			t.Helper()
			if got := who.named(everybody); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		}
		expect(grace, "Ada", "Grace", "Joan")
		ada.delete(ada.org("/members/" + joan.id)).is(204)
		expect(grace, "Ada", "Grace", "Joan (former)")
		expect(ada, "Ada", "Grace", "Joan (former)")
		grace.get("/users/" + joan.id).is(404)
		// The operator acts in the organization, and the audit log names them.
		root.patch(ada.org(""), body("name", "Engines")).is(200)
		expect(grace, "Ada", "Grace", "Joan (former)", "Root (former)")
		// Joan no longer sees anybody there, and others see nobody elsewhere.
		inAda.get("/users?ids="+grace.id, "X-Organization-ID", ada.organization).is(404)
		expect(stranger, "Stranger")
		expect(joan, "Joan")
		// A former member's new name is the current one; a member who is back is one.
		joan.patch("/users/"+joan.id+"/profile", body("name", "Joan Clarke")).is(200)
		expect(grace, "Ada", "Grace", "Joan Clarke (former)", "Root (former)")
		ada.post(ada.org("/members"), body("user_id", joan.id)).is(201)
		expect(grace, "Ada", "Grace", "Joan Clarke", "Root (former)")
		// Platform administrators see whole accounts, with scope=all.
		if got := root.get("/users?scope=all&ids=" + strings.Join(everybody, ",")).is(200).list(); len(got) != 5 || slices.ContainsFunc(got, func(p map[string]any) bool { return p["is_former"] == true || p["email"] == nil }) {
			t.Errorf("%v", got)
		}
		grace.get("/users?scope=all&ids=" + joan.id).is(403)
		// Without ids, former members are not listed.
		ada.delete(ada.org("/members/" + joan.id)).is(204)
		if got := ada.get("/users").is(200).list(); len(got) != 2 {
			t.Errorf("%v", got)
		}
	})
}

func TestUsersByID(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, joan := s.person("Ada"), s.person("Grace"), s.person("Joan")
		grace.joins(ada, false)
		joan.joins(ada, false)
		all := []string{ada.id, grace.id, joan.id}
		slices.Sort(all)
		ids := func(a answer) (got []string) {
			t.Helper()
			for _, p := range a.is(200).list() {
				got = append(got, p["id"].(string))
			}
			return got
		}
		query := "/users?ids=" + strings.Join(all, ",")
		for _, path := range []string{query, "/users?ids=" + all[2] + "&ids=" + all[0] + "," + all[1] + "&ids=" + all[0], query + "," + nowhere} {
			if got := ids(ada.get(path)); !slices.Equal(got, all) {
				t.Errorf("%s: %v", path, got)
			}
		}
		first := ada.get(query + "&limit=2&count=true").is(200)
		if got := ids(first); !slices.Equal(got, all[:2]) || first.header.Get("X-Total-Count") != "3" {
			t.Errorf("%v of %s", got, first.header.Get("X-Total-Count"))
		}
		next := strings.TrimPrefix(first.links()["next"], "/api/v1")
		if got := ids(ada.get(next)); !slices.Equal(got, all[2:]) {
			t.Errorf("%s: %v", next, got)
		}
		if got := ids(ada.get(query + "&offset=1")); !slices.Equal(got, all[1:]) {
			t.Errorf("offset: %v", got)
		}
		if got := ids(ada.get(query + "&offset=7")); len(got) != 0 {
			t.Errorf("offset: %v", got)
		}
		many := make([]string, 100)
		for i := range many {
			many[i] = fmt.Sprintf("01900000-0000-7000-8000-%012d", i+1)
		}
		if got := ids(ada.get("/users?ids=" + strings.Join(many[1:], ",") + "," + ada.id)); !slices.Equal(got, []string{ada.id}) {
			t.Errorf("%v", got)
		}
		for path, at := range map[string]string{
			"/users?ids=" + strings.Join(append(many, ada.id), ","): "query.ids",
			"/users?ids=":                       "query.ids[0]",
			"/users?ids=" + ada.id + ",ada":     "query.ids[1]",
			"/users?ids=" + ada.id + "&ids=ada": "query.ids[1]",
		} {
			if a := ada.get(path).is(422, "validation_failed"); !slices.Equal(a.locations(), []string{at}) {
				t.Errorf("%s: %v", path, a.locations())
			}
		}
	})
}
