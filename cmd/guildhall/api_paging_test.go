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

var nextPattern = regexp.MustCompile(`^<(/api/v1/[^>]*)>; rel="next"$`)

// followLinks follows the Link headers from a path, and returns the ids of each page.
func followLinks(a *actor, path string, between func(page int)) (pages [][]string) {
	a.s.t.Helper()
	for next := "/api/v1" + path; next != ""; {
		got := a.s.do("GET", next, a.access, nil).is(200)
		var ids []string
		for _, item := range got.list() {
			ids = append(ids, item["id"].(string))
		}
		pages = append(pages, ids)
		if between != nil {
			between(len(pages))
		}
		next = ""
		if link := got.header.Get("Link"); link != "" {
			match := nextPattern.FindStringSubmatch(link)
			if match == nil {
				a.s.t.Fatalf("Link: %s", link)
			}
			next = match[1]
		}
	}
	return pages
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
