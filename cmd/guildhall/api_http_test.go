package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/platformtest"
)

func TestPathsAndMethods(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		ada.get("/nothing").is(404, "route_not_found")
		a := ada.delete("/organizations").is(405, "method_not_allowed")
		if got := a.header.Get("Allow"); got != "GET, POST, HEAD, OPTIONS" {
			t.Errorf("Allow: %q", got)
		}
		s.do("PUT", "/livez", "", nil).is(405, "method_not_allowed")
		ada.get("/organizations/").is(200)
		ada.get(ada.org("/")).is(200)
		ada.post("/organizations/", body("name", "x")).is(201) // no redirect in between
		ada.get("/organizations//").is(404, "route_not_found")
		ada.get(ada.org("%2Fmembers")).is(422, "validation_failed")
	})
}

// TestAllowListsWhatIsAnswered checks the methods in Allow: HEAD where GET is, OPTIONS
// where CORS applies.
func TestAllowListsWhatIsAnswered(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t), func(c *config.Config) { c.CORSOrigins = nil })
	for path, want := range map[string]string{"/api/v1/organizations": "GET, POST, HEAD", "/api/v1/auth/register": "POST", "/livez": "GET, HEAD", "/": "GET, HEAD"} {
		if got := s.do("PUT", path, "", nil).is(405).header.Get("Allow"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestTheRootSaysWhereToGoOn checks that the root redirects a browser in development to
// the documentation, and all other clients to the OpenAPI document.
func TestTheRootSaysWhereToGoOn(t *testing.T) {
	t.Parallel()
	for _, debug := range []bool{true, false} {
		s := start(t, platformtest.SQLiteURL(t), func(c *config.Config) { c.Debug = debug })
		root := s.do("GET", "/", "", nil, "Accept", "*/*").is(200)
		if root.str("openapi") != "/openapi.json" || root.str("api") != "/api/v1" || (root.object()["docs"] == "/docs") != debug {
			t.Errorf("debug %v: %s", debug, root.body)
		}
		s.do("GET", root.str("openapi"), "", nil).is(200)
		browser := s.do("GET", "/", "", nil, "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		if debug && (browser.status != 302 || browser.header.Get("Location") != "/docs") || !debug && browser.status != 200 {
			t.Errorf("debug %v, a browser: %d %v", debug, browser.status, browser.header)
		}
	}
}

func TestEveryAnswersHeaders(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for _, path := range []string{"/livez", "/api/v1/auth/me", "/nothing", "/openapi.json"} {
			a := s.do("GET", path, "", nil)
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s: %s is %q", path, name, got)
				}
			}
		}
		for given, taken := range map[string]bool{
			"abc-123": true, "0193e3a8-5b7c-7d2e-9f10-2b3c4d5e6f70": true, "a b": false, "a\nb": false, "<script>": false,
			strings.Repeat("x", 129): false, "": false,
		} {
			a := s.do("GET", "/api/v1/auth/me", "", nil, "X-Request-ID", given)
			if got := a.header.Get("X-Request-ID"); (got == given) != taken || got != a.str("request_id") {
				t.Errorf("%q became %q", given, got)
			}
		}
		a := s.do("GET", "/api/v1/auth/me", "", nil, "X-Request-ID", "one", "X-Request-ID", "two")
		if got := a.header.Values("X-Request-ID"); len(got) != 1 || got[0] == "one" || got[0] == "two" {
			t.Errorf("two request ids became %q", got)
		}
	})
}

func TestHealth(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.do("GET", "/livez", "", nil).is(200)
		s.do("GET", "/readyz", "", nil).is(200)
		s.exec("UPDATE schema_migrations SET id = '2099' || id WHERE id LIKE '%_access_%'") // rolled back
		s.do("GET", "/readyz", "", nil).is(503, "not_ready")
		s.exec("UPDATE schema_migrations SET id = substr(id, 5) WHERE id LIKE '2099%'")
		s.do("GET", "/readyz", "", nil).is(200)
		s.exec("INSERT INTO schema_migrations (id) VALUES ('209912312359_auth_from_the_future')") // upgraded
		s.do("GET", "/readyz", "", nil).is(200)
		s.app.API().Drain()
		a := s.do("GET", "/readyz", "", nil).is(503, "not_ready")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		s.do("GET", "/livez", "", nil).is(200)
	})
}

// TestADiskThatIsFull prevents SQLite's file from growing.
func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	ada := s.person("Ada")
	var most int
	ctx := context.Background()
	err := s.kernel.DB.InTx(ctx, func(ctx context.Context) error {
		return s.kernel.DB.Row(ctx, "PRAGMA max_page_count = 1").Scan(&most) // SQLite does not go below the current number
	})
	if err != nil {
		t.Fatal(err)
	}
	status := 0
	for range 50 {
		a := ada.post("/organizations", body("name", strings.Repeat("x", 255)))
		if status = a.status; status != 201 {
			if a.is(503, "storage_unavailable"); a.header.Get("Retry-After") == "" || strings.Contains(string(a.body), "full") {
				t.Errorf("%v %s", a.header, a.body)
			}
			break
		}
	}
	if status != 503 {
		t.Errorf("the disk never filled: %d", status)
	}
	ada.get("/auth/me").is(200)
	s.exec("PRAGMA max_page_count = 1000000")
	ada.post("/organizations", body("name", "x")).is(201)
}

// TestPostgresThatGoesAway cuts the connection to PostgreSQL and restores it.
func TestPostgresThatGoesAway(t *testing.T) {
	t.Parallel()
	if pgBouncerEverywhere() {
		t.Skip("PgBouncer does not try a lost server again at once")
	}
	proxy := newSwitchableProxy(t, platformtest.PostgresURL(t))
	s := start(t, proxy.url)
	ada := s.person("Ada")
	proxy.close()
	s.do("GET", "/livez", "", nil).is(200)
	s.do("GET", "/readyz", "", nil).is(503, "not_ready")
	for _, a := range []answer{ada.get("/auth/me"), ada.post("/organizations", body("name", "x")), s.logIn(ada.email, password),
		s.refresh(ada.refresh), ada.post("/auth/logout", nil), ada.patch("/users/"+ada.id+"/password", body("old_password", password, "new_password", password+"!"))} {
		if a.is(503, "storage_unavailable"); a.header.Get("Retry-After") == "" || strings.Contains(string(a.body), "127.0.0.1") {
			t.Errorf("%v %s", a.header, a.body)
		}
	}
	proxy.open()
	s.do("GET", "/readyz", "", nil).is(200)
	ada.post("/organizations", body("name", "x")).is(201)
}

// switchableProxy is a proxy that can be closed and opened again.
type switchableProxy struct {
	t             *testing.T
	url, from, to string
	mu            sync.Mutex
	listener      net.Listener
	connections   []net.Conn
}

func newSwitchableProxy(t *testing.T, databaseURL string) *switchableProxy {
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	w := &switchableProxy{t: t, from: "127.0.0.1:0", to: u.Host}
	w.open()
	u.Host = w.from
	w.url = u.String()
	t.Cleanup(w.close)
	return w
}

func (w *switchableProxy) open() {
	l, err := net.Listen("tcp", w.from)
	if err != nil {
		w.t.Fatal(err)
	}
	w.listener, w.from = l, l.Addr().String()
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", w.to)
			if err != nil {
				_ = in.Close()
				continue
			}
			w.mu.Lock()
			w.connections = append(w.connections, in, out)
			w.mu.Unlock()
			go func() { _, _ = io.Copy(in, out) }()
			go func() { _, _ = io.Copy(out, in) }()
		}
	}()
}

func (w *switchableProxy) close() {
	_ = w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.connections {
		_ = c.Close()
	}
	w.connections = nil
}

func TestARequestThatTakesTooLong(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
			// Another session locks the organization.
			if err := s.kernel.DB.Conn(ctx).Exec("UPDATE organizations SET name = name WHERE id = ?", ada.organization).Error; err != nil {
				return err
			}
			hurried, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			s.ctx = hurried
			defer func() { s.ctx = context.Background() }()
			if a := ada.patch(ada.org(""), body("name", "x")).is(503, "timeout"); a.header.Get("Retry-After") == "" {
				t.Errorf("no Retry-After: %v", a.header)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		ada.patch(ada.org(""), body("name", "x")).is(200)
	})
}

// TestAClientThatLeaves is no failure of the service: it is neither an error in the log nor a
// 5xx in the metrics, from which the alerts are made.
func TestAClientThatLeaves(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		gone, leave := context.WithCancel(context.Background())
		leave()
		s.ctx = gone
		ada.patch(ada.org(""), body("name", "x"))
		s.ctx = context.Background()
		if log := s.log.String(); strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, `"status":499`) {
			t.Errorf("the log:\n%s", log)
		}
		ada.patch(ada.org(""), body("name", "x")).is(200)
	})
}

func TestCORSIsByExactOrigin(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	ask := func(method, origin string, headers ...string) answer {
		return s.do(method, "/api/v1/auth/me", "", nil, append(headers, "Origin", origin)...)
	}
	preflight := []string{"Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,content-type,x-organization-id"}
	a := ask("OPTIONS", "https://app.example.com", preflight...).is(204)
	if a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || a.header.Get("Access-Control-Allow-Methods") != "PATCH" ||
		a.header.Get("Access-Control-Allow-Headers") == "" || a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %v", a.header)
	}
	if got := ask("GET", "https://app.example.com").is(401).header; got.Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
		!strings.Contains(got.Get("Access-Control-Expose-Headers"), "X-Request-Id") && !strings.Contains(got.Get("Access-Control-Expose-Headers"), "X-Request-ID") {
		t.Errorf("request: %v", got)
	}
	for _, origin := range []string{"https://app.example.com.evil.example", "http://app.example.com", "https://APP.example.com", "null", "https://evil.example"} {
		for _, method := range []string{"GET", "OPTIONS"} {
			if got := ask(method, origin, preflight...).header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s from %s is allowed as %q", method, origin, got)
			}
		}
	}
}

// TestAListedOriginMaySendAnyHeader checks that an allowed origin may send headers that
// the service does not know, such as those of a front end with tracing.
func TestAListedOriginMaySendAnyHeader(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	preflight := func(method string, headers ...string) http.Header {
		return s.do("OPTIONS", "/api/v1/auth/me", "", nil, append(headers, "Access-Control-Request-Method", method)...).is(204).header
	}
	const origin, names = "Origin", "Access-Control-Request-Headers"
	const listed, tracing = "https://app.example.com", "authorization,baggage,sentry-trace,traceparent,tracestate,x-requested-with"
	longest := strings.Repeat("x", 2<<10)
	for _, fields := range [][]string{
		{tracing}, {"a, b ,\tc"}, {"traceparent", "tracestate"}, {longest}, {"x-!#$%&'*+.^_`|~0"}, {"*"}, {},
	} {
		headers := []string{origin, listed}
		for _, f := range fields {
			headers = append(headers, names, f)
		}
		h := preflight("GET", headers...)
		if h.Get("Access-Control-Allow-Origin") != listed || !slices.Equal(h.Values("Access-Control-Allow-Headers"), fields) ||
			h.Get("Access-Control-Max-Age") != "600" || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%.60q: %.300v", fields, h)
		}
		for _, on := range []string{"Origin", "Access-Control-Request-Method", names} {
			if !strings.Contains(strings.Join(h.Values("Vary"), ","), on) {
				t.Errorf("Vary does not name %s: %q", on, h.Values("Vary"))
			}
		}
	}
	if h := preflight("HEAD", origin, listed, names, "authorization"); h.Get("Access-Control-Allow-Methods") != "HEAD" {
		t.Errorf("HEAD: %v", h)
	}
	for what, headers := range map[string][]string{
		"another origin":          {origin, "https://evil.example", names, tracing},
		"two methods":             {origin, listed, "Access-Control-Request-Method", "PATCH", names, tracing},
		"two origins":             {origin, listed, origin, "https://evil.example", names, tracing},
		"no origin":               {names, tracing},
		"names that are too long": {origin, listed, names, longest + "x"},
		"too long in two fields":  {origin, listed, names, longest, names, "x"},
		"a split answer":          {origin, listed, names, "a\r\nSet-Cookie: b=c"},
		"no token":                {origin, listed, names, "a b"},
		"markup":                  {origin, listed, names, "<script>"},
		"not ASCII":               {origin, listed, names, "trac\u00e9"},
		"a lone comma":            {origin, listed, names, ","},
	} {
		for name := range preflight("GET", headers...) {
			if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
				t.Errorf("%s: answered with %s", what, name)
			}
		}
	}
	if h := preflight("TRACE", origin, listed); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("TRACE: %v", h)
	}
}

func TestBodies(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		post := func(b string, headers ...string) answer { return ada.post("/organizations", b, headers...) }
		const good = `{"name":"x"}`
		post(good).is(201)
		post(good, "Content-Type", "application/json; charset=UTF-8").is(201)
		for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "", "x/y/z", "application/jsonx"} {
			post(good, "Content-Type", media).is(415, "unsupported_media_type")
		}
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		_, _ = w.Write([]byte(good))
		_ = w.Close()
		post(zipped.String(), "Content-Encoding", "gzip").is(415, "unsupported_media_type")
		fits := `{"name":"x"` + strings.Repeat(" ", 64<<10-12) + `}`
		post(fits).is(201)
		post(fits+" ").is(413, "body_too_large")
		post(strings.Repeat("[", 60_000)).is(400, "malformed_body")
		post(good, "Content-Type", "application/json", "content-type", "application/json").is(400, "malformed_header")
		if a := post(`{"name":`).is(400, "malformed_body"); !strings.Contains(a.str("detail"), "well-formed JSON") {
			t.Errorf("%s", a.body)
		}
		ada.post("/auth/logout", "").is(204) // an optional body that is not there
	})
}

func TestDocumentationPages(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	for _, path := range []string{"/docs", "/docs/", "/redoc", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js", "/redoc/redoc.standalone.js", "/redoc/start.js"} {
		a := s.do("GET", path, "", nil).is(200)
		csp := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") || strings.Contains(csp, "http") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %s", path, csp)
		}
		if a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s lacks nosniff", path)
		}
		if again := s.do("GET", path, "", nil, "If-None-Match", a.header.Get("ETag")); again.status != 304 {
			t.Errorf("%s: %d with its own ETag", path, again.status)
		}
		zipped := s.do("GET", path, "", nil, "Accept-Encoding", "gzip").is(200)
		if zipped.header.Get("Content-Encoding") == "gzip" {
			r, err := gzip.NewReader(bytes.NewReader(zipped.body))
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := io.ReadAll(r); err != nil || !bytes.Equal(plain, a.body) {
				t.Errorf("%s: the two encodings differ (%v)", path, err)
			}
		}
		if strings.HasSuffix(path, "s") && strings.Contains(string(a.body), "src=\"http") {
			t.Errorf("%s fetches from elsewhere", path)
		}
	}
	for _, path := range []string{"/docs/nothing.js", "/docs/../start.js", "/redoc/LICENSE", "/docs/%2e%2e/start.js"} {
		if a := s.do("GET", path, "", nil); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	off := start(t, platformtest.SQLiteURL(t), func(c *config.Config) { c.Debug = false })
	for _, path := range []string{"/docs", "/redoc", "/docs/start.js"} {
		off.do("GET", path, "", nil).is(404, "route_not_found")
	}
	off.do("GET", "/openapi.json", "", nil).is(200)
}

// TestTheLogHasTheClientsAddress checks that the log has the client's address according
// to TRUSTED_PROXIES, unless a setting omits it.
func TestTheLogHasTheClientsAddress(t *testing.T) {
	t.Parallel()
	url := platformtest.SQLiteURL(t)
	behind := start(t, url, func(c *config.Config) { c.TrustedProxies = []string{"10.0.0.1"} })
	for from, want := range map[string]string{"10.0.0.1:1": "203.0.113.7", "192.0.2.9:1": "192.0.2.9"} {
		behind.from(from, "GET", "/api/v1/auth/me", nil, "X-Forwarded-For", "203.0.113.7").is(401)
		if log := behind.log.String(); !strings.Contains(log, `"status":401,`) || !strings.Contains(log, `"client_address":"`+want+`"`) {
			t.Errorf("no %s:\n%s", want, log)
		}
	}
	silent := start(t, url, func(c *config.Config) { c.LogClientAddress = false })
	silent.person("Ada")
	if log := silent.log.String(); !strings.Contains(log, `"status":201,`) || strings.Contains(log, "client_address") || strings.Contains(log, "192.0.2.100") {
		t.Errorf("not silent:\n%s", log)
	}
}

func TestTheLogTellsWhatHappenedAndNoSecret(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		ada.patch("/users/"+ada.id+"/profile", body("bio", "a private thought")).is(200)
		ada.get("/users/" + ada.id + "?_=a-private-query").is(200)
		s.logIn(ada.email, "a wrong guess").is(401)
		s.refresh(ada.refresh).is(200)
		log := s.log.String()
		for _, secret := range []string{ada.email, ada.access, ada.refresh, password, "a wrong guess", "private", "argon2"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log has %q", secret)
			}
		}
		want := `"msg":"request","method":"PATCH","route":"/api/v1/users/:user_id/profile","status":200,"duration_ms":`
		i := strings.Index(log, want)
		if i < 0 {
			t.Fatalf("no line for the request:\n%s", log)
		}
		line, _, _ := strings.Cut(log[i:], "\n")
		for _, part := range []string{`"client_address":"192.0.2.100"`, `"request_id":"`, `"user_id":"` + ada.id + `"`, `"organization_id":"` + ada.organization + `"`} {
			if !strings.Contains(line, part) {
				t.Errorf("no %s in %s", part, line)
			}
		}
	})
}
