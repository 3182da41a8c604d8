// Package httpapi registers an endpoint in one line. From
//
//	httpapi.Post(r, "/organizations/:organization_id/suspend", access.Org(access.Owner), h.suspend, httpapi.Doc{…})
//
// it derives the Gin route, the authorization, the decoding and validation, the encoding,
// the problem documents and the OpenAPI operation. It panics for a route without a rule.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"guildhall/platform/access"
	"guildhall/platform/apidocs"
	"guildhall/platform/audit"
	"guildhall/platform/idempotency"
	"guildhall/platform/ratelimit"
	"guildhall/platform/request"
	"guildhall/platform/telemetry"
)

// BasePath is the path prefix of every endpoint of a module.
const BasePath = "/api/v1"

// The probes for supervisors and proxies.
const livePath, readyPath = "/livez", "/readyz"

// Options of the HTTP interface.
type Options struct {
	Gate           *access.Gate
	Trail          *audit.Trail
	Keys           *idempotency.Keys
	Now            func() time.Time
	Log            *slog.Logger
	Telemetry      *telemetry.Telemetry
	Version        string
	Debug          bool // serve the documentation pages
	CORSOrigins    []string
	TrustedProxies []string
	LogAddresses   bool // log the client's address with each request
	// Metadata is the URL of the document that says whose tokens the API takes; empty if there
	// is none.
	Metadata string
	// Ready returns why the service can't serve, or nil if it can.
	Ready func(context.Context) error
}

// API collects the routes of all modules and serves them.
type API struct {
	gate     *access.Gate
	trail    *audit.Trail
	keys     *idempotency.Keys
	now      func() time.Time
	refusals *ratelimit.Limiter // limits the refusals in the audit log
	log      *slog.Logger
	measure  *telemetry.Telemetry
	measures func() map[routeKey]*telemetry.Route
	proxies  forwarding
	version  string
	ready    func(context.Context) error

	start        string // where a browser begins; empty without a page
	logAddresses bool
	metadata     string // see Options

	engine     *gin.Engine
	handler    http.Handler
	routes     []Route
	draining   atomic.Bool
	operations []operation
	tags       map[string]string // their descriptions
	document   func() (*document, error)
}

// New returns an API without routes of modules.
func New(o Options) (*API, error) {
	gin.SetMode(gin.ReleaseMode)
	a := &API{
		gate: o.Gate, trail: o.Trail, keys: o.Keys, now: o.Now, log: o.Log, measure: o.Telemetry, version: o.Version,
		refusals: ratelimit.NewLimiter(ratelimit.Policy{Name: "refusals", Burst: 60, Interval: time.Minute, Silent: true}, o.Now),
		ready:    o.Ready, logAddresses: o.LogAddresses, metadata: o.Metadata,
		engine: gin.New(), tags: map[string]string{},
	}
	a.proxies.trusted, a.proxies.log = request.PeersOf(o.TrustedProxies), o.Log
	a.document = sync.OnceValues(a.buildDocument)
	a.measures = sync.OnceValue(a.measureRoutes)
	a.engine.HandleMethodNotAllowed = true
	a.engine.RedirectTrailingSlash = false
	a.engine.UseRawPath = true
	// Not X-Real-IP, Gin's second choice: a proxy that does not set it forwards the client's.
	a.engine.RemoteIPHeaders = []string{"X-Forwarded-For"}
	if err := a.engine.SetTrustedProxies(o.TrustedProxies); err != nil {
		return nil, err
	}
	a.engine.Use(a.observe, a.recover, secure)
	a.engine.NoRoute(func(c *gin.Context) { a.refuse(c, errRouteNotFound) })
	a.engine.NoMethod(func(c *gin.Context) {
		h := c.Writer.Header()
		h.Set("Allow", allow(h.Get("Allow"), len(o.CORSOrigins) > 0))
		a.refuse(c, errMethodNotAllowed)
	})
	a.mountOperational(o.Debug)
	a.handler = headAsGet(withoutTrailingSlash(withRequestID(corsFor(o.CORSOrigins).Handler(a.engine))))
	return a, nil
}

// ServeHTTP serves everything, for the server and for tests.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.draining.Load() {
		w.Header().Set("Connection", "close") // the next request goes elsewhere
	}
	a.handler.ServeHTTP(w, r)
}

// Router is a module's view of the API.
type Router struct {
	api  *API
	tag  string
	base string // the prefix of the paths
}

// For returns the router on which a module declares its routes. The module's name is the
// tag of its routes in the OpenAPI document.
func (a *API) For(module string) *Router { return &Router{api: a, tag: module, base: BasePath} }

// AtRoot returns the router for routes that are not below BasePath, because a standard or a
// proxy expects them elsewhere.
func (r *Router) AtRoot() *Router { return &Router{api: r.api, tag: r.tag} }

// Describe sets the description of the module's routes, one sentence.
func (r *Router) Describe(text string) { r.api.tags[r.tag] = text }

// Route is one line of the route table.
type Route struct {
	Method, Path string
	Rule         access.Rule
}

// Routes returns the route table in the order of declaration.
func (a *API) Routes() []Route { return append([]Route(nil), a.routes...) }

// Operations returns the ids of all operations.
func (a *API) Operations() []string {
	ids := make([]string, len(a.operations))
	for i, o := range a.operations {
		ids[i] = o.doc.ID
	}
	return ids
}

// Mount serves the GET requests of a path, and of those below it, with a handler that is
// not part of the API.
func (a *API) Mount(path string, h http.Handler) {
	a.engine.GET(path, gin.WrapH(h))
	a.engine.GET(path+"/*rest", gin.WrapH(h))
}

// MountDocument serves the GET requests of a path with a handler that is not part of the
// API.
func (a *API) MountDocument(path string, h http.Handler) { a.engine.GET(path, gin.WrapH(h)) }

// Drain makes /readyz answer 503, so that a proxy sends no more requests. From then on
// every response closes its connection.
func (a *API) Drain() { a.draining.Store(true) }

// Probes returns the paths of the probes for supervisors and proxies.
func (*API) Probes() []string { return []string{livePath, readyPath} }

// allow adds to the methods of a path those that are served without a route: HEAD with
// GET, and OPTIONS if browsers may call the API (RFC 9110 §10.2.1).
func allow(methods string, browsers bool) string {
	all := strings.Split(methods, ", ")
	if slices.Contains(all, http.MethodGet) {
		all = append(all, http.MethodHead)
	}
	if browsers {
		all = append(all, http.MethodOptions)
	}
	return strings.Join(all, ", ")
}

// mountRoot serves links to the API and its documentation at the root.
func (a *API) mountRoot(debug bool) {
	links := map[string]string{"name": "guildhall", "api": BasePath, "openapi": "/openapi.json"}
	if debug {
		links["docs"], a.start = "/docs", "/docs"
	}
	a.engine.GET("/", func(c *gin.Context) {
		if a.start != "" && strings.Contains(c.GetHeader("Accept"), "text/html") {
			c.Redirect(http.StatusFound, a.start)
			return
		}
		_ = writeJSON(c, http.StatusOK, links)
	})
}

func (a *API) mountOperational(debug bool) {
	a.mountRoot(debug)
	a.engine.GET(livePath, func(c *gin.Context) {
		_ = writeJSON(c, http.StatusOK, map[string]string{"status": "ok"})
	})
	a.engine.GET(readyPath, func(c *gin.Context) {
		if a.draining.Load() {
			a.writeProblem(c, errNotReady)
			return
		}
		ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
		defer cancel()
		if err := a.ready(ctx); err != nil {
			a.log.WarnContext(ctx, "not ready", "cause", err)
			a.writeProblem(c, errNotReady)
			return
		}
		_ = writeJSON(c, http.StatusOK, map[string]string{"status": "ready"})
	})
	a.engine.GET("/openapi.json", a.serveDocument("application/json", func(d *document) []byte { return d.json }))
	a.engine.GET("/openapi.yaml", a.serveDocument("application/yaml", func(d *document) []byte { return d.yaml }))
	if debug {
		pages := func(c *gin.Context) {
			if !apidocs.Serve(c.Writer, c.Request) {
				a.refuse(c, errRouteNotFound)
			}
		}
		for _, path := range []string{"/docs", "/docs/*asset", "/redoc", "/redoc/*asset"} {
			a.engine.GET(path, pages)
		}
	}
}

func (a *API) serveDocument(contentType string, part func(*document) []byte) gin.HandlerFunc {
	return func(c *gin.Context) {
		d, err := a.document()
		if err != nil {
			a.refuse(c, err)
			return
		}
		c.Data(http.StatusOK, contentType, part(d))
	}
}
