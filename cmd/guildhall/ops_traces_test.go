package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"guildhall/platform/platformtest"
)

// receiver collects traces like a collector (OTLP over HTTP).
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	raw      bytes.Buffer
	resource map[string]string
	spans    []*otlp.Span
}

func receive(t *testing.T) *receiver {
	r := &receiver{resource: map[string]string{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, asked *http.Request) {
		content, err := io.ReadAll(asked.Body)
		var exported collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(content, &exported)
		}
		if err != nil || asked.URL.Path != "/v1/traces" || asked.Header.Get("X-Tenant") != "guild" {
			t.Errorf("%s %v: %v", asked.URL, asked.Header, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.raw.Write(content)
		for _, of := range exported.ResourceSpans {
			for _, a := range of.Resource.Attributes {
				r.resource[a.Key] = a.Value.GetStringValue()
			}
			for _, in := range of.ScopeSpans {
				r.spans = append(r.spans, in.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// settings returns the settings of a service that exports to the receiver.
func (r *receiver) settings(databaseURL string, more ...string) []string {
	return inProduction(databaseURL, append([]string{
		"MIGRATE_ON_START=true", "ENABLE_REGISTRATION=true",
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_EXPORTER_OTLP_HEADERS=X-Tenant=guild", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test",
	}, more...)...)
}

func attribute(s *otlp.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// tree formats a trace as names, each followed by its children in brackets.
func (r *receiver) tree(parent *otlp.Span) string {
	var below []string
	for _, s := range r.spans {
		if bytes.Equal(s.TraceId, parent.TraceId) && bytes.Equal(s.ParentSpanId, parent.SpanId) {
			below = append(below, r.tree(s))
		}
	}
	if len(below) == 0 {
		return parent.Name
	}
	return parent.Name + "(" + strings.Join(slices.Compact(below), " ") + ")"
}

// of returns the span of the request with an id.
func (r *receiver) of(t *testing.T, requestID string) *otlp.Span {
	t.Helper()
	for _, s := range r.spans {
		if attribute(s, "guildhall.request_id") == requestID {
			return s
		}
	}
	t.Fatalf("no span of the request %s among %d", requestID, len(r.spans))
	return nil
}

func TestTracesNest(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		r := receive(t)
		p := serveProcess(t, t.TempDir(), r.settings(databaseURL, "LOG_LEVEL=debug")...)
		ada := p.do("POST", "/api/v1/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada Lovelace")).is(201)
		me := p.do("GET", "/api/v1/auth/me", ada.str("access_token"), nil).is(200)
		foreign := p.do("GET", "/api/v1/organizations/"+ada.str("user_id"), ada.str("access_token"), nil).is(404)
		p.stop() // and sends what it has

		if r.resource["service.name"] != "guildhall" || r.resource["service.version"] != "dev" || r.resource["deployment.environment.name"] != "test" {
			t.Errorf("resource: %v", r.resource)
		}
		id := func(a answer) string { return a.header.Get("X-Request-ID") }
		if got := r.tree(r.of(t, id(me))); got != "GET /api/v1/auth/me(gate(SELECT))" {
			t.Errorf("a reading request: %s", got)
		}
		got := r.tree(r.of(t, id(ada)))
		for _, part := range []string{"POST /api/v1/auth/register(", " password hash ", " transaction(INSERT"} {
			if !strings.Contains(got, part) {
				t.Errorf("a writing request has no %q: %s", part, got)
			}
		}
		refused := r.of(t, id(foreign))
		if attribute(refused, "guildhall.problem") != "organization_not_found" || attribute(refused, "http.route") != "/api/v1/organizations/:organization_id" {
			t.Errorf("a refused request: %v", refused)
		}
		system := "sqlite"
		if strings.HasPrefix(databaseURL, "postgres") {
			system = "postgresql"
		}
		for _, s := range r.spans {
			if attribute(s, "db.system.name") == "" {
				continue
			}
			if attribute(s, "db.system.name") != system || attribute(s, "db.operation.name") != s.Name || attribute(s, "db.query.text") == "" || s.Kind != otlp.Span_SPAN_KIND_CLIENT {
				t.Errorf("a statement: %v", s)
			}
		}
		for _, secret := range []string{"ada@", "Lovelace", password, "argon2", ada.str("user_id"), ada.str("access_token"), ada.str("refresh_token")} {
			if bytes.Contains(r.raw.Bytes(), []byte(secret)) {
				t.Errorf("the traces have %q", secret)
			}
		}
		span := r.of(t, id(me))
		trace, name := hex.EncodeToString(span.TraceId), hex.EncodeToString(span.SpanId)
		if got, want := me.header.Get("Traceresponse"), "00-"+trace+"-"+name+"-01"; got != want {
			t.Errorf("traceresponse is %q, want %q", got, want)
		}
		p.says(`"request_id":"` + id(me) + `","trace_id":"` + trace + `","span_id":"` + name + `"`)
	})
}

// TestWhoseTraceIsContinued checks that the traceparent of a trusted proxy is continued,
// and that of any other client is not.
func TestWhoseTraceIsContinued(t *testing.T) {
	t.Parallel()
	const parent, trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"
	ask := func(t *testing.T, more ...string) (*receiver, string) {
		t.Helper()
		r := receive(t)
		p := serveProcess(t, t.TempDir(), r.settings("sqlite://guildhall.db", more...)...)
		asked, err := http.NewRequest("GET", p.base+"/api/v1/auth/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		asked.Header.Set("Traceparent", parent)
		asked.Header.Set("Tracestate", "somebody=elses")
		resp, err := http.DefaultClient.Do(asked)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		p.stop()
		return r, resp.Header.Get("X-Request-Id")
	}
	t.Run("of a proxy", func(t *testing.T) {
		t.Parallel()
		r, id := ask(t, "TRUSTED_PROXIES=127.0.0.0/8", "OTEL_TRACES_SAMPLER=parentbased_always_off")
		if s := r.of(t, id); hex.EncodeToString(s.TraceId) != trace || hex.EncodeToString(s.ParentSpanId) != "b7ad6b7169203331" {
			t.Errorf("not continued: %v", s)
		}
	})
	t.Run("of an untrusted client", func(t *testing.T) {
		t.Parallel()
		r, id := ask(t)
		s := r.of(t, id)
		if hex.EncodeToString(s.TraceId) == trace || len(s.ParentSpanId) != 0 || s.TraceState != "" {
			t.Errorf("continued: %v", s)
		}
		if len(s.Links) != 1 || hex.EncodeToString(s.Links[0].TraceId) != trace || s.Links[0].TraceState != "" {
			t.Errorf("links: %v", s.Links)
		}
	})
	t.Run("of an untrusted client, where few are sampled", func(t *testing.T) {
		t.Parallel()
		if r, _ := ask(t, "OTEL_TRACES_SAMPLER=parentbased_always_off"); len(r.spans) != 0 {
			t.Errorf("a caller had %d spans sampled", len(r.spans))
		}
	})
}

func TestWhatTheEnvironmentAsksOfTraces(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"OTEL_TRACES_EXPORTER=zipkin":                                                            `OTEL_TRACES_EXPORTER is "zipkin"`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc":                             `OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"`,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc": `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is "grpc"`,
	} {
		out, status := run(t, t.TempDir(), append(strings.Fields(variable), "PORT=0"))
		if status != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", variable, status, out)
		}
	}
	for variable, want := range map[string]bool{
		"": false, "OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1": false, "OTEL_SDK_DISABLED=true OTEL_TRACES_EXPORTER=console": false,
		"OTEL_TRACES_EXPORTER=console OTEL_SERVICE_NAME=hall": true,
	} {
		p := serveProcess(t, t.TempDir(), append(strings.Fields(variable), "PORT=0")...)
		traced := p.do("GET", "/livez", "", nil).is(200).header.Get("Traceresponse") != ""
		p.stop()
		if out := p.out.String(); traced != want || strings.Contains(out, `"Name":"GET /livez"`) != want || want && !strings.Contains(out, `"hall"`) {
			t.Errorf("%q: traced is %v\n%s", variable, traced, out)
		}
	}
}

// TestEveryLineOfARequestHasItsID checks that every log line of a request has its request
// id. Lines of background work have none, and say so.
func TestEveryLineOfARequestHasItsID(t *testing.T) {
	t.Parallel()
	p := serveProcess(t, t.TempDir(), "PORT=0", "LOG_FORMAT=json", "LOG_LEVEL=debug")
	started := p.out.String()
	ada := p.do("POST", "/api/v1/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada")).is(201)
	p.do("GET", "/api/v1/auth/me", ada.str("access_token"), nil).is(200)
	refused := p.do("GET", "/api/v1/auth/me", "no token", nil).is(401)
	unknown := p.do("GET", "/nowhere", "", nil).is(404)
	for _, a := range []answer{refused, unknown} {
		if got, want := a.str("request_id"), a.header.Get("X-Request-ID"); got == "" || got != want {
			t.Errorf("%s: the problem's request_id is %q, the header's %q", a.request, got, want)
		}
	}
	p.stop()
	seen := map[string]int{}
	for line := range strings.Lines(strings.TrimPrefix(p.out.String(), started)) {
		var fields struct {
			Msg        string
			RequestID  string `json:"request_id"`
			Background bool
		}
		if json.Unmarshal([]byte(line), &fields) != nil || !slices.Contains([]string{"request", "request refused", "statement"}, fields.Msg) || fields.Background {
			continue
		}
		seen[fields.Msg]++
		if fields.RequestID == "" || strings.Count(line, `"request_id"`) != 1 {
			t.Errorf("not one request id: %s", line)
		}
	}
	if seen["request"] != 4 || seen["request refused"] != 1 || seen["statement"] < 10 {
		t.Errorf("lines: %v", seen)
	}
}
