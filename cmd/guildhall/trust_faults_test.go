package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/platformtest"
)

// tally counts the answers that clients got during a fault. The correct refusal is 503,
// with a code that says why and with Retry-After.
type tally struct {
	fine, refused, wrong atomic.Int64
	mu                   sync.Mutex
	examples             []string
}

func (c *tally) note(a answer) {
	switch {
	case a.status == 200:
		c.fine.Add(1)
	case a.status == 503 && (a.code() == "storage_unavailable" || a.code() == "timeout") && a.header.Get("Retry-After") != "":
		c.refused.Add(1)
	default:
		c.wrong.Add(1)
		c.mu.Lock()
		if len(c.examples) < 5 {
			c.examples = append(c.examples, fmt.Sprintf("%s: %d %s", a.request, a.status, a.body))
		}
		c.mu.Unlock()
	}
}

func (c *tally) report(t testing.TB, what, database, remarks string, args ...any) {
	t.Helper()
	for _, e := range c.examples {
		t.Errorf("%s: %s", what, e)
	}
	total := c.fine.Load() + c.refused.Load() + c.wrong.Load()
	recordResult(t, what, database, int(total), int(c.wrong.Load()), 0, "%d requests refused with 503; %s", c.refused.Load(), fmt.Sprintf(remarks, args...))
}

// client is a user who reads and writes.
type client struct{ id, access string }

func (p *process) client(email string) client {
	p.t.Helper()
	a := p.do("POST", "/api/v1/auth/register", "", body("email", email, "password", password, "name", "C")).is(201)
	return client{a.str("user_id"), a.str("access_token")}
}

func (c client) read(p *process) answer { return p.try("GET", "/api/v1/auth/me", c.access, nil) }

func (c client) write(p *process) answer {
	return p.try("PATCH", "/api/v1/users/"+c.id+"/profile", c.access, body("bio", "b"))
}

// underLoad runs eight connections while something happens.
func (c client) underLoad(p *process, during func()) *tally {
	var counts tally
	var stop atomic.Bool
	var busy sync.WaitGroup
	for i := range 8 {
		busy.Go(func() {
			for n := i; !stop.Load(); n++ {
				if n%2 == 0 {
					counts.note(c.read(p))
				} else {
					counts.note(c.write(p))
				}
			}
		})
	}
	during()
	stop.Store(true)
	busy.Wait()
	return &counts
}

// TestTrustDryPool runs sixty-four clients on two connections, and locks a table from
// another session.
func TestTrustDryPool(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.PostgresURL(t), func(c *config.Config) { c.DatabaseMaxConnections = 2 })
	ada := s.person("Ada")
	var counts tally
	var busy sync.WaitGroup
	for range 64 {
		busy.Go(func() {
			for range 5 {
				counts.note(ada.get("/auth/me"))
				counts.note(ada.patch("/users/"+ada.id+"/profile", body("bio", "b")))
			}
		})
	}
	busy.Wait()
	// A busy machine may refuse some when their time is up, and must not refuse most.
	if counts.refused.Load() > counts.fine.Load()/10 {
		t.Errorf("%d were refused", counts.refused.Load())
	}
	ada.get("/auth/me").is(200)
	counts.report(t, "64 clients on a pool of two connections", "postgres", "none waits for ever")

	var locked tally
	err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
		if err := s.kernel.DB.Conn(ctx).Exec("LOCK TABLE sessions").Error; err != nil {
			return err
		}
		hurried, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		impatient := &service{t: t, kernel: s.kernel, app: s.app, ctx: hurried, address: s.address}
		for range 16 {
			busy.Go(func() { locked.note(impatient.do("GET", "/api/v1/auth/me", ada.access, nil)) })
		}
		busy.Wait()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if locked.fine.Load() > 0 {
		t.Errorf("%d were answered despite the lock", locked.fine.Load())
	}
	ada.get("/auth/me").is(200)
	locked.report(t, "16 clients before a locked table", "postgres", "each when its time was up; the next is fine")
}

// TestTrustStalledClients opens sockets that send a byte now and then: they must not
// delay other clients, and must be closed.
func TestTrustStalledClients(t *testing.T) {
	t.Parallel()
	p := serveProcess(t, t.TempDir(), inProduction(platformtest.SQLiteURL(t), crashEnvironment...)...)
	c := p.client("c@example.com")
	before := p.descriptors()
	n, cut := size(50, 1000), atomic.Int64{}
	host := strings.TrimPrefix(p.base, "http://")
	var sockets sync.WaitGroup
	began := time.Now()
	done := make(chan struct{})
	for i := range n {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		opening := "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 0 {
			opening = "POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
		}
		sockets.Go(func() {
			defer conn.Close()
			_, err := conn.Write([]byte(opening))
			for err == nil {
				select {
				case <-done:
					return
				case <-time.After(200 * time.Millisecond):
				}
				_, err = conn.Write([]byte("x"))
			}
			cut.Add(1)
		})
	}
	var counts tally
	slowest := time.Duration(0)
	for range 50 {
		at := time.Now()
		counts.note(c.read(p))
		slowest = max(slowest, time.Since(at))
	}
	if trustLong() {
		for cut.Load() < int64(n) && time.Since(began) < 60*time.Second {
			time.Sleep(50 * time.Millisecond)
		}
		if cut.Load() < int64(n) {
			t.Errorf("%d of %d sockets are still open after %s", int64(n)-cut.Load(), n, time.Since(began))
		}
	}
	took := time.Since(began)
	close(done)
	sockets.Wait()
	http.DefaultClient.CloseIdleConnections()
	for deadline := time.Now().Add(10 * time.Second); p.descriptors() > before+4 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	if after := p.descriptors(); after > before+4 {
		t.Errorf("%d file descriptors became %d", before, after)
	}
	counts.report(t, "requests beside stalled sockets", "sqlite", "%d sockets, %d cut off within %d s; slowest request beside them %d ms",
		n, cut.Load(), int(took.Seconds()), slowest.Milliseconds())
}

// TestTrustRollingRestart restarts two replicas behind a proxy, one after the other,
// under load. No request is lost.
func TestTrustRollingRestart(t *testing.T) {
	t.Parallel()
	databaseURL := platformtest.PostgresURL(t)
	dir := t.TempDir()
	environ := append(inProduction(databaseURL, crashEnvironment...), "DRAIN_DELAY_SECONDS=1")
	replicas := []*process{serveProcess(t, dir, environ...), serveProcess(t, dir, environ...)}
	b, proxy := balance(t, replicas)
	c := proxy.client("c@example.com")
	counts := c.underLoad(proxy, func() {
		for range size(1, 5) {
			for i := range replicas {
				replicas[i].stop()
				replicas[i] = serveProcess(t, dir, environ...)
				b.use(i, replicas[i].base)
				b.awaitHealthy(i)
			}
		}
	})
	if counts.refused.Load() > 0 {
		t.Errorf("%d requests were refused", counts.refused.Load())
	}
	counts.report(t, "rolling restart of two replicas", "postgres", "%d restarts", 2*size(1, 5))
}

// balancer is a proxy that checks /readyz and sends requests to ready replicas, as nginx
// or Caddy would.
type balancer struct {
	backends []atomic.Pointer[backend]
	next     atomic.Int64
}

type backend struct {
	base    string
	proxy   *httputil.ReverseProxy
	healthy atomic.Bool
}

// balance starts a balancer for the replicas.
func balance(t testing.TB, replicas []*process) (*balancer, *process) {
	t.Helper()
	b := &balancer{backends: make([]atomic.Pointer[backend], len(replicas))}
	for i, p := range replicas {
		b.use(i, p.base)
	}
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go b.watch(stop)
	front := &http.Server{Handler: b, ReadHeaderTimeout: time.Second}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = front.Serve(listener) }()
	t.Cleanup(func() { _ = front.Close() })
	return b, &process{t: t, base: "http://" + listener.Addr().String(), out: &lockedBuffer{}}
}

func (b *balancer) use(i int, base string) {
	target, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	b.backends[i].Store(&backend{base: base, proxy: httputil.NewSingleHostReverseProxy(target)})
}

func (b *balancer) watch(stop chan struct{}) {
	probe := &http.Client{Timeout: time.Second}
	for {
		select {
		case <-stop:
			return
		case <-time.After(50 * time.Millisecond):
		}
		for i := range b.backends {
			at := b.backends[i].Load()
			resp, err := probe.Get(at.base + "/readyz")
			if err == nil {
				_ = resp.Body.Close()
			}
			at.healthy.Store(err == nil && resp.StatusCode == 200)
		}
	}
}

func (b *balancer) awaitHealthy(i int) {
	for !b.backends[i].Load().healthy.Load() {
		time.Sleep(10 * time.Millisecond)
	}
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for {
		at := b.backends[int(b.next.Add(1))%len(b.backends)].Load()
		if at.healthy.Load() {
			at.proxy.ServeHTTP(w, r)
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Millisecond):
		}
	}
}
