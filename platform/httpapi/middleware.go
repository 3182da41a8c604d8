package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/request"
	"guildhall/platform/telemetry"
)

const (
	requestIDHeader = "X-Request-ID"
	requestIDKey    = "X-Request-Id" // in net/http's canonical form, because it is looked up often
	callerKey       = "guildhall.caller"
	codeKey         = "guildhall.code"
)

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// withRequestID uses the request id that a proxy sent if it is safe in a log, and generates
// one otherwise. Every response has it.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header[requestIDKey]
		if len(given) != 1 || !requestIDPattern.MatchString(given[0]) {
			given = []string{uuid.Must(uuid.NewV7()).String()}
		}
		id := given[0]
		w.Header().Set(requestIDKey, id)
		next.ServeHTTP(w, r)
	})
}

func requestID(c *gin.Context) string { return c.Writer.Header().Get(requestIDKey) }

// headAsGet serves HEAD by the route of GET (RFC 9110 §9.3.2). The server omits the body.
func headAsGet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			clone := *r
			clone.Method = http.MethodGet
			r = &clone
		}
		next.ServeHTTP(w, r)
	})
}

// withoutTrailingSlash makes /organizations/ the same resource as
// /organizations without a redirect, which would lose a body.
func withoutTrailingSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; len(p) > 2 && strings.HasSuffix(p, "/") {
			u := *r.URL
			u.Path = p[:len(p)-1]
			u.RawPath = strings.TrimSuffix(u.RawPath, "/")
			clone := *r
			clone.URL = &u
			r = &clone
		}
		next.ServeHTTP(w, r)
	})
}

// statusClientLeft is what nginx logs for a request whose client went away. Nobody reads the
// answer, and it is no failure of the service.
const statusClientLeft = 499

// clientLeft says whether the client of a request went away. A request that took too long
// has another error.
func clientLeft(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// observe measures a request and logs it. It never logs a token, a password, an email or a
// body. It logs the route instead of the path, which may contain anything. Other log lines
// of the request have its id, from the context.
func (a *API) observe(c *gin.Context) {
	start := time.Now()
	route := a.measureOf(c)
	ctx := route.Begin(a.withInfo(c), c.Request, c.Writer.Header())
	c.Request = c.Request.WithContext(ctx)
	a.proxies.note(c.Request)
	c.Next()
	took := time.Since(start)
	status := c.Writer.Status()
	if status >= http.StatusInternalServerError && clientLeft(ctx) {
		status = statusClientLeft
	}
	route.End(ctx, status, c.GetString(codeKey), took)
	level, failed := slog.LevelInfo, status >= http.StatusInternalServerError
	probe := c.FullPath() == livePath || c.FullPath() == readyPath // every few seconds
	switch {
	case probe && (!failed || a.draining.Load()): // a failed probe is expected while draining
		level = slog.LevelDebug
	case failed:
		level = slog.LevelError
	}
	if !a.log.Enabled(ctx, level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 8),
		slog.String("method", c.Request.Method),
		slog.String("route", c.FullPath()),
		slog.Int("status", status),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
	)
	if address := request.From(ctx).Address; a.logAddresses && address != "" {
		attrs = append(attrs, slog.String("client_address", address))
	}
	if code := c.GetString(codeKey); code != "" {
		attrs = append(attrs, slog.String("code", code))
	}
	if v, ok := c.Get(callerKey); ok {
		caller := v.(access.Caller)
		attrs = append(attrs, slog.String("user_id", caller.UserID.String()))
		if caller.OrganizationID.Valid {
			attrs = append(attrs, slog.String("organization_id", caller.OrganizationID.UUID.String()))
		}
	}
	a.log.LogAttrs(ctx, level, "request", attrs...)
}

type routeKey struct{ method, pattern string }

// measureOf returns the metrics of a request's route. Requests without a route share one
// for each known method; all other methods are "other".
func (a *API) measureOf(c *gin.Context) *telemetry.Route {
	all := a.measures()
	if r, found := all[routeKey{c.Request.Method, c.FullPath()}]; found {
		return r
	}
	return all[routeKey{}]
}

func (a *API) measureRoutes() map[routeKey]*telemetry.Route {
	all := map[routeKey]*telemetry.Route{{}: a.measure.Route("other", "unmatched")}
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		all[routeKey{m, ""}] = a.measure.Route(m, "unmatched")
	}
	for _, r := range a.engine.Routes() {
		all[routeKey{r.Method, r.Path}] = a.measure.Route(r.Method, r.Path)
	}
	return all
}

// recover turns a panic into a 500. Only the log has its cause.
func (a *API) recover(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if cause == http.ErrAbortHandler { //nolint:errorlint // a sentinel, which net/http itself compares
			panic(cause)
		}
		a.log.LogAttrs(c.Request.Context(), slog.LevelError, "panic",
			slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
		if !c.Writer.Written() {
			a.writeProblem(c, errInternal)
		}
		c.Abort()
	}()
	c.Next()
}

// secure sets the security and cache headers of every response. Responses depend on the
// caller and must not be cached.
func secure(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	c.Next()
}
