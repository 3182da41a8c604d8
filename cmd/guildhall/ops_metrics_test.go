package main

import (
	"bytes"
	"io"
	"net/http"
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

	"guildhall/platform/platformtest"
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
	parser := expfmt.NewTextParser(names.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(content))
	if err != nil {
		p.t.Fatal(err)
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
