package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/platformtest"
)

// BenchmarkRevocation measures the time from the 204 of a removal to the answer of a program
// that waits for it, over HTTP: at the process that removed the member, and at another one.
func BenchmarkRevocation(b *testing.B) {
	poll := func(c *config.Config) { c.RevocationPoll, c.RateLimitEnabled = 500*time.Millisecond, false }
	b.Run("one process, sqlite", func(b *testing.B) {
		s := start(b, platformtest.SQLiteURL(b), poll)
		benchmarkRevocation(b, s, s)
	})
	b.Run("one process, postgres", func(b *testing.B) {
		s := start(b, platformtest.PostgresURL(b), poll)
		benchmarkRevocation(b, s, s)
	})
	b.Run("another replica, postgres", func(b *testing.B) {
		url := platformtest.PostgresURL(b)
		benchmarkRevocation(b, start(b, url, poll), start(b, url, poll))
	})
}

func benchmarkRevocation(b *testing.B, s, read *service) {
	b.Helper()
	removing, reading := httptest.NewServer(s.app.API()), httptest.NewServer(read.app.API())
	defer removing.Close()
	defer reading.Close()
	ada, grace := s.person("Ada"), s.person("Grace")
	key := ada.makesKey().str("key")
	ask := func(method, url, token string) *http.Response {
		r, err := http.NewRequestWithContext(b.Context(), method, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		return a
	}
	feed := func(query string) (f feedOf) {
		a := ask("GET", reading.URL+"/api/v1/auth/revocations"+query, key)
		defer a.Body.Close()
		if err := json.NewDecoder(a.Body).Decode(&f); err != nil || a.StatusCode != 200 {
			b.Fatal(a.Status, err)
		}
		return f
	}
	var took []time.Duration
	next := feed("").Next
	for b.Loop() {
		ada.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		answered := make(chan time.Time, 1)
		after := next
		go func() {
			next = feed("?wait=15&after=" + after).Next
			answered <- time.Now()
		}()
		for read.kernel.Feed.Stats().Waiting == 0 {
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(rand.N(read.kernel.Feed.Poll)) // at any time between two looks
		if a := ask("DELETE", removing.URL+"/api/v1"+ada.org("/members/"+grace.id), ada.access); a.StatusCode != 204 {
			b.Fatal(a.Status)
		}
		removed := time.Now()
		took = append(took, max(0, (<-answered).Sub(removed))) // it may come first
	}
	slices.Sort(took)
	for name, at := range map[string]int{"p50-ms": len(took) / 2, "p99-ms": len(took) * 99 / 100} {
		b.ReportMetric(float64(took[at].Microseconds())/1000, name)
	}
	b.ReportMetric(0, "ns/op") // the rest of the loop is not the question
}
