package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	names "github.com/prometheus/common/model"

	"guildhall/platform/access"
	"guildhall/platform/platformtest"
	"guildhall/platform/token"
)

var privately = regexp.MustCompile(`private_address["=:]+([0-9.:]+)`)

// private returns the URL of the private listener.
func (p *process) private(path string) string {
	p.t.Helper()
	p.says("private_address")
	return "http://" + privately.FindStringSubmatch(p.out.String())[1] + path
}

func fetch(t testing.TB, url string) (int, []byte) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, content
}

type scrape map[string]*dto.MetricFamily

func (p *process) scrape() scrape {
	p.t.Helper()
	status, content := fetch(p.t, p.private("/metrics"))
	if status != 200 {
		p.t.Fatalf("/metrics: %d %s", status, content)
	}
	return scraped(p.t, content)
}

func (s *service) scrape() scrape {
	s.t.Helper()
	mux, answer := http.NewServeMux(), httptest.NewRecorder()
	s.kernel.Telemetry.Mount(mux)
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return scraped(s.t, answer.Body.Bytes())
}

func scraped(t testing.TB, content []byte) scrape {
	t.Helper()
	parser := expfmt.NewTextParser(names.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value returns the value of the one series with these labels, each as "name=value"; for
// a histogram, its count. It returns -1 if there is no such series.
func (s scrape) value(name string, labels ...string) float64 {
	for _, m := range s[name].GetMetric() {
		var has []string
		for _, l := range m.Label {
			has = append(has, l.GetName()+"="+l.GetValue())
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
			continue
		}
		switch {
		case m.Histogram != nil:
			return float64(m.Histogram.GetSampleCount())
		case m.Gauge != nil:
			return m.Gauge.GetValue()
		default:
			return m.Counter.GetValue()
		}
	}
	return -1
}

// withMetrics runs a service with metrics on each database, and causes every event that
// is counted.
func withMetrics(t *testing.T, test func(t *testing.T, p *process, ada answer)) {
	t.Helper()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		p := serveProcess(t, t.TempDir(), inProduction(databaseURL, "PRIVATE_ADDRESS=127.0.0.1:0", "BACKUP_DIR=backups", "MIGRATE_ON_START=true", "ENABLE_REGISTRATION=true",
			"JWT_REFRESH_GRACE_SECONDS=5", "MAIL_TRANSPORT=smtp", "SMTP_HOST=127.0.0.1", "SMTP_PORT=1", "SMTP_TLS=none", "MAIL_FROM=a@example.com", "PUBLIC_URL=https://a.example.com")...)
		post := func(path, token string, b map[string]any) answer { return p.do("POST", "/api/v1"+path, token, b) }
		ada := post("/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada")).is(201)
		grace := post("/auth/register", "", body("email", "grace@example.com", "password", password, "name", "Grace")).is(201)
		p.do("GET", "/api/v1/organizations/"+ada.str("organization_id"), grace.str("access_token"), nil).is(404)
		p.do("GET", "/no/such/"+ada.str("user_id"), "", nil).is(404)
		post("/auth/refresh", "", body("refresh_token", grace.str("refresh_token"))).is(200)
		second := post("/auth/refresh", "", body("refresh_token", grace.str("refresh_token"))).is(200) // a repetition
		post("/auth/refresh", "", body("refresh_token", second.str("refresh_token"))).is(200)
		time.Sleep(6 * time.Second) // the grace
		post("/auth/refresh", "", body("refresh_token", grace.str("refresh_token"))).is(401, "refresh_token_reused")
		post("/auth/refresh", "", body("refresh_token", second.str("refresh_token"))).is(401, "invalid_refresh_token")
		post("/auth/token", "", body("username", "ada@example.com", "password", password)).is(200)
		for range 5 {
			post("/auth/token", "", body("username", "ada@example.com", "password", "a wrong guess")).is(401)
		}
		post("/auth/token", "", body("username", "ada@example.com", "password", "a wrong guess")).is(429)
		test(t, p, ada)
	})
}

func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	withMetrics(t, func(t *testing.T, p *process, ada answer) {
		s := p.scrape()
		for series, want := range map[string]float64{
			"guildhall_http_requests_total; method=POST; route=/api/v1/auth/register; status=201":                                                2,
			"guildhall_http_requests_total; method=GET; route=unmatched; status=404":                                                             1,
			"guildhall_http_request_duration_seconds; method=POST; route=/api/v1/auth/register":                                                  2,
			"guildhall_http_problems_total; code=too_many_requests":                                                                              1,
			"guildhall_gate_decisions_total; rule=member of the organization (also while suspended or archived); outcome=organization_not_found": 1,
			"guildhall_log_ins_total; result=ok":                                                                                                 1,
			"guildhall_log_ins_total; result=invalid_credentials":                                                                                5,
			"guildhall_log_ins_total; result=too_many_requests":                                                                                  1,
			"guildhall_refreshes_total; result=rotated":                                                                                          2,
			"guildhall_refreshes_total; result=repeated":                                                                                         1,
			"guildhall_refreshes_total; result=reused":                                                                                           1,
			"guildhall_refreshes_total; result=refused":                                                                                          1,
			"guildhall_rate_limit_refusals_total; policy=log-in":                                                                                 1,
			"guildhall_audit_events_total; action=user.registered":                                                                               2,
			"guildhall_audit_events_total; action=session.ended":                                                                                 1,
			"guildhall_audit_events_total; action=log_in.failed":                                                                                 5,
			"guildhall_audit_events_total; action=ownership.transferred":                                                                         0,
			"guildhall_password_hash_duration_seconds":                                                                                           8,
			"guildhall_password_hash_wait_seconds":                                                                                               8,
			"guildhall_password_hashes_running":                                                                                                  0,
			"guildhall_password_hashes_waiting":                                                                                                  0,
			"guildhall_password_hashes_rejected_total":                                                                                           0,
			"guildhall_build_info; version=dev":                                                                                                  1,
			"guildhall_database_transaction_duration_seconds; outcome=failed":                                                                    -1,
		} {
			parts := strings.Split(series, "; ")
			if got := s.value(parts[0], parts[1:]...); got != want {
				t.Errorf("%s is %v, want %v", series, got, want)
			}
		}
		for _, series := range []string{
			"guildhall_database_statement_duration_seconds kind=SELECT", "guildhall_database_statement_duration_seconds kind=INSERT",
			"guildhall_database_transaction_duration_seconds outcome=committed", "go_sql_max_open_connections", "go_goroutines", "process_cpu_seconds_total",
		} {
			if parts := strings.Fields(series); s.value(parts[0], parts[1:]...) <= 0 {
				t.Errorf("%s is missing", series)
			}
		}
		_, text := fetch(t, p.private("/metrics"))
		for _, secret := range []string{"ada@", "Ada", "127.0.0.1", ada.str("user_id"), ada.str("organization_id"), ada.str("access_token"), password} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("the metrics have %q", secret)
			}
		}
		problems, err := promlint.New(bytes.NewReader(text)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v %v", problems, err)
		}
	})
}

// TestMetricsOfKeys: each key that is presented is counted once, also where one is the
// credential and another one the question.
func TestMetricsOfKeys(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		s := asInProduction(t, databaseURL, slog.New(slog.DiscardHandler), true)
		root, ada := s.operator("Root"), s.person("Ada")
		orders := root.registersAPI("orders")
		key, made := root.keyOf(orders), ada.makesKey()
		now := s.scrape()
		rises := func(what string, want map[string]float64) {
			t.Helper()
			before := now
			now = s.scrape()
			for name, label := range map[string]string{"guildhall_api_keys_presented_total": "outcome", "guildhall_introspections_total": "result"} {
				for _, m := range now[name].GetMetric() {
					value := m.GetLabel()[0].GetValue()
					if got := m.Counter.GetValue() - before.value(name, label+"="+value); got != want[value] {
						t.Errorf("%s: %s rose by %v, want %v", what, value, got, want[value])
					}
					delete(want, value)
				}
			}
			if len(want) > 0 {
				t.Errorf("%s: nothing is counted as %v", what, want)
			}
		}
		byKey := ada.byKey(made)
		byKey.get("/auth/me").is(200)
		byKey.get("/auth/me").is(200) // the second time from memory
		rises("a key", map[string]float64{"admitted": 2})
		byKey.get(ada.org("/members/x")).is(422)
		rises("an invalid path", map[string]float64{"admitted": 1})
		byKey.patch(ada.org(""), body("name", "Other")).is(403, "insufficient_scope")
		byKey.get(root.org("")).is(404)
		rises("beyond its scopes and its organization", map[string]float64{"refused": 2})
		s.do("GET", "/api/v1/auth/me", made.str("key")+"x", nil).is(401)
		unknown, _ := token.NewKey("guildhall")
		s.do("GET", "/api/v1/auth/me", unknown, nil).is(401)
		rises("junk and an unknown key", map[string]float64{"malformed": 1, "unknown": 1})
		ada.get("/auth/me").is(200)
		s.do("GET", "/api/v1/auth/me", "a.b.c", nil).is(401)
		rises("tokens", map[string]float64{})

		byToken := s.asForm("/oauth/token", made.str("id")+":"+made.str("key"), "grant_type", "client_credentials").is(200).str("access_token")
		rises("client credentials", map[string]float64{"admitted": 1})
		s.do("GET", "/api/v1/auth/me", byToken, nil).is(200)
		rises("the token of a key", map[string]float64{})
		s.introspects(key, made.str("key"))
		rises("a key asks about a key", map[string]float64{"admitted": 2, "active": 1})
		s.introspects(key, ada.tokenFor(orders).str("access_token"))
		rises("a key asks about a token", map[string]float64{"admitted": 1, "active": 1})
		s.introspects(key, ada.access)
		s.introspects(key, "a.b.c")
		rises("a key asks about foreign tokens and junk", map[string]float64{"admitted": 2, "inactive": 2})
		s.asForm("/oauth/introspect", made.str("key"), "token", byToken).is(400)
		rises("a key that may not ask", map[string]float64{"refused": 1})

		ada.delete(ada.org("/api-keys/" + made.str("id"))).is(204)
		byKey.get("/auth/me").is(401)
		rises("an ended key", map[string]float64{"ended": 1})
		for range 4 * access.KeyGuessing.Burst { // some are forgiven meanwhile, one a second
			unknown, _ := token.NewKey("guildhall")
			s.do("GET", "/api/v1/auth/me", unknown, nil).is(401)
		}
		if s.scrape().value("guildhall_api_keys_presented_total", "outcome=limited") < 1 {
			t.Error("no limited key is counted")
		}
	})
}

// TestThePrivateListener checks that the operator's endpoints are only on the private
// listener, which stays open until the last request has been answered.
func TestThePrivateListener(t *testing.T) {
	t.Parallel()
	p := serveProcess(t, t.TempDir(), "PORT=0", "LOG_FORMAT=json", "PRIVATE_ADDRESS=127.0.0.1:0", "DRAIN_DELAY_SECONDS=3", "JWT_SECRET_KEY="+oneSecret)
	for path, want := range map[string][2]int{ // on the private listener, on the public one
		"/metrics": {200, 404}, "/debug/pprof/": {200, 404}, "/debug/pprof/heap": {200, 404}, "/debug/pprof/profile?seconds=1": {200, 404},
		"/debug/pprof/cmdline": {404, 404}, "/livez": {200, 200}, "/readyz": {200, 200}, "/api/v1/auth/me": {404, 401}, "/openapi.json": {404, 200},
	} {
		within, _ := fetch(t, p.private(path))
		without, _ := fetch(t, p.base+path)
		if got := [2]int{within, without}; got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	_, taken, _ := strings.Cut(p.private(""), "http://")
	out, status := run(t, t.TempDir(), []string{"PORT=0", "PRIVATE_ADDRESS=" + taken})
	if status != 1 || !strings.Contains(out, "listen on PRIVATE_ADDRESS: ") || !strings.Contains(out, "address already in use") {
		t.Errorf("an address that is taken: %d\n%s", status, out)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for status = 0; status != 503; {
		status, _ = fetch(t, p.private("/readyz"))
	}
	if status, _ := fetch(t, p.private("/metrics")); status != 200 {
		t.Errorf("/metrics while draining: %d", status)
	}
	if err := <-p.done; err != nil {
		t.Errorf("ended with %v:\n%s", err, p.out)
	}

	none := serveProcess(t, t.TempDir(), "PORT=0")
	if strings.Contains(none.out.String(), "private_address") {
		t.Error("listens on a private address without the setting")
	}
}
