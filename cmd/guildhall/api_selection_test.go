package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/platformtest"
)

// names returns the names of a list's items, in its order.
func (a answer) names() (names []string) {
	a.t.Helper()
	for _, item := range a.list() {
		names = append(names, item["name"].(string))
	}
	return names
}

// lists checks whom a list has, in its order, as a whole and by pages of two, there and back.
func (a *actor) lists(path string, want ...string) {
	a.s.t.Helper()
	got := a.get(path + "&count=true").is(200)
	if !slices.Equal(got.names(), want) {
		a.s.t.Errorf("%s: %q, want %q", path, got.names(), want)
	}
	if total := got.header.Get("X-Total-Count"); total != fmt.Sprint(len(want)) {
		a.s.t.Errorf("%s: X-Total-Count %s, want %d", path, total, len(want))
	}
	var there, back []string
	page := got
	for next := "/api/v1" + path + "&limit=2"; next != ""; next = page.links()["next"] {
		page = a.s.do("GET", next, a.access, nil).is(200)
		there = append(there, page.names()...)
	}
	for back = page.names(); page.links()["prev"] != ""; {
		page = a.s.do("GET", page.links()["prev"], a.access, nil).is(200)
		back = append(page.names(), back...)
	}
	if !slices.Equal(there, want) || !slices.Equal(back, want) {
		a.s.t.Errorf("%s by pages: %q and back %q, want %q", path, there, back, want)
	}
}

// club is an organization with people in each role and standing.
type club struct {
	ada, root *actor
	people    map[string]*actor
}

func newClub(s *service) club {
	c := club{ada: s.person("Ada"), root: s.operator("Root"), people: map[string]*actor{}}
	for _, name := range []string{"zoe", "Émile", "Bob", "Grace", "Otto", "Nina", "bob"} {
		s.later(time.Second)
		a := s.actorOf(s.public("/auth/register", "email", uuid.NewString()+"@example.com", "password", password, "name", name).is(201))
		c.people[name] = a.joins(c.ada, name == "Grace" || name == "zoe")
	}
	c.ada.post(c.people["Bob"].member(c.ada, "/suspend"), because()).is(200)
	c.root.post("/users/"+c.people["Otto"].id+"/suspend", body("reason", "x", "scope", "account")).is(200)
	c.ada.post(c.people["Nina"].member(c.ada, "/deactivate"), nil).is(200)
	c.root.post("/users/"+c.people["zoe"].id+"/deactivate", body("scope", "account")).is(200)
	return c
}

func TestMembersAreSelectedAndSorted(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := newClub(s)
		ada := c.ada
		for query, want := range map[string]string{
			"role=owner":                               "Ada",
			"role=admin":                               "zoe Grace",
			"role=member":                              "Émile Bob Otto Nina bob",
			"standing=good":                            "Ada Émile Grace bob",
			"standing=suspended":                       "Bob Otto",
			"standing=inactive":                        "zoe Nina",
			"standing=archived":                        "",
			"role=admin&standing=good":                 "Grace",
			"role=member&standing=inactive":            "Nina",
			"role=owner&standing=inactive":             "",
			"sort=name":                                "Ada Bob bob Émile Grace Nina Otto zoe",
			"sort=-name":                               "zoe Otto Nina Grace Émile bob Bob Ada",
			"sort=joined_at":                           "Ada zoe Émile Bob Grace Otto Nina bob",
			"sort=-joined_at":                          "bob Nina Otto Grace Bob Émile zoe Ada",
			"sort=-name&role=admin":                    "zoe Grace",
			"sort=-joined_at&role=member":              "bob Nina Otto Bob Émile",
			"sort=name&standing=good&role=member":      "bob Émile",
			"sort=-joined_at&standing=suspended":       "Otto Bob",
			"sort=name&q=example":                      "Ada Bob bob Émile Grace Nina Otto zoe",
			"sort=name&q=bob":                          "Bob bob",
			"sort=-joined_at&q=bob":                    "bob Bob",
			"sort=-name&q=exam&standing=good":          "Grace Émile bob Ada",
			"q=bob&standing=good":                      "bob",
			"q=bob&standing=suspended&role=member":     "Bob",
			"q=bob&role=admin":                         "",
			"q=emile&sort=name&role=member":            "Émile",
			"sort=name&role=admin&standing=good&q=gra": "Grace",
		} {
			ada.lists(ada.org("/members?"+query), strings.Fields(want)...)
		}
		c.root.post("/users/"+c.people["Émile"].id+"/archive", because()).is(200)
		ada.lists(ada.org("/members?standing=archived"), "Émile")
		ada.lists(ada.org("/members?standing=inactive"), "zoe", "Nina")

		for query, parameter := range map[string]string{
			"role=none": "role", "role=": "role", "standing=bad": "standing", "sort=email": "sort", "sort=name&sort=-name": "sort",
			"sort=name&cursor=AAAAAAAAAAAAAAAAAAAAAA":                                     "cursor",
			"sort=joined_at&cursor=" + field.Cursor{Key: "x", ID: uuid.Max}.String():      "cursor",
			"role=member&cursor=" + field.Cursor{Key: "x", ID: uuid.Max}.String():         "cursor",
			"sort=-joined_at&cursor=" + field.Cursor{Key: " ada", ID: uuid.Max}.String():  "cursor",
			"sort=name&offset=1&cursor=" + field.Cursor{Key: " a", ID: uuid.Max}.String(): "offset",
		} {
			inputNames(ada.get(ada.org("/members?"+query)), "query."+parameter)
		}
		s.person("Stranger").get(ada.org("/members?sort=name")).is(404)
	})
}

// TestASuspensionThatIsOverIsNotSelected checks that a selection follows the clock.
func TestASuspensionThatIsOverIsNotSelected(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		ada.post(grace.member(ada, "/suspend"), body("reason", "x", "suspended_until", s.kernel.Now().Add(10*time.Minute).Format(time.RFC3339))).is(200)
		ada.lists(ada.org("/members?standing=suspended"), "Grace")
		s.later(11 * time.Minute)
		ada.lists(ada.org("/members?standing=suspended"))
		ada.lists(ada.org("/members?standing=good&sort=name"), "Ada", "Grace")
	})
}

func TestPeopleAreSelectedAndSorted(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c := newClub(s)
		c.root.post("/users/"+c.people["Émile"].id+"/archive", because()).is(200)
		for query, want := range map[string]string{
			"standing=good":                 "Ada Grace bob",
			"standing=suspended&sort=-name": "Otto Bob",
			"standing=inactive&sort=name":   "Nina zoe",
			"standing=archived":             "Émile",
			"sort=name":                     "Ada Bob bob Émile Grace Nina Otto zoe",
			"sort=name&q=bob":               "Bob bob",
		} {
			c.ada.lists("/users?"+query, strings.Fields(want)...)
		}
		for query, want := range map[string]string{ // of the account alone
			"standing=good&sort=name":          "Ada Bob bob Grace Nina Root",
			"standing=suspended":               "Otto",
			"standing=inactive":                "zoe",
			"standing=archived":                "Émile",
			"sort=-name":                       "zoe Root Otto Nina Grace Émile bob Bob Ada",
			"sort=-name&q=bob":                 "bob Bob",
			"q=otto&standing=good":             "",
			"q=o&standing=suspended":           "Otto",
			"sort=name&standing=archived&q=em": "Émile",
		} {
			c.root.lists("/users?scope=all&"+query, strings.Fields(want)...)
		}
		c.ada.get("/users?scope=all&standing=good").is(403, "platform_administrator_required")
		for _, query := range []string{"standing=good", "sort=name", "q=ada"} {
			inputNames(c.ada.get("/users?ids="+c.ada.id+"&"+query), "query.ids")
		}
		inputNames(c.ada.get("/users?sort=joined_at"), "query.sort")
	})
}

func TestOrganizationsAreSelectedByStanding(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root := s.person("Ada"), s.operator("Root")
		made := map[string]string{}
		for _, name := range []string{"One", "Two", "Three", "Four"} {
			made[name] = ada.post("/organizations", body("name", name)).is(201).str("id")
		}
		root.post("/organizations/"+made["Two"]+"/suspend", because()).is(200)
		root.post("/organizations/"+made["Four"]+"/suspend", because()).is(200)
		root.post("/organizations/"+made["Four"]+"/archive", because()).is(200)
		root.post("/organizations/"+made["Three"]+"/archive", because()).is(200)
		const all = "/organizations?scope=all&"
		root.lists(all+"standing=good", "Ada's Organization", "Root's Organization", "One")
		root.lists(all+"standing=suspended", "Two")
		root.lists(all+"standing=archived", "Three", "Four")
		root.lists(all+"standing=archived&include_archived=false&q=thr", "Three")
		root.lists(all + "standing=good&q=two")
		root.lists(all+"include_archived=true&q=t", "Three", "Two")
		inputNames(root.get("/organizations?standing=good"), "query.standing")
		inputNames(root.get(all+"standing=inactive"), "query.standing")
		ada.get(all+"standing=good").is(403, "platform_administrator_required")
	})
}

// TestASortedListFollowsNames checks that a person is at their place by each change of their
// name, and that a page does not depend on the person whom its cursor names.
func TestASortedListFollowsNames(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		bob, grace := s.person("Bob").joins(ada, false), s.person("Grace").joins(ada, false)
		sorted := ada.org("/members?sort=name")
		ada.lists(sorted, "Ada", "Bob", "Grace")
		first := ada.get(sorted + "&limit=2").is(200)
		ada.delete(bob.member(ada, "")).is(204)
		if rest := s.do("GET", first.links()["next"], ada.access, nil).is(200); !slices.Equal(rest.names(), []string{"Grace"}) {
			t.Errorf("after a person who has left: %q", rest.names())
		}
		grace.patch(grace.path()+"/profile", body("name", "!!! aardvark")).is(200)
		ada.lists(sorted, "!!! aardvark", "Ada")
		ada.lists(ada.org("/members?sort=name&q=aardvark"), "!!! aardvark")
		grace.patch(grace.path()+"/profile", body("name", "!")).is(200) // no word
		ada.lists(sorted, "!", "Ada")
		bob.joins(ada, false)
		ada.lists(sorted, "!", "Ada", "Bob")
		for _, q := range []string{" ", " ada", "! "} { // nobody is found by the whole name
			if names := ada.get(ada.org("/members?q=" + url.QueryEscape(q))); names.status == 200 && len(names.list()) > 1 {
				t.Errorf("%q finds %q", q, names.names())
			}
		}
		s.termsHold()
	})
}

// TestNoSortReadsAWholeTable checks that a page of a sorted list reads an index in its
// order, and sorts nothing but the page.
func TestNoSortReadsAWholeTable(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := start(t, databaseURL)
		root := s.operator("Root")
		s.addCrowd(root, 50, 5)
		s.storeTerms()
		s.texts.Clear()
		for _, path := range []string{root.org("/members?"), "/users?scope=all&"} {
			for _, query := range []string{"sort=name", "sort=-name", "sort=name&standing=good", "standing=suspended", "standing=inactive&sort=-name", "standing=archived", "sort=name&q=crowd"} {
				root.get(path + query).is(200)
			}
		}
		for _, query := range []string{"sort=joined_at", "sort=-joined_at", "role=owner", "role=admin", "role=member&sort=name", "role=admin&sort=-joined_at", "role=admin&q=crowd"} {
			root.get(root.org("/members?" + query)).is(200)
		}
		for _, standing := range []string{"good", "suspended", "archived"} {
			root.get("/organizations?scope=all&standing=" + standing).is(200)
		}
		if s.kernel.DB.Driver() == database.Postgres {
			enlarge(t, databaseURL)
		}
		if visited := s.eachOfFew(s.checkPlan); visited < 20 {
			t.Errorf("only %d statements were run", visited)
		}
	})
}
