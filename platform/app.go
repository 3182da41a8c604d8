// Package platform is the kernel: it checks, migrates, mounts, runs and drains.
// It imports no module.
package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/engine"
	"guildhall/platform/httpapi"
	"guildhall/platform/idempotency"
	"guildhall/platform/keyring"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/password"
	"guildhall/platform/ratelimit"
	"guildhall/platform/schema"
	"guildhall/platform/telemetry"
	"guildhall/platform/token"
)

// Kernel is what modules are built from.
type Kernel struct {
	Config *config.Config
	DB     *database.DB
	Gate   *access.Gate
	Trail  *audit.Trail
	Keys   *idempotency.Keys
	Limits *ratelimit.Store // nil where they are turned off
	Tokens *token.Service
	Hasher *password.Hasher
	Log    *slog.Logger
	Now    func() time.Time

	Telemetry *telemetry.Telemetry // nil where nothing is measured
}

// Now is the clock: UTC, to the microsecond that both databases keep.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Options that are not configuration; tests set them.
type Options struct {
	Now         func() time.Time
	OnStatement func(ctx context.Context, sql string)
	Telemetry   *telemetry.Telemetry
	Engine      engine.Engine // what the database is taken for; asked of it where empty
	Create      bool          // makes the SQLite file where it is not there
}

// Open connects to the database and makes the kernel. Its Config must have been
// validated.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger, o Options) (*Kernel, error) {
	if o.Now == nil {
		o.Now = Now
	}
	log = slog.New(telemetry.LogHandler(log.Handler()))
	storage := database.Options{
		URL: cfg.DatabaseURL, ReplicaURLs: cfg.DatabaseReplicaURLs, Create: o.Create, MaxConnections: cfg.DatabaseMaxConnections, RowSecurity: cfg.DatabaseRowSecurity,
		TransactionPooling:  cfg.DatabasePoolMode == "transaction",
		CopyBeforeMigrating: cfg.DatabaseCopyBeforeMigrating,
		Now:                 o.Now, Log: log, OnStatement: o.OnStatement, Engine: o.Engine,
	}
	if o.Telemetry != nil {
		storage.Observer = o.Telemetry
	}
	db, err := database.Open(ctx, storage)
	if err != nil {
		return nil, err
	}
	k, err := newKernel(cfg, log, db, o)
	if err != nil {
		_ = db.Close()
	}
	return k, err
}

// Unopened makes a kernel without a database, for what only describes the
// service, as it is by default: its document, its migrations.
func Unopened() (*Kernel, error) {
	return newKernel(&config.Config{IdempotencyRetention: 24 * time.Hour}, slog.New(slog.DiscardHandler), &database.DB{}, Options{Now: Now})
}

func newKernel(cfg *config.Config, log *slog.Logger, db *database.DB, o Options) (*Kernel, error) {
	tokens := token.New(token.Config{
		AccessKey: []byte(cfg.JWTSecretKey.Reveal()), RefreshKey: []byte(cfg.JWTRefreshSecretKey.Reveal()),
		RetiredAccessKeys: revealed(cfg.RetiredSecretKeys), RetiredRefreshKeys: revealed(cfg.RetiredRefreshKeys),
		Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, AccessTTL: cfg.AccessTokenTTL, Now: o.Now,
	})
	var limits *ratelimit.Store
	if cfg.RateLimitEnabled {
		limits = ratelimit.NewStore(db, o.Now)
	}
	ring := keyring.New([]byte(cfg.JWTRefreshSecretKey.Reveal()), revealed(cfg.RetiredRefreshKeys)...)
	keys, err := idempotency.New(db, ring, cfg.IdempotencyRetention, o.Now)
	if err != nil {
		return nil, err
	}
	hashing := password.Options{
		Parameters: cfg.PasswordHashParameters, Concurrency: cfg.PasswordHashConcurrency, Queue: cfg.PasswordHashQueue,
	}
	if o.Telemetry != nil {
		hashing.Timed = o.Telemetry.Hashed
	}
	k := &Kernel{
		Keys:   keys,
		Limits: limits,
		Config: cfg, DB: db, Log: log, Now: o.Now, Tokens: tokens,
		Gate:      access.NewGate(db, tokens, o.Now),
		Trail:     audit.New(db, o.Now, access.ActorOf),
		Hasher:    password.New(hashing),
		Telemetry: o.Telemetry,
	}
	k.Trail.OnRecorded(k.Telemetry.Recorded)
	k.Telemetry.Watch(db, k.Hasher)
	return k, nil
}

func revealed(secrets []config.Secret) (keys [][]byte) {
	for _, s := range secrets {
		keys = append(keys, []byte(s.Reveal()))
	}
	return keys
}

// App is the service with all its modules.
type App struct {
	kernel     *Kernel
	api        *httpapi.API
	migrations []migrate.Migration
	tables     []schema.Table
	invariants []schema.Invariant
	retention  *audit.Retention
	ofModules  []module.Worker
}

// New mounts the modules.
func New(k *Kernel, version string, modules ...module.Module) (*App, error) {
	a := &App{kernel: k, retention: audit.NewRetention(k.Trail, k.Config.AuditRetention)}
	sources := []migrate.Source{
		{Module: access.Name, Migrations: access.Migrations()},
		{Module: audit.Name, Migrations: audit.Migrations()},
		{Module: ratelimit.Name, Migrations: ratelimit.Migrations()},
		{Module: idempotency.Name, Migrations: idempotency.Migrations()},
	}
	a.tables = slices.Concat(access.Tables(), k.Limits.Tables(), k.Keys.Tables(), audit.Tables(a.retention))
	for _, m := range modules {
		sources = append(sources, migrate.Source{Module: m.Name(), Migrations: m.Migrations()})
		a.tables = append(a.tables, m.Tables()...)
	}
	if err := schema.Check(a.tables); err != nil {
		return nil, err
	}
	for _, t := range a.tables {
		a.invariants = append(a.invariants, t.Invariants.All()...)
	}
	for _, m := range modules {
		if c, ok := m.(module.Checker); ok {
			a.invariants = append(a.invariants, c.Invariants()...)
		}
	}
	k.Gate.Know(a.tables)
	var err error
	if a.migrations, err = migrate.Merge(sources...); err != nil {
		return nil, err
	}
	a.api, err = httpapi.New(httpapi.Options{
		Gate: k.Gate, Trail: k.Trail, Keys: k.Keys, Now: k.Now, Log: k.Log, Telemetry: k.Telemetry, Version: version,
		Debug: k.Config.Debug, CORSOrigins: k.Config.CORSOrigins, TrustedProxies: k.Config.TrustedProxies,
		LogAddresses: k.Config.LogClientAddress,
		Ready:        a.ready,
	})
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		m.Routes(a.api.For(m.Name()))
		if w, ok := m.(module.WithWorkers); ok {
			a.ofModules = append(a.ofModules, w.Workers()...)
		}
	}
	return a, nil
}

// API serves the routes of all modules.
func (a *App) API() *httpapi.API { return a.api }

// Migrations are those of all modules, in order.
func (a *App) Migrations() []migrate.Migration { return a.migrations }

// Tables are those of the kernel and of all modules.
func (a *App) Tables() []schema.Table { return a.tables }

// Invariants are what must be true of the data.
func (a *App) Invariants() []schema.Invariant { return a.invariants }

// Prepare brings the schema up to date, or says why the service can't run on it.
func (a *App) Prepare(ctx context.Context) error {
	if err := a.migrated(ctx); err != nil {
		return err
	}
	if err := a.permitted(ctx); err != nil {
		return err
	}
	if err := a.kernel.DB.ForgetDigest(ctx); err != nil {
		return err
	}
	// It may pass: a standby may become the primary while this runs.
	for _, err := range []error{a.kernel.DB.Writable(ctx), a.kernel.DB.CheckTimeout(ctx)} {
		if err != nil {
			a.kernel.Log.WarnContext(ctx, "database", "warning", err.Error())
		}
	}
	return nil
}

// permitted says whether the role may do what the settings ask for.
func (a *App) permitted(ctx context.Context) error {
	if err := a.kernel.DB.CheckRowSecurity(ctx, a.tables); err != nil {
		return err
	}
	return a.retention.Check(ctx)
}

// Usable says why a command can't work on the schema. It changes nothing, but for
// an empty database where MIGRATE_ON_START is set, as it is on a laptop.
func (a *App) Usable(ctx context.Context) error {
	applied, err := a.kernel.DB.Applied(ctx)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		return a.Prepare(ctx)
	}
	return a.Current(ctx)
}

// Current says why what is in the database can't be relied on: a schema that is not
// this version's, or rows that the role does not see. It changes nothing.
func (a *App) Current(ctx context.Context) error {
	if err := a.UpToDate(ctx); err != nil {
		return err
	}
	return a.permitted(ctx)
}

func (a *App) migrated(ctx context.Context) error {
	if a.kernel.Config.MigrateOnStart {
		applied, err := migrate.Up(ctx, a.kernel.DB, a.migrations)
		if err == nil && len(applied) > 0 {
			a.kernel.Log.InfoContext(ctx, "migrated", "applied", len(applied))
		}
		return err
	}
	return a.UpToDate(ctx)
}

// UpToDate says why the schema is not this version's.
func (a *App) UpToDate(ctx context.Context) error {
	status, err := migrate.StatusOf(ctx, a.kernel.DB, a.migrations)
	switch {
	case err != nil:
		return err
	case len(status.Unknown) > 0:
		return migrate.ErrSchemaNewer
	case len(status.Pending) > 0:
		return fmt.Errorf("%d migrations are pending: run `guildhall migrate up`, or set MIGRATE_ON_START=true", len(status.Pending))
	default:
		return nil
	}
}

// ready says why the service can't serve. That a newer version has migrated
// meanwhile is no reason: the migrations of one release only add, so that the
// old processes serve while the new ones start. To start on it is refused.
func (a *App) ready(ctx context.Context) error {
	status, err := migrate.StatusOf(ctx, a.kernel.DB, a.migrations)
	if err == nil && len(status.Pending) > 0 {
		err = errors.New("the schema lacks what this version needs")
	}
	if err == nil {
		err = a.kernel.DB.RowSecurityAsSet(ctx)
	}
	if err == nil {
		err = a.kernel.DB.Writable(ctx) // mutant: ready-when-writable
	}
	return err
}

// Timeouts on every connection, so that none is held for longer than its use.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 12 << 10 // the server adds 4 KiB to this
)

// Run serves on the listener until the context ends, then drains: /readyz says
// no at once, requests are still taken for DrainDelay while proxies notice, and
// those in flight have DrainTimeout to finish. What is for the operator alone is
// served on the private listener, where there is one, until all that is over. The
// workers run meanwhile, and more of them.
func (a *App) Run(ctx context.Context, listener, private net.Listener, more ...module.Worker) error {
	defer a.servePrivate(private)()
	busy := &busyConnections{}
	server := &http.Server{
		Handler:           a.api,
		ConnState:         busy.note,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(quietHandshakes{a.kernel.Log.Handler()}, slog.LevelWarn),
	}
	a.kernel.DB.Hold(ctx)
	defer a.work(ctx, append(a.workers(), more...)...)()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	cfg := a.kernel.Config
	a.kernel.Log.Info("draining", "delay", cfg.DrainDelay.String(), "timeout", cfg.DrainTimeout.String())
	a.api.Drain()
	time.Sleep(cfg.DrainDelay)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
	defer cancel()
	// Shutdown drops a request that it finds only just arriving, so the door is
	// closed first, and those who are inside are waited for.
	_ = listener.Close()
	a.kernel.Log.Debug("the door is closed", "cause", <-failed) // and whoever came in has been noted
	busy.wait(last)
	if err := server.Shutdown(last); err != nil {
		_ = server.Close()
		return fmt.Errorf("requests were cut off after %s: %w", cfg.DrainTimeout, err)
	}
	return nil
}

// busyConnections are those with a request under way, or yet to send their first.
type busyConnections struct{ set sync.Map }

func (b *busyConnections) note(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew, http.StateActive:
		b.set.Store(c, true)
	default:
		b.set.Delete(c)
	}
}

func (b *busyConnections) wait(ctx context.Context) {
	for ctx.Err() == nil {
		none := true
		b.set.Range(func(any, any) bool { none = false; return false })
		if none {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// quietHandshakes keeps what any scanner can cause out of the warnings.
type quietHandshakes struct{ slog.Handler }

func (h quietHandshakes) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "TLS handshake") {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}
