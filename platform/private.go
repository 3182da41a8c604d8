package platform

import (
	"log/slog"
	"net"
	"net/http"
)

// servePrivate serves metrics, profiles and the probes on a listener of their own. If
// the listener is nil, it serves nothing. No public route leads there. A profile takes
// as long as the client asks for, so responses have no time limit here.
func (a *App) servePrivate(listener net.Listener) (stop func()) {
	if listener == nil {
		return func() {}
	}
	mux := http.NewServeMux()
	a.kernel.Telemetry.Mount(mux)
	for _, probe := range a.api.Probes() {
		mux.Handle("GET "+probe, a.api)
	}
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.kernel.Log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := server.Serve(listener); err != http.ErrServerClosed { //nolint:errorlint // a sentinel, never wrapped
			a.kernel.Log.Error("metrics are no longer served", "cause", err)
		}
	}()
	return func() { _ = server.Close() }
}
