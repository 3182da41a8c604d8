package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// addCrowd creates users as members of the owner's organization, and other organizations
// with the owner as a member. It writes to the database, because registering them would
// be slow.
func (s *service) addCrowd(owner *actor, people, organizations int) {
	s.t.Helper()
	now := s.kernel.Now()
	err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
		run := func(statement string, args ...any) error { return s.kernel.DB.Conn(ctx).Exec(statement, args...).Error }
		standing := func(user string, organization any) error {
			return run("INSERT INTO user_active_status (id, user_id, organization_id, activated_at) VALUES (?, ?, ?, ?)",
				uuid.Must(uuid.NewV7()).String(), user, organization, now)
		}
		member := func(organization, user string) error {
			if err := run("INSERT INTO organization_members (organization_id, user_id, joined_at) VALUES (?, ?, ?)", organization, user, now); err != nil {
				return err
			}
			return standing(user, organization)
		}
		for i := range people {
			id := uuid.Must(uuid.NewV7()).String()
			email := fmt.Sprintf("crowd.%d.%s@example.com", i, id)
			if err := run("INSERT INTO users (id, email, email_canonical, created_at, updated_at) VALUES (?, ?, ?, ?, ?)", id, email, email, now, now); err != nil {
				return err
			}
			if err := run("INSERT INTO user_profile (user_id, name) VALUES (?, ?)", id, fmt.Sprint("Crowd ", i)); err != nil {
				return err
			}
			if err := standing(id, nil); err != nil {
				return err
			}
			if err := member(owner.organization, id); err != nil {
				return err
			}
			if i%2 == 0 {
				if err := run("INSERT INTO organization_admins (organization_id, user_id, granted_at, granted_by) VALUES (?, ?, ?, ?)", owner.organization, id, now, owner.id); err != nil {
					return err
				}
			}
		}
		for i := range organizations {
			id := uuid.Must(uuid.NewV7()).String()
			if err := run("INSERT INTO organizations (id, name, created_at, updated_at) VALUES (?, ?, ?, ?)", id, fmt.Sprint("Crowd ", i), now, now); err != nil {
				return err
			}
			if err := run("INSERT INTO organization_active_status (id, organization_id, activated_at, activated_by) VALUES (?, ?, ?, ?)", uuid.Must(uuid.NewV7()).String(), id, now, owner.id); err != nil {
				return err
			}
			if err := member(id, owner.id); err != nil {
				return err
			}
			if err := run("INSERT INTO organization_owners (organization_id, user_id, since) VALUES (?, ?, ?)", id, owner.id, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

var linkPattern = regexp.MustCompile(`^<(/api/v1/[^>]*)>; rel="(next|prev)"$`)

// links returns where the Link header leads, by relation.
func (a answer) links() map[string]string {
	a.t.Helper()
	links := map[string]string{}
	if header := a.header.Get("Link"); header != "" {
		for link := range strings.SplitSeq(header, ", ") {
			match := linkPattern.FindStringSubmatch(link)
			if match == nil {
				a.t.Fatalf("Link: %s", header)
			}
			links[match[2]] = match[1]
		}
	}
	return links
}

// followLinks follows the Link headers from a path, and returns the ids of each page.
func followLinks(a *actor, path string, between func(page int)) (pages [][]string) {
	a.s.t.Helper()
	for next := "/api/v1" + path; next != ""; {
		got := a.s.do("GET", next, a.access, nil).is(200)
		pages = append(pages, got.ids())
		if between != nil {
			between(len(pages))
		}
		next = got.links()["next"]
	}
	return pages
}

// ids returns the ids of a list's items.
func (a answer) ids() (ids []string) {
	for _, item := range a.list() {
		ids = append(ids, item["id"].(string))
	}
	return ids
}

// TestListsArePagedBackward follows the links of each list to its end and back.
func TestListsArePagedBackward(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root := s.person("Ada"), s.operator("Root")
		s.addCrowd(ada, 13, 13)
		s.storeTerms()
		var ids []string
		for _, m := range ada.get(ada.org("/members")).is(200).list() {
			ids = append(ids, m["id"].(string))
		}
		for range 6 {
			s.logIn(ada.email, password).is(200)
			ada.patch(ada.org(""), body("name", "again")).is(200)
			root.post(ada.org("/members/"+ids[3]+"/suspend"), because()).is(200)
			root.post(ada.org("/members/"+ids[3]+"/activate"), nil).is(200)
			root.post("/users/"+ids[4]+"/suspend", body("reason", "x", "scope", "account")).is(200)
			root.post("/users/"+ids[4]+"/activate", body("scope", "account")).is(200)
			root.post(ada.org("/suspend"), because()).is(200)
			root.post(ada.org("/activate"), nil).is(200)
		}
		for path, a := range map[string]*actor{
			ada.org("/members?"): ada, ada.org("/admins?"): ada, "/users?": ada, "/users?scope=all&": root, "/users?ids=" + strings.Join(ids, ",") + "&": ada,
			"/organizations?": ada, "/organizations?scope=all&": root, "/auth/sessions?": ada, ada.path() + "/sessions?": root, ada.path() + "/organizations?": root, ada.org("/audit-events?"): ada, ada.org("/audit-events?action=organization.renamed&"): ada,
			"/users/" + ids[4] + "/audit-events?": root, ada.org("/suspensions?"): root, "/users/" + ids[4] + "/suspensions?": root, ada.org("/members/" + ids[3] + "/suspensions?"): root,
			ada.org("/members?q=c&"): ada, ada.org("/members?q=crowd+exa&"): ada, "/users?q=cro&": ada, "/users?scope=all&q=c&": root, "/organizations?scope=all&q=crowd&": root,
			"/audit-events?": root, "/audit-events?action=session.started&": root, "/audit-events?actor_user_id=" + root.id + "&": root,
			"/audit-events?user_id=" + ids[4] + "&": root, "/audit-events?organization_id=" + ada.organization + "&": root,
		} {
			for _, limit := range []string{"1", "4"} {
				var pages [][]string
				var got answer
				for next := "/api/v1" + path + "limit=" + limit; next != ""; next = got.links()["next"] {
					got = s.do("GET", next, a.access, nil).is(200)
					if prev := got.links()["prev"] != ""; prev != (len(pages) > 0) {
						t.Errorf("%s: page %d has prev: %v", got.request, len(pages), prev)
					}
					pages = append(pages, got.ids())
				}
				if len(pages) < 2 {
					t.Fatalf("%s: %d pages", path, len(pages))
				}
				for i := len(pages) - 2; i >= 0; i-- {
					got = s.do("GET", got.links()["prev"], a.access, nil).is(200)
					if fmt.Sprint(got.ids()) != fmt.Sprint(pages[i]) || got.links()["next"] == "" {
						t.Errorf("%s: back on page %d: %v, want %v", got.request, i, got.ids(), pages[i])
						break
					}
				}
				if got.links()["prev"] != "" {
					t.Errorf("%s: something before the first page", got.request)
				}
				if again := s.do("GET", got.links()["next"], a.access, nil).is(200); fmt.Sprint(again.ids()) != fmt.Sprint(pages[1]) {
					t.Errorf("%s: %v after the first page, want %v", again.request, again.ids(), pages[1])
				}
			}
			if with := a.get(path + "limit=1&offset=1").is(200).links(); with["prev"] != "" {
				t.Errorf("%s: an offset has prev: %s", path, with["prev"])
			}
		}
	})
}

func TestListsArePagedByCursor(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		s.addCrowd(ada, 24, 24)
		operator := s.operator("Operator")
		for path, total := range map[string]int{
			ada.org("/members"): 25, ada.org("/admins"): 12, "/users": 25, "/organizations": 25,
		} {
			whole := followLinks(ada, path, nil)
			if len(whole) != 1 || len(whole[0]) != total {
				t.Fatalf("%s: %d items on %d pages", path, len(whole[0]), len(whole))
			}
			for _, limit := range []int{1, 6, total - 1, total, total + 1} {
				pages := followLinks(ada, fmt.Sprintf("%s?limit=%d&count=true", path, limit), nil)
				var all []string
				for _, page := range pages {
					if len(page) > limit {
						t.Errorf("%s: %d items on a page of %d", path, len(page), limit)
					}
					all = append(all, page...)
				}
				if want := (total + limit - 1) / limit; strings.Join(all, " ") != strings.Join(whole[0], " ") || len(pages) != want {
					t.Errorf("%s by %d: %d items on %d pages, want %d on %d", path, limit, len(all), len(pages), total, want)
				}
			}
			counted := ada.get(path + "?limit=3&count=true").is(200)
			if got := counted.header.Get("X-Total-Count"); got != fmt.Sprint(total) {
				t.Errorf("%s: X-Total-Count %q, want %d", path, got, total)
			}
			if got := ada.get(path + "?limit=3").is(200).header.Get("X-Total-Count"); got != "" {
				t.Errorf("%s: X-Total-Count %q unasked", path, got)
			}
			if got := ada.get(path + "?limit=3&offset=" + fmt.Sprint(total-2)).is(200); len(got.list()) != 2 || got.header.Get("Link") != "" ||
				got.list()[1]["id"] != whole[0][total-1] {
				t.Errorf("%s by offset: %s", path, got.body)
			}
			if got := ada.get(path + "?offset=1000000").is(200); string(got.body) != "[]" {
				t.Errorf("%s beyond the end: %s", path, got.body)
			}
		}
		for _, path := range []string{"/users?scope=all&limit=5&count=true", "/organizations?scope=all&limit=5&count=true"} {
			n := 0
			for _, page := range followLinks(operator, path, nil) {
				n += len(page)
			}
			if want := 26; n != want {
				t.Errorf("%s: %d, want %d", path, n, want)
			}
		}
	})
}

func TestAPageIsNotShiftedByWhoComesAndGoes(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		s.addCrowd(ada, 12, 0)
		before := followLinks(ada, ada.org("/members"), nil)[0]
		var seen []string
		for _, page := range followLinks(ada, ada.org("/members?limit=4"), func(page int) {
			if page == 1 { // one member of the first page leaves, another one joins
				ada.delete(ada.org("/members/" + before[1])).is(204)
				s.person("New").joins(ada, false)
			}
		}) {
			seen = append(seen, page...)
		}
		if len(seen) != 14 || strings.Join(seen[:13], " ") != strings.Join(before, " ") {
			t.Errorf("seen %v, before %v", seen, before)
		}
	})
}

func TestAbsurdPaging(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for _, query := range []string{
			"limit=0", "limit=-1", "limit=1001", "limit=1e3", "limit=", "limit=x", "limit=99999999999999999999", "limit=1&limit=2",
			"offset=-1", "offset=x", "offset=99999999999999999999", "cursor=", "cursor=x", "cursor=" + strings.Repeat("A", 23),
			"cursor=AAAAAAAAAAAAAAAAAAAAAA&offset=1", "count=maybe", "cursor=AAAAAAAAAAAAAAAAAAAAAB",
		} {
			for _, path := range []string{"/users", "/organizations", ada.org("/members"), ada.org("/admins")} {
				a := ada.get(path+"?"+query).is(422, "validation_failed")
				if !strings.Contains(string(a.body), `"location":"query.`) {
					t.Errorf("%s?%s: %s", path, query, a.body)
				}
			}
		}
		ada.get("/users?limit=%zz").is(400, "malformed_query")
		ada.get("/users?a;b").is(400, "malformed_query")
		ada.get("/users?cursor=AAAAAAAAAAAAAAAAAAAAAA&limit=1000&_unknown=1").is(200)
		ada.get("/organizations?scope=some").is(422, "validation_failed")
		ada.get("/organizations?include_archived=perhaps").is(422, "validation_failed")
	})
}
