package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"guildhall/platform/platformtest"
)

// BenchmarkRequests counts what each request takes independently of the machine: SQL
// statements, allocations and bytes, with the default production settings. scripts/bench
// compares them with its golden file.
func BenchmarkRequests(b *testing.B) {
	for _, database := range []struct {
		name string
		url  func(testing.TB) string
	}{{"sqlite", platformtest.SQLiteURL}, {"postgres", platformtest.PostgresURL}} {
		b.Run(database.name, func(b *testing.B) {
			c := newCounted(b, database.url(b))
			for _, r := range c.requests() {
				b.Run(r.name, func(b *testing.B) { c.count(b, r) })
			}
		})
	}
}

// counted is a service whose clock advances by itself, so that no rate limit is reached.
type counted struct{ *service }

func newCounted(b *testing.B, databaseURL string) *counted {
	b.Helper()
	return &counted{asInProduction(b, databaseURL, slog.New(slog.NewJSONHandler(io.Discard, nil)), false, "JWT_ACCESS_TOKEN_EXPIRE_MINUTES=43200")}
}

// countedRequest is repeated: next builds each request, and undo reverts its effect.
type countedRequest struct {
	name   string
	status int
	next   func() (method, path, token, body string)
	then   func(answer []byte)
}

func (c *counted) requests() []countedRequest {
	ada, grace := c.person("Ada"), c.person("Grace")
	c.addCrowd(ada, 99, 1)
	get := func(path string) func() (string, string, string, string) {
		return func() (string, string, string, string) { return http.MethodGet, path, ada.access, "" }
	}
	members := ada.org("/members")
	root := c.operator("Root")
	orders := root.registersAPI("orders", "token_seconds", 3600)
	apiKey, key := root.keyOf(orders), ada.makesKey().str("key")
	atOrders := ada.tokenFor(orders).str("access_token")
	made := c.kernel.Now()
	// tokenNow is a token that has not expired, although the clock advances by itself.
	tokenNow := func() string {
		if now := c.kernel.Now(); now.Sub(made) > 30*time.Minute {
			made, atOrders = now, ada.tokenFor(orders).str("access_token")
		}
		return atOrders
	}
	newcomers := 0
	add := func() { c.do(http.MethodPost, "/api/v1"+members, ada.access, body("user_id", grace.id)).is(201) }
	remove := func() { c.do(http.MethodDelete, "/api/v1"+members+"/"+grace.id, ada.access, nil).is(204) }
	return []countedRequest{
		{"who am I", 200, get("/auth/me"), nil},
		{"who am I, by API key", 200, func() (string, string, string, string) { return http.MethodGet, "/auth/me", key, "" }, nil},
		{"introspection", 200, func() (string, string, string, string) {
			return http.MethodPost, "/oauth/introspect", apiKey, fmt.Sprintf(`{"token":%q}`, tokenNow())
		}, nil},
		{"forward-auth", 204, func() (string, string, string, string) {
			return http.MethodGet, "/forward-auth?resource=https://orders.example.com", tokenNow(), ""
		}, nil},
		{"organization", 200, get(ada.org("")), nil},
		{"members, first 100", 200, get(members + "?limit=100"), nil},
		{"list of organizations", 200, get("/organizations"), nil},
		{"refresh", 200, func() (string, string, string, string) {
			return http.MethodPost, "/auth/refresh", "", fmt.Sprintf(`{"refresh_token":%q}`, grace.refresh)
		}, func(answer []byte) { grace.refresh = c.answered(answer).str("refresh_token") }},
		{"add a member", 201, func() (string, string, string, string) {
			return http.MethodPost, members, ada.access, fmt.Sprintf(`{"user_id":%q}`, grace.id)
		}, func([]byte) { remove() }},
		{"remove a member", 204, func() (string, string, string, string) {
			add()
			return http.MethodDelete, members + "/" + grace.id, ada.access, ""
		}, nil},
		{"found an organization", 201, func() (string, string, string, string) {
			return http.MethodPost, "/organizations", ada.access, `{"name":"New Foundry"}`
		}, nil},
		{"log-in", 200, func() (string, string, string, string) {
			return http.MethodPost, "/auth/token", "", fmt.Sprintf(`{"username":%q,"password":%q}`, grace.email, password)
		}, nil},
		{"registration", 201, func() (string, string, string, string) {
			newcomers++
			return http.MethodPost, "/auth/register", "", fmt.Sprintf(`{"email":"newcomer%d@example.com","password":%q,"name":"Newcomer"}`, newcomers, password)
		}, nil},
	}
}

func (c *counted) answered(body []byte) answer { return answer{t: c.t, body: body} }

// count excludes from its figures the cost of building the request and of undoing it.
func (c *counted) count(b *testing.B, r countedRequest) {
	w := &reusedWriter{header: http.Header{}}
	handler := c.app.API()
	var statements int64
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		c.later(15 * time.Second)
		method, path, token, body := r.next()
		asked, err := http.NewRequestWithContext(c.ctx, method, endpoint(path), strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		asked.RemoteAddr, asked.RequestURI = c.address, asked.URL.RequestURI()
		if token != "" {
			asked.Header.Set("Authorization", "Bearer "+token)
		}
		if body != "" {
			asked.Header.Set("Content-Type", "application/json")
		}
		clear(w.header)
		w.body.Reset()
		before := c.statements.Load()
		b.StartTimer()
		handler.ServeHTTP(w, asked)
		b.StopTimer()
		statements += c.statements.Load() - before
		if w.status != r.status {
			b.Fatalf("%s: %d %s", r.name, w.status, w.body.Bytes())
		}
		if r.then != nil {
			r.then(w.body.Bytes())
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(statements)/float64(b.N), "statements/op")
}

// reusedWriter is a reusable response writer.
type reusedWriter struct {
	header http.Header
	body   bytes.Buffer
	status int
}

func (w *reusedWriter) Header() http.Header               { return w.header }
func (w *reusedWriter) WriteHeader(status int)            { w.status = status }
func (w *reusedWriter) Write(b []byte) (int, error)       { return w.body.Write(b) }
func (w *reusedWriter) WriteString(s string) (int, error) { return w.body.WriteString(s) }
