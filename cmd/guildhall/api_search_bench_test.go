package main

import (
	"net/url"
	"testing"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/platformtest"
	"guildhall/platform/seed"
	"guildhall/platform/seeding"
)

// BenchmarkSearch searches the 200,000 members of one organization, who have about a
// million terms. Each name is shared by thousands.
func BenchmarkSearch(b *testing.B) {
	for _, of := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", platformtest.SQLiteURL}, {"postgres", platformtest.PostgresURL}} {
		b.Run(of.name, func(b *testing.B) {
			s := start(b, of.url(b))
			const n = 200_000
			err := seeding.Fill(everything, seeding.Options{DB: s.kernel.DB, Tables: s.app.Tables(), Size: seed.Size{Users: n, Organizations: 1, Members: n}})
			if err != nil {
				b.Fatal(err)
			}
			if s.kernel.DB.Driver() == database.Postgres {
				s.exec("ANALYZE")
			}
			root := s.operator("Root")
			organization := seed.OrganizationID(0).String()
			for i := n - 1; i > 20_000; i -= 20_000 {
				person := func(before int) string { return "/users/" + seed.UserID(int64(i-before)).String() }
				root.post(person(1)+"/suspend", because(), "X-Organization-ID", organization).is(200)
				root.post(person(2)+"/deactivate", body("scope", "account")).is(200)
				root.post(person(3)+"/archive", because()).is(200)
			}
			if s.kernel.DB.Driver() == database.Postgres {
				s.exec("ANALYZE")
			}
			for _, list := range []struct{ name, path string }{
				{"members", "/organizations/" + organization + "/members?limit=20"}, {"people", "/users?scope=all&limit=20"},
			} {
				run := func(name, path string) {
					b.Run(list.name+"/"+name, func(b *testing.B) {
						for range b.N {
							root.get(path).is(200)
						}
					})
				}
				run("without", list.path)
				for _, q := range []string{"a", "an", "ada", "user199999", "u", "nobody", "grace hopper", "ada user1", "zoe nob", "lovelace nobody"} {
					run(q, list.path+"&q="+url.QueryEscape(q))
				}
				run("ada, counted", list.path+"&count=true&q=ada")
				// One in twenty thousand is suspended, inactive or archived, so such a page reads
				// the whole list.
				for _, selection := range []string{
					"sort=name", "sort=-name", "standing=good", "standing=good&sort=name", "standing=good&count=true", "standing=suspended", "standing=inactive", "standing=archived",
					"standing=suspended&sort=name", "standing=inactive&sort=-name", "sort=name&q=user199999", "sort=name&q=ada", "sort=name&q=exa", "standing=suspended&q=exa", "standing=archived&q=ada",
				} {
					run(selection, list.path+"&"+selection)
				}
				if list.name == "members" {
					for _, selection := range []string{
						"sort=joined_at", "sort=-joined_at", "role=owner", "role=admin", "role=member", "role=owner&sort=name", "role=admin&sort=name", "role=admin&sort=-joined_at", "role=member&standing=suspended&sort=name", "role=admin&q=exa",
					} {
						run(selection, list.path+"&"+selection)
					}
				}
				for _, sort := range []string{"sort=name", "sort=-name"} { // from the middle
					run(sort+", later", list.path+"&"+sort+"&cursor="+field.Cursor{Key: " grace m", ID: uuid.Max}.String())
				}
			}
		})
	}
}
