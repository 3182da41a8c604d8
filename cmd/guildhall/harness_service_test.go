package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/modules/auth"
	"guildhall/platform"
	"guildhall/platform/access"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/engine"
	"guildhall/platform/httpapi"
	hashing "guildhall/platform/password"
	"guildhall/platform/platformtest"
	"guildhall/platform/telemetry"
)

// everything is a context that sees the rows of all tenants, for a test's own queries.
var everything = database.ForAll(context.Background())

// service is the whole service, running on its own database.
type service struct {
	t          testing.TB
	kernel     *platform.Kernel
	app        *platform.App
	auth       *auth.Service
	log        *lockedBuffer
	address    string // of the client
	ctx        context.Context
	statements atomic.Int64
	texts      sync.Map     // of those statements
	skew       atomic.Int64 // how far the clock is ahead, in nanoseconds
}

// asInProduction starts a migrated service in this process, with production settings.
func asInProduction(t testing.TB, databaseURL string, log *slog.Logger, metrics bool, more ...string) *service {
	t.Helper()
	settings := append([]string{"ENABLE_REGISTRATION=true", "MIGRATE_ON_START=true"}, more...)
	cfg, err := config.Load(config.Options{Dir: t.TempDir(), Environ: inProduction(databaseURL, settings...)})
	if err != nil {
		t.Fatal(err)
	}
	measure, err := telemetry.Start(t.Context(), telemetry.Options{Metrics: metrics, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, ctx: context.Background(), address: "192.0.2.100:1234"}
	g, err := open(t.Context(), cfg, log, platform.Options{
		Create:      true,
		Telemetry:   measure,
		Now:         func() time.Time { return platform.Now().Add(time.Duration(s.skew.Load())) },
		OnStatement: func(context.Context, string) { s.statements.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.kernel, s.app, s.auth = g.Kernel, g.app, g.auth
	t.Cleanup(func() { _ = s.kernel.DB.Close(); _ = measure.Close() })
	if err := s.app.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.kernel.Keyset.Prepare(everything); err != nil { // as Run does
		t.Fatal(err)
	}
	return s
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// each runs a test against the whole service on both databases.
func each(t *testing.T, test func(t *testing.T, s *service), change ...func(*config.Config)) {
	t.Helper()
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		test(t, start(t, databaseURL, change...))
	})
}

// cheap are parameters with which the suite's thousands of passwords cost little. Those of a
// server took a third of its time.
var cheap = hashing.Parameters{Memory: 64, Passes: 1, Lanes: 1}

// costly makes passwords cost what they do on a server.
func costly(c *config.Config) { c.PasswordHashParameters = hashing.Default }

func start(t testing.TB, databaseURL string, change ...func(*config.Config)) *service {
	t.Helper()
	return startOn(t, "", databaseURL, change...)
}

// startOn starts a service that treats PostgreSQL as another engine.
func startOn(t testing.TB, e engine.Engine, databaseURL string, change ...func(*config.Config)) *service {
	t.Helper()
	cfg := &config.Config{
		Environment: "development", Debug: true,
		DatabaseURL: databaseurl.Must(databaseURL), DatabaseMaxConnections: 10, MigrateOnStart: true,
		JWTSecretKey:        "an-access-key-for-tests-of-32-bytes-or-more",
		JWTRefreshSecretKey: "a-refresh-key-for-tests-of-32-bytes-or-more",
		JWTIssuer:           "guildhall", JWTAudience: "guildhall",
		AccessTokenTTL: 30 * time.Minute, RefreshTokenTTL: 7 * 24 * time.Hour,
		RefreshRotation: true, RefreshGrace: 10 * time.Second,
		SessionRetention: 30 * 24 * time.Hour, IdempotencyRetention: 24 * time.Hour,
		LogClientAddress: true,
		StepUpMaxAge:     10 * time.Minute, FactorRecoveryDelay: 24 * time.Hour, ErasureDelay: 14 * 24 * time.Hour,
		RevocationPoll: 100 * time.Millisecond,
		APIKeyPrefix:   "guildhall", APIKeyLongest: 365 * 24 * time.Hour,
		PasswordHashParameters: cheap,
		EnableRegistration:     true, PasswordHashQueue: 1000, DrainTimeout: 5 * time.Second,
		CORSOrigins: []string{"https://app.example.com"},
	}
	for _, c := range change {
		c(cfg)
	}
	if pgBouncerEverywhere() && cfg.DatabasePoolMode == "" && strings.HasPrefix(databaseURL, "postgres") {
		throughPgBouncer(t, cfg)
	}
	if rowSecurityEverywhere() && !cfg.DatabaseRowSecurity && strings.HasPrefix(databaseURL, "postgres") {
		underRowSecurity(t, cfg)
	}
	s := &service{t: t, log: &lockedBuffer{}, ctx: context.Background(), address: "192.0.2.100:1234"}
	log := slog.New(slog.NewJSONHandler(s.log, nil))
	g, err := open(context.Background(), cfg, log, platform.Options{
		Create: true,
		Engine: e,
		Now:    func() time.Time { return platform.Now().Add(time.Duration(s.skew.Load())) },
		OnStatement: func(_ context.Context, sql string) {
			s.statements.Add(1)
			s.texts.Store(sql, true)
		},
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	s.kernel, s.app, s.auth = g.Kernel, g.app, g.auth
	t.Cleanup(func() { _ = s.kernel.DB.Close() })
	if err := s.app.Prepare(context.Background()); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	if err := s.kernel.Keyset.Prepare(everything); err != nil { // as Run does
		t.Fatalf("make the signing key: %v", err)
	}
	return s
}

// later advances the service's clock.
func (s *service) later(d time.Duration) { s.skew.Add(int64(d)) }

// answer is the response that a client received.
type answer struct {
	t       testing.TB
	request string
	oauth   bool // the request of an OAuth client, whose errors follow RFC 6749
	status  int
	header  http.Header
	body    []byte
}

// from is do without a token, from another client's address.
func (s *service) from(address, method, path string, body any, headers ...string) answer {
	s.t.Helper()
	elsewhere := &service{t: s.t, kernel: s.kernel, app: s.app, ctx: s.ctx, address: address}
	return elsewhere.do(method, path, "", body, headers...)
}

func (s *service) do(method, path, token string, body any, headers ...string) answer {
	s.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = bytes.NewReader(encoded)
	}
	r := httptest.NewRequest(method, path, reader).WithContext(s.ctx)
	r.RemoteAddr = s.address
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Del(headers[i])
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1]) // a name that is given twice is sent twice
	}
	w := httptest.NewRecorder()
	s.app.API().ServeHTTP(w, r)
	a := answer{t: s.t, request: method + " " + path, oauth: byOAuthClient(r), status: w.Code, header: w.Header(), body: w.Body.Bytes()}
	a.checkContract()
	checkDocumented(s.t, s.app, method, path, a)
	return a
}

// checkContract asserts the rules that hold for every answer.
func (a answer) checkContract() {
	a.t.Helper()
	if a.header.Get("X-Request-ID") == "" {
		a.t.Errorf("%s: no X-Request-ID", a.request)
	}
	if a.status >= 500 && a.status != http.StatusServiceUnavailable {
		a.t.Errorf("%s: %d %s", a.request, a.status, a.body)
	}
	if a.status < 400 {
		return
	}
	want := "application/problem+json"
	if a.oauth {
		want = "application/json"
	}
	if got := a.header.Get("Content-Type"); got != want {
		a.t.Errorf("%s: %d with Content-Type %q", a.request, a.status, got)
	}
	var p struct {
		Type, Title, Detail, Code string
		Error                     string
		Description               string `json:"error_description"`
		Status                    int
		RequestID                 string `json:"request_id"`
	}
	if err := json.Unmarshal(a.body, &p); err != nil || p.Status != a.status || p.Code == "" || p.Detail == "" || p.RequestID == "" {
		a.t.Errorf("%s: no proper problem: %s", a.request, a.body)
	}
	if (p.Error != "") != a.oauth || a.oauth && !oauthText.MatchString(p.Description) {
		a.t.Errorf("%s: OAuth's error %q, %q", a.request, p.Error, p.Description)
	}
	scheme := "Bearer "
	if p.Code == "invalid_client" { // RFC 6749 §5.2
		scheme = "Basic "
	}
	if a.status == http.StatusUnauthorized && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), scheme) {
		a.t.Errorf("%s: 401 without a challenge", a.request)
	}
}

// oauthText matches the characters that RFC 6749 §5.2 allows in an error_description.
var oauthText = regexp.MustCompile(`^[\x20\x21\x23-\x5b\x5d-\x7e]+$`)

// endpoint returns the path of a route that is named as below the base path, unless it is at
// the root.
func endpoint(path string) string {
	if strings.HasPrefix(path, "/oauth/") || strings.HasPrefix(path, "/forward-auth") {
		return path
	}
	return httpapi.BasePath + path
}

// byOAuthClient reports whether a request is to an endpoint of OAuth, or a form to one of the
// two routes that accept one.
func byOAuthClient(r *http.Request) bool {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	path := strings.TrimSuffix(r.URL.EscapedPath(), "/")
	if strings.HasPrefix(path, "/oauth/") {
		return r.Method == http.MethodPost
	}
	return r.Method == http.MethodPost && slices.Contains([]string{"/api/v1/auth/token", "/api/v1/auth/refresh", "/api/v1/auth/providers/apple/callback"}, path) &&
		strings.EqualFold(strings.TrimSpace(media), form)
}

// is asserts the status and, for problems, the code.
func (a answer) is(status int, code ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: got %d, want %d: %s", a.request, a.status, status, a.body)
	}
	if len(code) == 1 && a.code() != code[0] {
		a.t.Fatalf("%s: got code %q, want %q: %s", a.request, a.code(), code[0], a.body)
	}
	return a
}

// isInvalid asserts that values are refused, with the status that the route has for it.
func (a answer) isInvalid() answer {
	a.t.Helper()
	switch {
	case strings.Contains(a.request, " /oauth/"):
		return a.is(400, "validation_failed")
	case strings.Contains(a.request, " /forward-auth"):
		return a.is(403, "validation_failed")
	default:
		return a.is(422, "validation_failed")
	}
}

// oneWins makes n concurrent requests, and asserts that one gets the first status and all
// others the second.
func oneWins(t testing.TB, n, won, lost int, ask func(i int) answer) {
	t.Helper()
	statuses := make([]int, n)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() { statuses[i] = ask(i).status })
	}
	wg.Wait()
	slices.Sort(statuses)
	want := slices.Repeat([]int{lost}, n)
	want[0] = won // statuses of success are lower
	if !slices.Equal(statuses, want) {
		t.Errorf("answered %v, want one %d among %d", statuses, won, lost)
	}
}

func (a answer) code() string {
	code, _ := a.object()["code"].(string)
	return code
}

func (a answer) object() map[string]any {
	var m map[string]any
	_ = json.Unmarshal(a.body, &m)
	return m
}

func (a answer) list() []map[string]any {
	a.t.Helper()
	var l []map[string]any
	if err := json.Unmarshal(a.body, &l); err != nil {
		a.t.Fatalf("%s: no list: %s", a.request, a.body)
	}
	return l
}

// value reads a member by its path: "organization.name", "factors.0.name".
func (a answer) value(path string) any {
	var v any = a.object()
	for _, name := range strings.Split(path, ".") {
		if i, err := strconv.Atoi(name); err == nil {
			list, _ := v.([]any)
			if i >= len(list) {
				return nil
			}
			v = list[i]
			continue
		}
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// str is value for a text.
func (a answer) str(path string) string {
	v := a.value(path)
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// actor is a user who is logged in.
type actor struct {
	s                          *service
	id, email, access, refresh string
	organization               string // created at registration
}

const password = "tr0ub4dor & 3 horses"

var people atomic.Int64

// person registers a user.
func (s *service) person(name string) *actor {
	s.t.Helper()
	email := fmt.Sprintf("%s.%d@example.com", strings.ToLower(name), people.Add(1))
	a := s.do("POST", "/api/v1/auth/register", "", map[string]any{"email": email, "password": password, "name": name}).is(201)
	return s.actorOf(a)
}

func (s *service) actorOf(a answer) *actor {
	return &actor{
		s: s, id: a.str("user_id"), email: a.str("email"), organization: a.str("organization_id"),
		access: a.str("access_token"), refresh: a.str("refresh_token"),
	}
}

// operator registers a user and makes them a platform administrator.
func (s *service) operator(name string) *actor {
	s.t.Helper()
	a := s.person(name)
	if err := access.NewPlatformAdmins(s.kernel.DB, s.kernel.Trail, s.kernel.Now).Grant(everything, uuid.MustParse(a.id)); err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (a *actor) get(path string, headers ...string) answer {
	a.s.t.Helper()
	return a.s.do("GET", "/api/v1"+path, a.access, nil, headers...)
}

func (a *actor) post(path string, body any, headers ...string) answer {
	a.s.t.Helper()
	return a.s.do("POST", "/api/v1"+path, a.access, body, headers...)
}

func (a *actor) patch(path string, body any, headers ...string) answer {
	a.s.t.Helper()
	return a.s.do("PATCH", "/api/v1"+path, a.access, body, headers...)
}

func (a *actor) delete(path string, headers ...string) answer {
	a.s.t.Helper()
	return a.s.do("DELETE", "/api/v1"+path, a.access, nil, headers...)
}

// org is the path of the organization made at registration.
func (a *actor) org(rest string) string { return "/organizations/" + a.organization + rest }

// in makes the organization the active one of the actor's requests.
func (a *actor) in(owner *actor) *actor {
	a.s.t.Helper()
	t := a.post("/auth/switch-organization", map[string]any{"organization_id": owner.organization}).is(200)
	b := *a
	b.access, b.refresh = t.str("access_token"), t.str("refresh_token")
	return &b
}

// joins adds the person to the owner's organization, as an admin if asked.
func (a *actor) joins(owner *actor, admin bool) *actor {
	a.s.t.Helper()
	owner.post(owner.org("/members"), map[string]any{"user_id": a.id}).is(201)
	if admin {
		owner.post(owner.org("/admins"), map[string]any{"user_id": a.id}).is(201)
	}
	return a.in(owner)
}
