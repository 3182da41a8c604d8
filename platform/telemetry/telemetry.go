// Package telemetry implements observability: metrics for Prometheus, traces by
// OpenTelemetry, and the request's attributes in log lines. No other package imports
// either library.
//
// No label of a metric and no attribute of a span contains an id, an address or any
// user input: their values are routes, rules, codes and names from the source.
package telemetry

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"guildhall/platform/database"
	"guildhall/platform/password"
	"guildhall/platform/request"
	"guildhall/platform/revocation"
)

// Options are what to measure and how to label it.
type Options struct {
	Version        string
	Metrics        bool // whether /metrics is served
	TrustedProxies []string
	Log            *slog.Logger
	Lost           *LostLines // lost lines of the log, or nil
}

// Telemetry measures one running service. A nil Telemetry measures nothing.
type Telemetry struct {
	registry *prometheus.Registry
	metrics  *metrics                    // nil if metrics are not served
	tracer   trace.Tracer                // nil unless the environment asks for traces
	flush    func(context.Context) error // nil without a tracer
	trusted  request.Peers
}

// Start begins to measure: metrics according to the Options, and traces according to
// the standard OTEL_* environment variables. It returns nil if neither is configured.
func Start(ctx context.Context, o Options) (*Telemetry, error) {
	provider, err := tracing(ctx, o)
	if err != nil {
		return nil, err
	}
	if !o.Metrics && provider == nil {
		return nil, nil
	}
	t := &Telemetry{trusted: request.PeersOf(o.TrustedProxies)}
	if provider != nil {
		t.tracer, t.flush = provider.Tracer("guildhall"), provider.Shutdown
	}
	if o.Metrics {
		t.registry = prometheus.NewRegistry()
		t.metrics = newMetrics(t.registry, o.Version)
		t.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Name: "log_lines_lost_total", Help: "Lines of the log that could not be written.",
		}, func() float64 { return float64(o.Lost.Count()) }))
	}
	return t, nil
}

// flushTimeout is how long a trace collector that does not answer may delay the end of
// the process.
const flushTimeout = 3 * time.Second

// Close exports the remaining spans.
func (t *Telemetry) Close() error {
	if t == nil || t.flush == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return t.flush(ctx)
}

// WatchBackups adds the metrics of scheduled backups: when the newest one was started
// (zero if none exists), how many this process failed to make, and the interval.
func (t *Telemetry) WatchBackups(newest func() time.Time, failures func() int64, interval time.Duration) {
	if t == nil || t.metrics == nil {
		return
	}
	watchBackups(t.registry, newest, failures, interval)
}

// WatchMail adds the metrics of the mail queue: how many mails wait, and how old the oldest
// is.
func (t *Telemetry) WatchMail(state func(context.Context) (pending int64, oldest time.Duration, err error)) {
	if t != nil && t.metrics != nil {
		t.registry.MustRegister(newMailQueue(state))
	}
}

// WatchRevocations adds the metrics of the feed of revocations.
func (t *Telemetry) WatchRevocations(f *revocation.Feed) {
	if t != nil && t.metrics != nil {
		watchRevocations(t.registry, f)
	}
}

// Watch adds the metrics that are read at each scrape. A gauge of anything else that
// the kernel keeps belongs here as well.
func (t *Telemetry) Watch(db *database.DB, hasher *password.Hasher) {
	if t == nil || t.metrics == nil {
		return
	}
	watchPools(t.registry, db)
	watchWrites(t.registry, db)
	watchHasher(t.registry, hasher)
	if db.Driver() == database.SQLite {
		t.registry.MustRegister(newFiles(db))
		return
	}
	watchStandbys(t.registry, db)
}
