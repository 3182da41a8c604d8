package telemetry

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// namespace is the prefix of all metrics except those that libraries name: go_…,
// process_… and the pools' go_sql_….
const namespace = "guildhall"

// These are the bounds of the histograms, in seconds. An indexed statement on SQLite
// takes tens of microseconds, a hash tens of milliseconds, a request at most twenty
// seconds.
var (
	ofStatements = []float64{25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5, 10}
	ofRequests   = []float64{250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 10}
	ofHashes     = []float64{5e-3, 10e-3, 25e-3, 50e-3, 75e-3, 100e-3, 150e-3, 250e-3, 500e-3, 1, 2.5, 5}
)

// metrics are the metrics that are updated when something happens.
type metrics struct {
	requests     *prometheus.CounterVec
	requestTime  *prometheus.HistogramVec
	problems     *prometheus.CounterVec
	gate         *prometheus.CounterVec
	logIns       *prometheus.CounterVec
	mails        *prometheus.CounterVec
	refreshes    *prometheus.CounterVec
	keys         map[access.KeyOutcome]prometheus.Counter
	active       prometheus.Counter // introspections of a token that is
	inactive     prometheus.Counter // and of one that is not
	events       *prometheus.CounterVec
	limited      *prometheus.CounterVec
	breached     *prometheus.CounterVec
	hashTime     prometheus.Observer
	hashWait     prometheus.Observer
	statements   [len(kinds)]prometheus.Observer
	transactions map[database.Outcome]prometheus.Observer
}

func newMetrics(r *prometheus.Registry, version string) *metrics {
	count := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	measure := func(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: bounds}, labels)
		r.MustRegister(v)
		return v
	}
	m := &metrics{
		requests:     count("http_requests_total", "Requests answered.", "method", "route", "status"),
		requestTime:  measure("http_request_duration_seconds", "Time from a request's header to the end of its response.", ofRequests, "method", "route"),
		problems:     count("http_problems_total", "Problem documents answered, by their code.", "code"),
		gate:         count("gate_decisions_total", "What the gate decided: admitted, or the code of the refusal.", "rule", "outcome"),
		mails:        count("mails_total", "Attempts to send a mail: sent, retried, refused or expired.", "result"),
		logIns:       count("log_ins_total", "Log-in attempts: ok, an internal failure, or the code of the refusal.", "result"),
		refreshes:    count("refreshes_total", "Refresh tokens presented: rotated, kept, repeated, reused, refused or failed.", "result"),
		events:       count("audit_events_total", "Events committed to the audit log.", "action"),
		limited:      count("rate_limit_refusals_total", "Requests refused by a rate limit.", "policy"),
		breached:     count("breached_password_lookups_total", "New passwords looked up in the list of breached ones: clear, breached or failed.", "result"),
		hashTime:     measure("password_hash_duration_seconds", "Time to compute a password's hash.", ofHashes).WithLabelValues(),
		hashWait:     measure("password_hash_wait_seconds", "Time a password waited for its turn.", ofHashes).WithLabelValues(),
		keys:         map[access.KeyOutcome]prometheus.Counter{},
		transactions: map[database.Outcome]prometheus.Observer{},
	}
	keys := count("api_keys_presented_total", "API keys presented: admitted, or why they were refused.", "outcome")
	for _, outcome := range access.KeyOutcomes() {
		m.keys[outcome] = keys.WithLabelValues(string(outcome))
	}
	introspections := count("introspections_total", "Introspections answered: of a token that is active for the API that asks, or inactive.", "result")
	m.active, m.inactive = introspections.WithLabelValues("active"), introspections.WithLabelValues("inactive")
	statements := measure("database_statement_duration_seconds", "Time until a statement's rows could be read.", ofStatements, "kind")
	for i, kind := range kinds {
		m.statements[i] = statements.WithLabelValues(kind)
	}
	transactions := measure("database_transaction_duration_seconds", "Time from a transaction's begin to its end.", ofStatements, "outcome")
	for _, outcome := range database.Outcomes() {
		m.transactions[outcome] = transactions.WithLabelValues(string(outcome))
	}
	for _, result := range []string{"sent", "retried", "refused", "expired"} {
		m.mails.WithLabelValues(result)
	}
	for _, result := range []string{"clear", "breached", "failed"} {
		m.breached.WithLabelValues(result)
	}
	for _, action := range audit.Actions() { // so that the first event of an action shows as an increase
		m.events.WithLabelValues(string(action))
	}
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "build_info", Help: "What is running; always 1.",
			ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
		}, func() float64 { return 1 }),
	)
	return m
}
