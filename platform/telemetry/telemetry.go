// Package telemetry is what the service tells those who run it: metrics for
// Prometheus, traces by OpenTelemetry, and what a line of the log says of the
// request it is about. It is the only importer of both libraries.
//
// No label of a metric and no attribute of a span holds an id, an address or
// anything that somebody typed: their values are routes, rules, codes and
// names that stand in the source.
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
)

// Options of what is told.
type Options struct {
	Version        string
	Metrics        bool // whether anybody can ask for them
	TrustedProxies []string
	Log            *slog.Logger
	Lost           *LostLines // of the log, or nil
}

// Telemetry measures one running service. A nil one measures nothing.
type Telemetry struct {
	registry *prometheus.Registry
	metrics  *metrics                    // nil: nobody asks for them
	tracer   trace.Tracer                // nil: the environment asks for none
	flush    func(context.Context) error // nil without a tracer
	trusted  request.Peers
}

// Start begins to measure: metrics as the Options say, traces as the standard
// OTEL_* variables of the process's environment say. Where neither is wanted it
// returns nil.
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

// flushTimeout is how long a collector of traces that does not answer may hold
// up the end of the process.
const flushTimeout = 3 * time.Second

// Close sends the spans that are still here.
func (t *Telemetry) Close() error {
	if t == nil || t.flush == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return t.flush(ctx)
}

// WatchBackups tells of scheduled backups: when the newest was begun (zero for
// none), how many this process could not make, and how often one is due.
func (t *Telemetry) WatchBackups(newest func() time.Time, failures func() int64, interval time.Duration) {
	if t == nil || t.metrics == nil {
		return
	}
	watchBackups(t.registry, newest, failures, interval)
}

// Watch adds what is not counted as it happens but looked up when a scrape asks.
// A gauge of something else that the kernel keeps belongs here as well.
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
