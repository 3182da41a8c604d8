package main

import (
	"context"
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

// found returns the names that a list has for a search, in its order.
func (a *actor) found(path, q string) []string {
	a.s.t.Helper()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	names := []string{}
	for _, item := range a.get(path + separator + "q=" + url.QueryEscape(q)).is(200).list() {
		names = append(names, item["name"].(string))
	}
	return names
}

// finds checks what a search finds.
func (a *actor) finds(path, q string, want ...string) {
	a.s.t.Helper()
	got := a.found(path, q)
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		a.s.t.Errorf("%s: %q finds %q, want %q", path, q, got, want)
	}
}

// storeTerms does what the workers do.
func (s *service) storeTerms() {
	s.t.Helper()
	services, _ := wire(s.kernel)
	for _, store := range []func(context.Context) (bool, error){services.users.StoreTerms, services.organizations.StoreTerms} {
		for more := true; more; {
			var err error
			if more, err = store(s.ctx); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// termsHold checks that everybody is found by their name and address.
func (s *service) termsHold() {
	s.t.Helper()
	for _, broken := range invariants(s.t, s.kernel.DB) {
		if strings.HasPrefix(broken, "I17") || strings.HasPrefix(broken, "I11") {
			s.t.Error(broken)
		}
	}
	for _, table := range []string{"users WHERE terms_at IS NULL OR terms_at <> updated_at", "organization_members WHERE NOT searchable", "organizations WHERE terms_at IS NULL OR terms_at <> updated_at"} {
		if n := s.count("SELECT COUNT(*) FROM " + table); n > 0 {
			s.t.Errorf("%d %s", n, table)
		}
	}
}

// TestPeopleAreFound checks what finds a person, in each list.
func TestPeopleAreFound(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root := s.operator("Root")
		ada := s.person("Ada")
		people := map[string]string{}
		for email, name := range map[string]string{
			"jose.nunez@example.com":    "José Nuñez",
			"zoe@Sub.Example.org":       "Zoë O’Brien-Spärck",
			"sascha.gross@example.com":  "ŁUKASZ Große Ørsted",
			"i.turkish@example.com":     "İlker Çelik",
			"olga@example.com":          "Ольга Йовович",
			"taro@example.com":          "山田 太郎",
			"percent_under@example.com": "1000000% \\_x",
			"anna+filter@example.com":   "Anna Annabel Anna",
		} {
			id := root.post("/users", body("email", email, "name", name, "organization_id", ada.organization)).is(201).str("id")
			people[id] = name
		}
		stranger := s.person("Stranger")
		for _, path := range []string{ada.org("/members"), "/users"} {
			for q, want := range map[string][]string{
				"jose": {"José Nuñez"}, "JOSÉ": {"José Nuñez"}, "jose\u0301": {"José Nuñez"}, "nun": {"José Nuñez"}, "nunez jos": {"José Nuñez"},
				"jose.nun": {"José Nuñez"}, "jose.nunez@example.com": {"José Nuñez"},
				"brien": {"Zoë O’Brien-Spärck"}, "o'brien": {"Zoë O’Brien-Spärck"}, "o’bri": {"Zoë O’Brien-Spärck"}, "sparck": {"Zoë O’Brien-Spärck"}, "sub.example.org": {"Zoë O’Brien-Spärck"}, "@sub": {"Zoë O’Brien-Spärck"},
				"lukasz": {"ŁUKASZ Große Ørsted"}, "gross": {"ŁUKASZ Große Ørsted"}, "große": {"ŁUKASZ Große Ørsted"}, "orsted": {"ŁUKASZ Große Ørsted"}, "sascha ørs łuk": {"ŁUKASZ Große Ørsted"},
				"ilker": {"İlker Çelik"}, "İLKER celik": {"İlker Çelik"},
				"ольга": {"Ольга Йовович"}, "ОЛЬГА иов": {"Ольга Йовович"}, "山": {"山田 太郎"}, "太郎": {"山田 太郎"},
				"1000000": {"1000000% \\_x"}, "under": {"1000000% \\_x"}, "an": {"Anna Annabel Anna"}, "filter": {"Anna Annabel Anna"}, "anna annab": {"Anna Annabel Anna"},
				"ose": {}, "nobody": {}, "jose brien": {}, "stranger": {}, "jos zo": {}, "%": nil, "_": nil, "a%": {"Ada", "Anna Annabel Anna"}, "example": nil,
				"' OR 1=1": {}, "a": {"Ada", "Anna Annabel Anna"}, "\U0010ffff": nil, "zzzz\U0010fffe": {},
			} {
				if want != nil {
					ada.finds(path, q, want...)
				}
			}
			ada.get(path+"?q=%25").is(422, "validation_failed") // no word
			if got := ada.get(path + "?q=exa&count=true&limit=3").is(200); len(got.list()) != 3 || got.header.Get("X-Total-Count") != "8" {
				t.Errorf("%s: %s %s", path, got.header.Get("X-Total-Count"), got.body)
			}
		}
		root.finds("/users?scope=all", "stranger", "Stranger")
		root.finds("/users?scope=all", "jose exa", "José Nuñez")
		if v := root.get("/users?scope=all&q=root").is(200).list(); len(v) != 1 || v[0]["id"] != root.id || v[0]["email"] != root.email {
			t.Errorf("%v", v)
		}
		ada.get("/users?scope=all&q=stranger").is(403, "platform_administrator_required")
		stranger.get(ada.org("/members?q=jose")).is(404)
		ada.get("/users?q=jose&ids="+ada.id).is(422, "validation_failed")
		if v := ada.get(ada.org("/members?q=jose")).is(200).list()[0]; v["role"] != "member" || v["standing"] != "good" || v["email"] != "jose.nunez@example.com" {
			t.Errorf("%v", v)
		}
		s.termsHold()
	})
}

func TestSearchOfOrganizations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		root, ada := s.operator("Root"), s.person("Ada")
		for _, name := range []string{"Ökonomische Maschinen", "Economic Engines", "Engines & Sons", "!!!"} {
			ada.post("/organizations", body("name", name)).is(201)
		}
		const all = "/organizations?scope=all"
		root.finds(all, "oko", "Ökonomische Maschinen")
		root.finds(all, "engines", "Economic Engines", "Engines & Sons")
		root.finds(all, "sons engines", "Engines & Sons")
		root.finds(all, "ada", "Ada's Organization")
		ada.get(all+"&q=engines").is(403, "platform_administrator_required")
		inputNames(ada.get("/organizations?q=engines"), "query.q")

		ada.patch(ada.org(""), body("name", "Difference Works")).is(200)
		root.finds(all, "ada")
		root.finds(all, "diff work", "Difference Works")
		ada.post(ada.org("/archive"), because()).is(200)
		root.finds(all, "diff")
		root.finds(all+"&include_archived=true", "diff", "Difference Works")
		if got := root.get(all + "&q=engines&count=true&limit=1").is(200); got.header.Get("X-Total-Count") != "2" || got.header.Get("Link") == "" {
			t.Errorf("%v", got.header)
		}
		s.termsHold()
	})
}

// TestSearchFollowsEveryChange checks each way in which a name, an address or a membership
// changes.
func TestSearchFollowsEveryChange(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		members := ada.org("/members")
		ada.finds(members, "grace")
		ada.post(members, body("user_id", grace.id)).is(201)
		ada.finds(members, "grace", "Grace")
		grace.patch("/users/"+grace.id+"/profile", body("name", "Amazing Hopper", "bio", "x")).is(200)
		ada.finds(members, "hop ama", "Amazing Hopper")
		grace.finds(grace.org("/members"), "hopper", "Amazing Hopper")
		ada.finds(members, "grace.", "Amazing Hopper") // by the address
		grace.patch("/users/"+grace.id+"/profile", body("bio", "y")).is(200)
		s.termsHold()

		grace.changeEmail("cobol@navy.example.com").is(200)
		ada.finds(members, "grace.")
		ada.finds(members, "cobol", "Amazing Hopper")
		ada.finds(members, "navy", "Amazing Hopper")
		s.public("/auth/disavow", "link_token", s.mail(grace.email, "email_changed").link()).is(204)
		ada.finds(members, "cobol")
		ada.finds(members, "grace.", "Amazing Hopper")

		ada.post(ada.org("/admins"), body("user_id", grace.id)).is(201)
		ada.finds(members, "amazing", "Amazing Hopper")
		ada.delete(members + "/" + grace.id).is(204)
		ada.finds(members, "amazing")
		ada.post(ada.org("/members/batch"), body("user_ids", []string{grace.id})).is(201)
		ada.finds(members, "amazing", "Amazing Hopper")
		s.termsHold()
	}, withMailbox)
}

// TestSearchIsPaged checks that each match is on one page, whatever words match it.
func TestSearchIsPaged(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, root := s.person("Ada"), s.operator("Root")
		s.addCrowd(ada, 25, 25) // each is found by "crowd" in the name and in the address
		s.storeTerms()
		s.termsHold()
		for path, a := range map[string]*actor{
			ada.org("/members"): ada, "/users": ada, "/users?scope=all": root, "/organizations?scope=all": root,
		} {
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			for _, q := range []string{"c", "crowd", "cro cr", "crowd 1"} {
				want := a.found(path, q)
				if len(want) != 25 && q != "crowd 1" || len(want) < 11 {
					t.Errorf("%s %s: %d", path, q, len(want))
				}
				for _, limit := range []int{1, 4, len(want) - 1, len(want)} {
					var all []string
					for _, page := range followLinks(a, fmt.Sprintf("%s%sq=%s&limit=%d", path, separator, url.QueryEscape(q), limit), nil) {
						all = append(all, page...)
					}
					if slices.Sort(all); len(all) != len(want) || len(slices.Compact(all)) != len(want) {
						t.Errorf("%s %s by %d: %d of %d", path, q, limit, len(all), len(want))
					}
				}
			}
			// The cursor of a list without a search, and of another search.
			plain := a.get(path + separator + "limit=1").is(200).header.Get("Link")
			inputNames(a.get(path+separator+"q=crowd&"+cursorIn(plain)), "query.cursor")
			other := cursorIn(a.get(path + separator + "limit=1&q=crowd").is(200).header.Get("Link"))
			inputNames(a.get(path+separator+other), "query.cursor")
			a.get(path + separator + "q=c&" + other).is(200)
			if got := a.get(path + separator + "q=b&" + other).is(200); string(got.body) != "[]" {
				t.Errorf("%s: %s", path, got.body)
			}
		}
	})
}

// cursorIn returns the cursor parameter of a Link.
func cursorIn(link string) string {
	_, cursor, _ := strings.Cut(link, "cursor=")
	cursor, _, _ = strings.Cut(cursor, "&")
	cursor, _, _ = strings.Cut(cursor, ">")
	return "cursor=" + cursor
}

// TestTheReleaseBeforeLosesNobody checks that the workers find whom another release writes,
// which knows nothing of terms.
func TestTheReleaseBeforeLosesNobody(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, mary := s.person("Ada"), s.person("Grace"), s.person("Mary")
		s.addCrowd(ada, 250, 3) // also more than a batch
		s.exec("UPDATE user_profile SET name = 'Hopper' WHERE user_id = ?", grace.id)
		s.exec("UPDATE users SET updated_at = ? WHERE id = ?", s.kernel.Now(), grace.id)
		s.exec("INSERT INTO organization_members (organization_id, user_id, joined_at) VALUES (?, ?, ?)", ada.organization, mary.id, s.kernel.Now())
		s.exec("INSERT INTO user_active_status (id, user_id, organization_id, activated_at) VALUES (?, ?, ?, ?)", uuid.NewString(), mary.id, ada.organization, s.kernel.Now())
		s.exec("UPDATE organizations SET name = 'Works', updated_at = ? WHERE id = ?", s.kernel.Now(), ada.organization)
		ada.finds(ada.org("/members"), "mary")
		s.storeTerms()
		ada.finds(ada.org("/members"), "mary", "Mary")
		grace.finds(grace.org("/members"), "hopper", "Hopper")
		grace.finds(grace.org("/members"), "grace", "Hopper") // by the address
		s.operator("Root").finds("/organizations?scope=all", "works", "Works")
		if n := len(ada.found(ada.org("/members?limit=1000"), "crowd")); n != 250 {
			t.Errorf("%d of the crowd", n)
		}
		s.termsHold()
	})
}

// TestARenamedPersonIsFoundWhereTheyJustJoin checks that a change of a name waits for a
// transaction that adds the person to an organization, which copies their terms.
func TestARenamedPersonIsFoundWhereTheyJustJoin(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		renamed := make(chan answer)
		err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
			for statement, args := range map[string][]any{
				"INSERT INTO user_active_status (id, user_id, organization_id, activated_at) VALUES (?, ?, ?, ?)":           {uuid.NewString(), grace.id, ada.organization, s.kernel.Now()},
				"INSERT INTO organization_members (organization_id, user_id, joined_at, searchable) VALUES (?, ?, ?, TRUE)": {ada.organization, grace.id, s.kernel.Now()},
			} {
				if err := s.kernel.DB.Conn(ctx).Exec(statement, args...).Error; err != nil {
					return err
				}
			}
			err := s.kernel.DB.Conn(ctx).Exec("INSERT INTO member_terms (organization_id, user_id, term) SELECT m.organization_id, t.user_id, t.term FROM organization_members m "+
				"JOIN user_terms t ON t.user_id = m.user_id WHERE m.organization_id = ? AND m.user_id = ?", ada.organization, grace.id).Error
			go func() { renamed <- grace.patch("/users/"+grace.id+"/profile", body("name", "Hopper")) }()
			time.Sleep(300 * time.Millisecond) // the request either waits by now or has not seen the membership
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		(<-renamed).is(200)
		ada.finds(ada.org("/members"), "hopper", "Hopper")
		s.termsHold()
	})
}

// TestNoSearchReadsAWholeTable checks the plans of what platform administrators search, of
// changes of names, and of the workers.
func TestNoSearchReadsAWholeTable(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := start(t, databaseURL)
		root := s.operator("Root")
		s.addCrowd(root, 5, 5)
		s.texts.Clear()
		s.storeTerms()
		root.patch("/users/"+root.id+"/profile", body("name", "Roots")).is(200)
		for _, path := range []string{"/users?scope=all", "/organizations?scope=all"} {
			for _, cursor := range []string{"", "&cursor=" + field.Cursor{Key: "crowd", ID: uuid.Max, Backward: true}.String()} {
				root.get(path + "&q=crowd+c&limit=2" + cursor).is(200)
			}
		}
		if s.kernel.DB.Driver() == database.Postgres {
			enlarge(t, databaseURL)
		}
		visited := s.eachOfFew(func(text string) {
			if !strings.Contains(text, "WHERE terms_at IS NULL") {
				s.checkPlan(text)
				return
			}
			// The workers read indexes of the few rows without terms, and these whole.
			plan := strings.Join(s.plan(text), "\n")
			for _, index := range []string{"users_without_terms", "organization_members_not_searchable", "organizations_without_terms"} {
				table, _, _ := strings.Cut(index, "_without")
				table = strings.TrimSuffix(table, "_not_searchable")
				if strings.Contains(text, "FROM "+table+" ") && !strings.Contains(plan, index) {
					t.Errorf("does not use %s: %s", index, plan)
				}
			}
		})
		if visited < 15 {
			t.Errorf("only %d statements were run", visited)
		}
	})
}
