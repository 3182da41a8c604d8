package telemetry

import (
	"net/http"
	"net/http/pprof" //nolint:gosec // its handlers go where we put them; nothing serves http.DefaultServeMux

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapesAtOnce limits the load that a client can cause by asking for metrics in a
// loop.
const scrapesAtOnce = 4

// Mount adds the endpoints that are for the operator only: /metrics, and /debug/pprof
// except for the command line, which may contain secrets.
func (t *Telemetry) Mount(mux *http.ServeMux) {
	if t == nil || t.registry == nil {
		return
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		Registry: t.registry, MaxRequestsInFlight: scrapesAtOnce,
	}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}
