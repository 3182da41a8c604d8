package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"guildhall/platform/config"
	"guildhall/platform/platformtest"
)

// fuzzWorld is one service with users whom fuzzed requests may act as.
type fuzzWorld struct {
	s          *service
	people     []*actor
	values     []string // ids and other texts that exist
	operations []fuzzOperation
}

type fuzzOperation struct {
	method, path string
	*openapi3.Operation
}

var hostile = []string{
	"", " ", "\x00", "\xff\xfe", "null", "true", "0", "-1", "1e999", "99999999999999999999", "{}", "[]", "'", "\"", "' OR 1=1 --", "%00",
	"../../etc/passwd", "<script>", "${jndi:x}", "\u202e", "é", strings.Repeat("A", 300), strings.Repeat("é", 3000), "a@b.c", "A@B.C",
	"2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "https://example.com", "javascript:x", "organization", "account", "all", "password",
	"01900000-0000-7000-8000-000000000000", "AAAAAAAAAAAAAAAAAAAAAA",
}

func newFuzzWorld(t testing.TB) *fuzzWorld {
	t.Helper()
	s := start(t, platformtest.SQLiteURL(t), func(c *config.Config) { c.PasswordHashQueue = 100 })
	w := &fuzzWorld{s: s, values: hostile}
	ada := s.person("Ada")
	w.people = []*actor{{s: s}, ada, s.person("Grace").joins(ada, true), s.person("Charles").joins(ada, false), s.person("Outsider"), s.operator("Operator")}
	for _, p := range w.people[1:] {
		w.values = append(w.values, p.id, p.email, p.organization, p.access, p.refresh)
	}
	doc, _ := s.document()
	for _, path := range doc.Paths.InMatchingOrder() {
		for method, operation := range doc.Paths.Value(path).Operations() {
			// A hash for each would make this slow; other tests cover these routes.
			if !slices.Contains([]string{"register", "logIn", "changePassword"}, operation.OperationID) {
				w.operations = append(w.operations, fuzzOperation{method, path, operation})
			}
		}
	}
	slices.SortFunc(w.operations, func(a, b fuzzOperation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return w
}

// request builds one request from the document: mostly with valid values, some invalid.
func (w *fuzzWorld) request(r *rand.Rand, extra string) {
	pick := func() string {
		if extra != "" && r.IntN(4) == 0 {
			return extra
		}
		return w.values[r.IntN(len(w.values))]
	}
	op := w.operations[r.IntN(len(w.operations))]
	who := w.people[r.IntN(len(w.people))]
	path, query, headers := op.path, []string{}, []string{}
	for _, p := range op.Parameters {
		value := escape(pick())
		switch {
		case p.Value.In == "path":
			if r.IntN(3) > 0 {
				about := w.people[1+r.IntN(len(w.people)-1)]
				value = map[string]string{"organization_id": about.organization, "user_id": about.id, "session_id": about.id}[p.Value.Name]
			}
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", value)
		case r.IntN(3) > 0:
		case p.Value.In == "query":
			query = append(query, p.Value.Name+"="+value)
		default:
			headers = append(headers, p.Value.Name, strings.Map(printable, pick()))
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	var sent any
	if op.RequestBody != nil {
		sent = w.body(r, op.RequestBody.Value, pick)
	}
	// net/http would refuse this request before it reaches the service.
	func() {
		defer func() {
			if recover() != nil {
				path = op.path
			}
		}()
		_ = httptest.NewRequest(op.method, path, nil)
	}()
	w.s.do(op.method, path, who.access, sent, headers...)
}

func (w *fuzzWorld) body(r *rand.Rand, b *openapi3.RequestBody, pick func() string) string {
	if r.IntN(20) == 0 {
		return pick()
	}
	members := []string{}
	for name := range b.Content["application/json"].Schema.Value.Properties {
		if r.IntN(5) == 0 {
			continue
		}
		value, _ := json.Marshal(pick())
		if r.IntN(10) == 0 {
			value = []byte([]string{"null", "1", "true", "[]", "{}", `"\ud800"`}[r.IntN(6)])
		}
		members = append(members, fmt.Sprintf("%q:%s", name, value))
	}
	if r.IntN(20) == 0 {
		members = append(members, `"unknown":1`)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}

// FuzzRequests sends requests from the OpenAPI document with invalid parts, as every
// user. The contract must hold, which s.do checks: no 5xx, a valid problem, a documented
// answer.
func FuzzRequests(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, hostile[seed])
	}
	w := newFuzzWorld(f)
	f.Fuzz(func(t *testing.T, seed uint64, extra string) {
		w.s.t = t
		r := rand.New(rand.NewPCG(seed, 0))
		// Roll back its effect, or soon no user would be in good standing.
		_ = w.s.kernel.DB.InTx(t.Context(), func(ctx context.Context) error {
			w.s.ctx = ctx
			for range 25 {
				w.request(r, extra)
			}
			return errRollBack
		})
	})
}
