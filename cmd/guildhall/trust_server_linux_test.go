package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guildhall/platform/platformtest"
)

// untilHealthy returns how long it takes until twenty reads and writes in a row succeed,
// without intervention.
func (c client) untilHealthy(p *process) time.Duration {
	p.t.Helper()
	began := time.Now()
	for good := 0; good < 20; good++ {
		if c.read(p).status != 200 || c.write(p).status != 200 {
			good = 0
			time.Sleep(5 * time.Millisecond)
		}
		if time.Since(began) > 30*time.Second {
			p.t.Fatalf("it does not recover:\n%s", p.out)
		}
	}
	took := time.Since(began)
	for p.try("GET", "/readyz", "", nil).status != 200 { // once a second it checks for free space
		if time.Since(began) > 30*time.Second {
			p.t.Fatalf("it is not ready again:\n%s", p.out)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return took
}

// TestTrustPostgresKilled kills every process of PostgreSQL. guildhall must keep running.
func TestTrustPostgresKilled(t *testing.T) {
	t.Parallel()
	server := platformtest.NewServer(t, "")
	p := serveProcess(t, t.TempDir(), inProduction(server.URL("postgres"), crashEnvironment...)...)
	crashRepeatedly(t, "kill -9 of PostgreSQL", server.URL("postgres"), size(2, 30), p, func() *process {
		server.Kill()
		server.Start()
		return p
	})
}

// TestTrustPostgresFails stops the server, kills it, makes it read-only, and replaces it
// by a standby. guildhall must keep running.
func TestTrustPostgresFails(t *testing.T) {
	t.Parallel()
	server := platformtest.NewServer(t, "", "max_wal_senders=4")
	standby := server.Standby()
	both := fmt.Sprintf("postgres://guildhall@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=2", server.Address(), standby.Address())
	p := serveProcess(t, t.TempDir(), inProduction(both, crashEnvironment...)...)
	c := p.client("c@example.com")
	away := func() {
		p.do("GET", "/livez", "", nil).is(200)
		p.do("GET", "/readyz", "", nil).is(503, "not_ready")
		if a := c.read(p); a.status != 503 || a.code() != "storage_unavailable" {
			t.Errorf("while it is down: %d %s", a.status, a.body)
		}
	}
	var took time.Duration
	c.underLoad(p, func() {
		time.Sleep(100 * time.Millisecond)
		server.Stop()
		away()
		server.Start()
		took = c.untilHealthy(p)
	}).report(t, "PostgreSQL stops and starts", "postgres", "healthy %d ms after it", took.Milliseconds())
	c.underLoad(p, func() {
		time.Sleep(100 * time.Millisecond)
		server.Kill()
		away()
		server.Start()
		took = c.untilHealthy(p)
	}).report(t, "PostgreSQL is killed and starts", "postgres", "healthy %d ms after it", took.Milliseconds())
	// With a URL without target_session_attrs=read-write.
	plain := serveProcess(t, t.TempDir(), inProduction(server.URL("postgres"), crashEnvironment...)...)
	c.underLoad(plain, func() {
		readOnly := func(on string) {
			server.Exec("postgres", "ALTER SYSTEM SET default_transaction_read_only = "+on)
			server.Exec("postgres", "SELECT pg_reload_conf()")
		}
		readOnly("on")
		deadline := time.Now().Add(10 * time.Second)
		for plain.try("GET", "/readyz", "", nil).status != 503 {
			if time.Now().After(deadline) {
				t.Error("/readyz does not notice that the database is read-only")
				break
			}
		}
		plain.do("GET", "/livez", "", nil).is(200)
		if a := c.write(plain); a.status != 503 {
			t.Errorf("a write while it is read-only: %d %s", a.status, a.body)
		}
		readOnly("off")
		took = c.untilHealthy(plain)
	}).report(t, "PostgreSQL turns read-only and back", "postgres", "healthy %d ms after it", took.Milliseconds())
	c.underLoad(p, func() {
		time.Sleep(100 * time.Millisecond)
		server.Kill()
		standby.Promote()
		took = c.untilHealthy(p)
	}).report(t, "PostgreSQL is lost, a standby takes over", "postgres", "healthy %d ms after pg_ctl promote", took.Milliseconds())
}

// TestTrustFullDisk fills a small file system and frees it again.
func TestTrustFullDisk(t *testing.T) {
	t.Parallel()
	fill := func(t *testing.T, database string, megabytes int, urlIn func(dir string) string, revive func()) {
		t.Helper()
		dir, err := platformtest.Tmpfs(t, megabytes)
		if err != nil {
			t.Skipf("NOT TESTED WITH A FULL DISK: %v", err)
		}
		p := serveProcess(t, t.TempDir(), inProduction(urlIn(dir), crashEnvironment...)...)
		c := p.client("c@example.com")
		ballast := filepath.Join(dir, "ballast")
		reads, writes := 0, 0
		var took time.Duration
		counts := c.underLoad(p, func() {
			f, err := os.Create(ballast)
			if err != nil {
				t.Fatal(err)
			}
			for chunk := make([]byte, 4096); err == nil; {
				_, err = f.Write(chunk)
			}
			_ = f.Close()
			for deadline := time.Now().Add(20 * time.Second); writes < 5 && time.Now().Before(deadline); {
				if a := p.try("POST", "/api/v1/organizations", c.access, body("name", strings.Repeat("x", 255))); a.status == 503 {
					writes++
				}
				if c.read(p).status == 200 {
					reads++
				}
			}
			p.do("GET", "/livez", "", nil).is(200)
			// PostgreSQL may free some room for a moment, because it recycles its log.
			ready := true
			for deadline := time.Now().Add(20 * time.Second); ready && time.Now().Before(deadline); {
				write := p.try("POST", "/api/v1/organizations", c.access, body("name", strings.Repeat("x", 255)))
				ready = write.status != 503 || p.try("GET", "/readyz", "", nil).status != 503
			}
			if ready {
				t.Error("/readyz does not say that the disk is full")
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			revive()
			took = c.untilHealthy(p)
		})
		if database == "sqlite" {
			p.says("the database takes no writes", "writes are taken again")
		}
		if writes < 5 || reads == 0 && database == "sqlite" {
			t.Errorf("%d writes were refused, %d reads were answered on a full disk", writes, reads)
		}
		counts.report(t, "the disk is full and is freed", database, "reads meanwhile: %d fine; healthy %d ms after it", reads, took.Milliseconds())
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fill(t, "sqlite", 8, func(dir string) string { return "sqlite://" + filepath.Join(dir, "guildhall.db") }, func() {})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		var server *platformtest.Server
		fill(t, "postgres", 120, func(dir string) string {
			server = platformtest.NewServer(t, dir, "max_wal_size=32MB", "min_wal_size=32MB")
			return server.URL("postgres")
		}, func() {
			if !server.Running() { // it exits if it can't write its log; a supervisor would restart it
				server.Start()
			}
		})
	})
}
