package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"guildhall/platform"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
	"guildhall/platform/migrate"
	"guildhall/platform/platformtest"
	"guildhall/platform/schema"
)

// TestTrustRollingUpgrade runs two replicas behind a proxy, under load. The next version
// migrates their database and replaces them one after the other. No request is lost.
func TestTrustRollingUpgrade(t *testing.T) {
	t.Parallel()
	databaseURL := platformtest.PostgresURL(t)
	dir := t.TempDir()
	environ := append(inProduction(databaseURL, crashEnvironment...), "DRAIN_DELAY_SECONDS=1")
	replicas := []*process{serveProcess(t, dir, environ...), serveProcess(t, dir, environ...)}
	b, proxy := balance(t, replicas)
	b.awaitHealthy(0)
	c := proxy.client("c@example.com")
	counts := c.underLoad(proxy, func() {
		for i := range replicas {
			newer := serveProcess(t, dir, append(environ, "GUILDHALL_TEST_AS_GUILDHALL=next")...)
			for _, p := range replicas {
				p.do("GET", "/readyz", "", nil).is(200) // those of the old version, too
			}
			b.use(i, newer.base)
			b.awaitHealthy(i)
			replicas[i].stop()
			replicas[i] = newer
		}
	})
	if counts.refused.Load() > 0 {
		t.Errorf("%d requests were refused", counts.refused.Load())
	}
	counts.report(t, "rolling upgrade of two replicas", "postgres", "migrations under load, then a new process for each old one")
	if out, status := run(t, dir, environ); status != 1 || !strings.Contains(out, "newer than this version") {
		t.Errorf("the old version starts on the newer schema: %d\n%s", status, out)
	}
}

// next is the module that the next version adds. Its migrations change tables that every
// request uses.
type next struct{}

func (next) Name() string           { return "next" }
func (next) Routes(*httpapi.Router) {}
func (next) Tables() []schema.Table {
	return []schema.Table{{Name: "next_notes", Owner: schema.OfPerson("user_id"), Standing: schema.Unread(), Tenants: schema.Shared("only this test has it"), Archive: schema.NotExported("only this test has it"), Erasure: schema.Remains("only this test has the table"), Copy: schema.NotCopied("only this test has the table"), Retention: schema.Kept("for this test"), Invariants: schema.ByConstraints(), Sample: schema.NoSample("only this test has it")}}
}

func (next) Migrations() []migrate.Migration {
	one := func(id, up, down string) migrate.Migration {
		return migrate.Migration{
			ID: id, Up: func(database.Driver) []string { return []string{up} }, Down: func(database.Driver) []string { return []string{down} },
		}
	}
	return []migrate.Migration{
		one("209901010000_next_note", "ALTER TABLE users ADD COLUMN next_note text", "ALTER TABLE users DROP COLUMN next_note"),
		one("209901010001_next_session", "ALTER TABLE sessions ADD COLUMN next_state text NOT NULL DEFAULT 'none'", "ALTER TABLE sessions DROP COLUMN next_state"),
		one("209901010002_next_profile", "ALTER TABLE user_profile ADD COLUMN next_word text", "ALTER TABLE user_profile DROP COLUMN next_word"),
		one("209901010003_next_index", "CREATE INDEX users_next_note ON users (next_note)", "DROP INDEX users_next_note"),
		one("209901010004_next_notes", "CREATE TABLE next_notes (user_id uuid PRIMARY KEY REFERENCES users (id))", "DROP TABLE next_notes"),
	}
}

// serveNext is the main function of the next version.
func serveNext() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := runNext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runNext(ctx context.Context) error {
	cfg, err := config.Load(config.Options{Environ: os.Environ()})
	if err != nil {
		return err
	}
	k, err := platform.Open(ctx, cfg, newLog(cfg), platform.Options{Create: true})
	if err != nil {
		return err
	}
	defer k.DB.Close()
	_, modules := wire(k)
	app, err := platform.New(k, "next", append(modules, next{})...)
	if err != nil {
		return err
	}
	if err := app.Prepare(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	k.Log.Info("listening", "address", listener.Addr().String())
	return app.Run(ctx, listener, nil)
}
