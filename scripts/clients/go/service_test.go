package guildhall

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const password = "correct horse battery"

// service is a process of the real one. Tests that need it are skipped without
// GUILDHALL_BINARY.
type service struct {
	t           testing.TB
	dir, url    string
	environment []string
	process     *exec.Cmd
}

// serve makes a database and starts the service on it.
func serve(t testing.TB, environment ...string) *service {
	t.Helper()
	s := &service{t: t, dir: t.TempDir(), environment: append([]string{"RATE_LIMIT_ENABLED=false", "LOG_LEVEL=warn"}, environment...)}
	s.run("", "migrate", "up")
	s.run(password+"\n", "admin", "create", "root@example.com")
	s.start("0")
	return s
}

// replica starts another process on the same database.
func (s *service) replica() *service {
	r := &service{t: s.t, dir: s.dir, environment: s.environment}
	r.start("0")
	return r
}

// run runs a command.
func (s *service) run(input string, args ...string) {
	s.t.Helper()
	cmd := s.command(args...)
	cmd.Stdin = strings.NewReader(input)
	if output, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, output)
	}
}

func (s *service) command(args ...string) *exec.Cmd {
	binary := os.Getenv("GUILDHALL_BINARY")
	if binary == "" {
		s.t.Skip("GUILDHALL_BINARY is not set")
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.environment...)
	return cmd
}

var listening = regexp.MustCompile(`Guildhall listens on http://localhost:(\d+)`)

func (s *service) start(port string) {
	s.t.Helper()
	s.environment = append(s.environment, "PORT="+port)
	s.process = s.command()
	log := new(output)
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.stop)
	eventually(s.t, func() bool {
		found := listening.FindStringSubmatch(log.String())
		if found == nil {
			return false
		}
		s.url = "http://127.0.0.1:" + found[1]
		r, err := http.Get(s.url + "/readyz")
		if err == nil {
			r.Body.Close()
		}
		return err == nil && r.StatusCode == 200
	})
}

// stop kills the process. It may be started again at the same port.
func (s *service) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

func (s *service) restart() {
	s.stop()
	_, port, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), ":")
	s.start(port)
}

// output is what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

type object = map[string]any

// call sends a request, which must succeed.
func (s *service) call(method, path, token string, body any) object {
	s.t.Helper()
	status, answer := s.try(method, path, token, body)
	if status >= 300 {
		s.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

func (s *service) try(method, path, token string, body any) (status int, answer object) {
	s.t.Helper()
	content := "application/json"
	var text []byte
	switch b := body.(type) {
	case url.Values:
		text, content = []byte(b.Encode()), "application/x-www-form-urlencoded"
	case nil:
	default:
		text, _ = json.Marshal(b)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	if text != nil {
		r.Header.Set("Content-Type", content)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answered, _ := io.ReadAll(response.Body)
	_ = json.Unmarshal(answered, &answer)
	return response.StatusCode, answer
}

// person is somebody who is logged in, and has an organization.
type person struct {
	s                                    *service
	id, email, access, refresh, org, sid string
}

func (s *service) person(name string) *person {
	s.t.Helper()
	return s.personOf(s.call("POST", "/api/v1/auth/register", "", object{"email": name + "@example.com", "password": password, "name": name}))
}

func (s *service) logIn(email string) *person {
	s.t.Helper()
	return s.personOf(s.call("POST", "/api/v1/auth/token", "", object{"username": email, "password": password}))
}

func (s *service) personOf(answer object) *person {
	text := func(name string) string { v, _ := answer[name].(string); return v }
	return &person{s, text("user_id"), text("email"), text("access_token"), text("refresh_token"), text("organization_id"), ""}
}

func (p *person) call(method, path string, body any) object {
	p.s.t.Helper()
	return p.s.call(method, "/api/v1"+path, p.access, body)
}

// joins makes somebody a member of a person's organization, and logs them in there.
func (p *person) joins(owner *person) *person {
	p.s.t.Helper()
	owner.call("POST", "/organizations/"+owner.org+"/members", object{"user_id": p.id})
	return p.in(owner.org)
}

// in returns a person's session in an organization.
func (p *person) in(org string) *person {
	p.s.t.Helper()
	q := p.s.personOf(p.call("POST", "/auth/refresh", object{"refresh_token": p.refresh, "organization_id": org}))
	q.email = p.email
	return q
}

// registered is an API that Guildhall knows.
type registered struct {
	s             *service
	id, name, key string
}

// api registers an API with scopes of members and of admins, whose tokens have roles.
func (s *service) api(identifier string) *registered {
	s.t.Helper()
	root := s.logIn("root@example.com")
	made := root.call("POST", "/apis", object{"identifier": identifier, "name": "Notes", "claims": "role", "scopes": []object{
		{"name": "notes:read", "least_role": "member"}, {"name": "notes:write", "least_role": "admin"},
	}})
	key := root.call("POST", "/apis/"+made["id"].(string)+"/keys", object{"name": "Tests"})
	return &registered{s, made["id"].(string), identifier, key["key"].(string)}
}

// token returns a person's token for an API.
func (p *person) token(api *registered) string {
	p.s.t.Helper()
	return p.call("POST", "/auth/api-token", object{"resource": api.name})["access_token"].(string)
}

// verifier returns one that knows the feed.
func (api *registered) verifier(t testing.TB, at string, staleness time.Duration) *Verifier {
	t.Helper()
	v, err := New(t.Context(), Options{URL: at, Audience: api.name, Key: api.key, MaxStaleness: staleness})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, v.Fresh)
	return v
}

// faulty is a proxy in front of the service, whose answers it can spoil by their path.
type faulty struct {
	*httptest.Server
	mu     sync.Mutex
	spoilt map[string]http.HandlerFunc
	last   map[string]string // the last answers by path
}

func proxy(t testing.TB, to string) *faulty {
	target, _ := url.Parse(to)
	through := httputil.NewSingleHostReverseProxy(target)
	f := &faulty{spoilt: map[string]http.HandlerFunc{}, last: map[string]string{}}
	through.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.mu.Lock()
		defer f.mu.Unlock()
		f.last[r.Request.URL.Path] = string(body)
		return err
	}
	through.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		h := f.spoilt[r.URL.Path]
		f.mu.Unlock()
		if h == nil {
			h = through.ServeHTTP
		}
		h(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// spoil makes answers to a path others; nil mends it.
func (f *faulty) spoil(path string, h http.HandlerFunc) {
	f.mu.Lock()
	f.spoilt[path] = h
	f.mu.Unlock()
	f.CloseClientConnections()
}

// replay answers as the service did last.
func (f *faulty) replay(path string) http.HandlerFunc {
	f.mu.Lock()
	defer f.mu.Unlock()
	body := f.last[path]
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}
