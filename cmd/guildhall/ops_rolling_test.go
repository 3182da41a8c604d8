package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/platformtest"
)

// haproxy is the real HAProxy in front of some replicas. It checks /readyz of each, and
// does not repeat requests.
type haproxy struct {
	t    *testing.T
	base string
	n    int
}

const haproxySettings = `
defaults
	mode http
	retries 0
	timeout connect 5s
	timeout client 30s
	timeout server 30s
	timeout check 10s
frontend front
	bind %s
	http-request return status 200 content-type text/plain lf-string "%%[nbsrv(replicas)]" if { path /in-service }
	default_backend replicas
backend replicas
	balance roundrobin
	http-reuse always
	option httpchk GET /readyz
	http-check expect status 200
	default-server inter 100ms fall 1 rise 1
`

func newHAProxy(t *testing.T, replicas []string) *haproxy {
	t.Helper()
	program := platformtest.Program(t, "haproxy", "/usr/sbin/haproxy")
	address := freeAddress(t)
	settings := fmt.Sprintf(haproxySettings, address)
	for i, replica := range replicas {
		settings += fmt.Sprintf("\tserver replica%d %s check\n", i, replica)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &lockedBuffer{}
	cmd := exec.Command(program, "-db", "-f", file)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("HAProxy said:\n%s", out)
		}
	})
	return &haproxy{t: t, base: "http://" + address, n: len(replicas)}
}

// awaitAll waits until every replica is in service.
func (h *haproxy) awaitAll() {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if resp, err := http.Get(h.base + "/in-service"); err == nil {
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(text) == fmt.Sprint(h.n) {
				return
			}
		}
		if time.Now().After(deadline) {
			h.t.Fatal("HAProxy does not find all replicas ready")
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestTrustRollingRestartBehindHAProxy restarts three replicas one after the other, while
// clients read and create. No request fails, and each creation is executed once.
func TestTrustRollingRestartBehindHAProxy(t *testing.T) {
	t.Parallel()
	databaseURL, dir := platformtest.PostgresURL(t), t.TempDir()
	addresses := []string{freeAddress(t), freeAddress(t), freeAddress(t)}
	replicas := make([]*process, len(addresses))
	serve := func(i int) {
		t.Helper()
		_, port, _ := net.SplitHostPort(addresses[i])
		replicas[i] = serveProcess(t, dir, append(inProduction(databaseURL, crashEnvironment...), "PORT="+port, "DRAIN_DELAY_SECONDS=1")...)
	}
	for i := range replicas {
		serve(i)
	}
	proxy := newHAProxy(t, addresses)
	proxy.awaitAll()
	front := &process{t: t, base: proxy.base, out: &lockedBuffer{}}
	c := front.client("c@example.com")
	var counts tally
	var created atomic.Int64
	var stop atomic.Bool
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			for !stop.Load() {
				counts.note(c.read(front))
				a := front.try("POST", "/api/v1/organizations", c.access, body("name", "x"))
				if a.status == 201 {
					created.Add(1)
					a.status = 200
				}
				counts.note(a)
			}
		})
	}
	for range size(1, 5) {
		for i := range replicas {
			replicas[i].stop()
			serve(i)
			proxy.awaitAll()
		}
	}
	stop.Store(true)
	busy.Wait()
	if counts.refused.Load() > 0 {
		t.Errorf("%d requests were refused", counts.refused.Load())
	}
	mine := front.do("GET", "/api/v1/organizations?limit=1&count=true", c.access, nil).is(200)
	if want := fmt.Sprint(created.Load() + 1); mine.header.Get("X-Total-Count") != want {
		t.Errorf("%s organizations are there, %s were made", mine.header.Get("X-Total-Count"), want)
	}
	counts.report(t, "rolling restart of three replicas behind HAProxy", "postgres", "%d restarts, %d creations", 3*size(1, 5), created.Load())
}
