package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/platformtest"
)

// creation creates an organization once, with an idempotency key.
func (c client) creation(p *process, name, key string) answer {
	r, err := http.NewRequest("POST", p.base+"/api/v1/organizations", strings.NewReader(fmt.Sprintf(`{"name":%q}`, name)))
	if err != nil {
		p.t.Error(err)
		return answer{t: p.t}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.access)
	r.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{t: p.t}
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{t: p.t}
	}
	return answer{t: p.t, request: "POST /api/v1/organizations", status: resp.StatusCode, header: resp.Header, body: content}
}

// TestTrustFailover kills the primary while two processes write, and promotes its
// synchronous standby. Both processes must find it by their URL. Every acknowledged
// creation must exist, and none twice.
func TestTrustFailover(t *testing.T) {
	t.Parallel()
	primary := platformtest.NewServer(t, "", "max_wal_senders=4")
	standby := primary.Standby()
	primary.Exec("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
	primary.Exec("postgres", "SELECT pg_reload_conf()")
	servers := fmt.Sprintf("postgres://guildhall@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=2", primary.Address(), standby.Address())
	var processes [2]*process
	for i := range processes {
		processes[i] = serveProcess(t, t.TempDir(), inProduction(servers, append(crashEnvironment, "DATABASE_REPLICA_URLS="+standby.URL("postgres"))...)...)
	}
	c := processes[0].client("c@example.com")
	var made, refused atomic.Int64
	var stop atomic.Bool
	var acknowledged, wrong sync.Map
	var busy sync.WaitGroup
	for i := range 6 {
		busy.Go(func() {
			p := processes[i%2]
			for n := 0; !stop.Load(); n++ {
				name, key := fmt.Sprintf("%d-%d", i, n), uuid.NewString()
				a := c.creation(p, name, key)
				for ; a.status == 503; a = c.creation(p, name, key) {
					refused.Add(1)
					time.Sleep(20 * time.Millisecond)
				}
				switch {
				case a.status == 201:
					made.Add(1)
					acknowledged.Store(name, true)
				case a.code() == "request_in_progress": // the interrupted request still has the lease of the key
				default:
					wrong.Store(fmt.Sprintf("%d %s", a.status, a.body), true)
				}
			}
		})
	}
	for made.Load() < 50 {
		time.Sleep(10 * time.Millisecond)
	}
	primary.Kill()
	for refused.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	processes[0].do("GET", "/livez", "", nil).is(200)
	processes[0].do("GET", "/readyz", "", nil).is(503, "not_ready")
	standby.Promote()
	before := made.Load()
	took := max(c.untilHealthy(processes[0]), c.untilHealthy(processes[1]))
	for made.Load() < before+50 {
		time.Sleep(10 * time.Millisecond)
	}
	stop.Store(true)
	busy.Wait()
	failures := 0
	wrong.Range(func(text, _ any) bool { failures++; t.Error(text); return true })
	times := map[string]int{}
	for _, o := range c.organizations(t, processes[1]) {
		times[o]++
	}
	for name, n := range times {
		if n > 1 {
			failures++
			t.Errorf("%s exists %d times", name, n)
		}
	}
	acknowledged.Range(func(name, _ any) bool {
		if times[name.(string)] == 0 {
			failures++
			t.Errorf("%s was acknowledged and is lost", name)
		}
		return true
	})
	recordResult(t, "failover to a synchronous standby", "postgres", int(made.Load()), failures, 0,
		"%d requests refused and asked again; healthy %d ms after pg_ctl promote", refused.Load(), took.Milliseconds())
}

// organizations returns the names of all the client's organizations, page by page.
func (c client) organizations(t testing.TB, p *process) (names []string) {
	t.Helper()
	for offset := 0; ; offset += 1000 {
		a := p.do("GET", fmt.Sprintf("/api/v1/organizations?limit=1000&offset=%d", offset), c.access, nil).is(200)
		var page []struct{ Name string }
		if err := json.Unmarshal(a.body, &page); err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			names = append(names, o.Name)
		}
		if len(page) < 1000 {
			return names
		}
	}
}
