package main

import (
	"net/url"
	"testing"

	"guildhall/platform/database"
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
			}
		})
	}
}
