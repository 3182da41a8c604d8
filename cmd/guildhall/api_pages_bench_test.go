package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"guildhall/platform/platformtest"
)

// BenchmarkMembersPage compares the page of an organization's members with the API's own list,
// of as many rows, and reports how many times as long the page takes:
//
//	go test ./cmd/guildhall -run '^$' -bench MembersPage
func BenchmarkMembersPage(b *testing.B) {
	for _, of := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", platformtest.SQLiteURL}, {"postgres", platformtest.PostgresURL}} {
		b.Run(of.name, func(b *testing.B) {
			s := start(b, of.url(b), withPages)
			ada := s.person("Ada")
			for range 60 {
				s.person("Somebody").joins(ada, false)
			}
			browser := s.browserOf(ada)
			api := httptest.NewRequest(http.MethodGet, "/api/v1"+ada.org("/members?limit=50"), nil)
			api.Header.Set("Authorization", "Bearer "+ada.access)
			page := httptest.NewRequest(http.MethodGet, "/console/o/"+ada.organization+"/members", nil)
			page.Header.Set("Accept-Encoding", "gzip")
			for name, value := range browser.cookies {
				page.AddCookie(&http.Cookie{Name: name, Value: value})
			}
			serve := func(r *http.Request) time.Duration {
				start := time.Now()
				w := httptest.NewRecorder()
				s.app.API().ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
				return time.Since(start)
			}
			// By turns, and their medians, because the machine is shared.
			var list, shown []time.Duration
			for b.Loop() {
				list, shown = append(list, serve(api)), append(shown, serve(page))
			}
			slices.Sort(list)
			slices.Sort(shown)
			b.ReportMetric(float64(list[len(list)/2].Microseconds()), "list-µs")
			b.ReportMetric(float64(shown[len(shown)/2].Microseconds()), "page-µs")
			b.ReportMetric(float64(shown[len(shown)/2])/float64(list[len(list)/2]), "times-the-list")
		})
	}
}
