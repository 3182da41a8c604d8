// Package platform is the kernel: it checks the configuration and the schema, applies
// migrations, mounts the modules, runs them and shuts down gracefully. It imports no
// module.
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
	"guildhall/platform/backup"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/engine"
	"guildhall/platform/httpapi"
	"guildhall/platform/idempotency"
	"guildhall/platform/inspect"
	"guildhall/platform/keyring"
	"guildhall/platform/mail"
	"guildhall/platform/migrate"
	"guildhall/platform/module"
	"guildhall/platform/password"
	"guildhall/platform/person"
	"guildhall/platform/ratelimit"
	"guildhall/platform/revocation"
	"guildhall/platform/schema"
	"guildhall/platform/signing"
	"guildhall/platform/telemetry"
	"guildhall/platform/token"
	"guildhall/platform/web"
)

// Kernel is what modules are built from: the shared services of the process.
type Kernel struct {
	Config *config.Config
	DB     *database.DB
	Gate   *access.Gate
	Trail  *audit.Trail
	Keys   *idempotency.Keys
	Limits *ratelimit.Store // nil if rate limits are turned off
	People *person.People   // to erase and to export
	Tokens *token.Service
	Keyset *signing.Store // the keys of access tokens
	Feed   *revocation.Feed
	Hasher *password.Hasher
	Rules  *password.Rules
	Mail   *mail.Outbox
	Sealer *keyring.Sealer // of what modules store encrypted
	Log    *slog.Logger
	Now    func() time.Time

	Telemetry *telemetry.Telemetry // nil if nothing is measured
	Inspector *inspect.Inspector
}

// Now is the clock: UTC, to the microsecond that both databases keep.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Options are the parameters of Open that are not configuration. Tests set them.
type Options struct {
	Now         func() time.Time
	OnStatement func(ctx context.Context, sql string)
	Telemetry   *telemetry.Telemetry
	Engine      engine.Engine // skips asking the server which engine it is
	Create      bool          // creates the SQLite file if it does not exist
}

// Open connects to the database and creates the kernel. The caller must have validated
// cfg.
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

// Unopened creates a kernel without a database and with the default configuration. It
// serves commands that only describe the service: its OpenAPI document, its migrations.
func Unopened() (*Kernel, error) {
	return newKernel(&config.Config{IdempotencyRetention: 24 * time.Hour}, slog.New(slog.DiscardHandler), &database.DB{}, Options{Now: Now})
}

// Over creates a kernel over a database that is open, for a command that prepares it.
func Over(cfg *config.Config, db *database.DB) (*Kernel, error) {
	return newKernel(cfg, slog.New(slog.DiscardHandler), db, Options{Now: Now})
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
	templates, err := mail.LoadTemplates(cfg.Mail.TemplatesDir, cfg.Mail.DefaultLocale)
	if err != nil {
		return nil, fmt.Errorf("mail templates: %w", err)
	}
	outbox, err := mail.NewOutbox(db, ring, mail.Options{
		Transport: mail.Transport(cfg.Mail.Transport), From: cfg.Mail.From, Templates: templates, Now: o.Now,
		Server: mail.Server{
			Host: cfg.Mail.Host, Port: cfg.Mail.Port, TLS: cfg.Mail.TLS, ReturnPath: cfg.Mail.ReturnPath,
			Username: cfg.Mail.Username, Password: cfg.Mail.Password.Reveal(),
		},
	})
	if err != nil {
		return nil, err
	}
	sealer, err := ring.Sealer("modules")
	if err != nil {
		return nil, err
	}
	hashing := password.Options{
		Parameters: cfg.PasswordHashParameters, Concurrency: cfg.PasswordHashConcurrency, Queue: cfg.PasswordHashQueue,
		Keys: password.Keys{},
	}
	for name, key := range cfg.PasswordImportKeys {
		hashing.Keys[name] = key.Reveal()
	}
	if o.Telemetry != nil {
		hashing.Timed = o.Telemetry.Hashed
	}
	gate := access.NewGate(db, tokens, o.Now)
	gate.SetMostSince(cfg.StepUpMaxAge)
	rules := password.RulesOptions{BreachedFile: cfg.PasswordBreachedFile, Log: log, Now: o.Now, LookedUp: o.Telemetry.LookedUpPassword}
	k := &Kernel{
		Keys:   keys,
		Limits: limits,
		Config: cfg, DB: db, Log: log, Now: o.Now, Tokens: tokens,
		Gate:      gate,
		Trail:     audit.New(db, o.Now, access.ActorOf),
		Hasher:    password.New(hashing),
		Rules:     password.NewRules(rules),
		Mail:      outbox,
		Sealer:    sealer,
		Telemetry: o.Telemetry,
	}
	k.People = person.New(db, k.Trail, o.Now)
	k.Feed = revocation.NewFeed(k.Trail.Revocations(), revocation.Options{AccessTTL: cfg.AccessTokenTTL, Poll: cfg.RevocationPoll, Log: log})
	secret, retired := []byte(cfg.JWTSecretKey.Reveal()), revealed(cfg.RetiredSecretKeys)
	k.Keyset, err = signing.New(signing.Options{
		DB: db, Trail: k.Trail, Ring: keyring.New(secret, retired...), Secrets: token.Secrets(secret, retired), Tokens: tokens,
		Algorithm: cfg.JWTAlgorithm, Rotation: cfg.SigningKeyRotation, AccessTTL: cfg.AccessTokenTTL, Now: o.Now, Log: log,
	})
	if err != nil {
		return nil, err
	}
	if cfg.RateLimitEnabled {
		k.Gate.LimitKeyGuessing(ratelimit.NewLimiter(access.KeyGuessing, o.Now))
	}
	k.Inspector = &inspect.Inspector{Config: cfg, DB: db, Trail: k.Trail, Mail: outbox, Keys: k.Keyset, Now: o.Now}
	k.Trail.OnRecorded(k.Telemetry.Recorded)
	k.Gate.OnKey(k.Telemetry.KeyPresented)
	k.Telemetry.Watch(db, k.Hasher)
	k.Telemetry.WatchRevocations(k.Feed)
	if outbox.Configured() {
		k.Telemetry.WatchMail(outbox.Waiting)
	}
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
	site       *web.Site // nil without pages
}

// relatedOriginsPath is where browsers read which other origins may use the passkeys of this
// domain (Web Authentication, §5.11).
const relatedOriginsPath = "/.well-known/webauthn"

// New mounts the modules. It refuses tables that are declared wrongly and migrations
// that conflict.
func New(k *Kernel, version string, modules ...module.Module) (*App, error) {
	a := &App{kernel: k, retention: audit.NewRetention(k.Trail, k.Config.AuditRetention)}
	sources := []migrate.Source{
		{Module: access.Name, Migrations: access.Migrations()},
		{Module: audit.Name, Migrations: audit.Migrations()},
		{Module: ratelimit.Name, Migrations: ratelimit.Migrations()},
		{Module: idempotency.Name, Migrations: idempotency.Migrations()},
		{Module: mail.Name, Migrations: mail.Migrations()},
		{Module: signing.Name, Migrations: signing.Migrations()},
		{Module: revocation.Name, Migrations: revocation.Migrations()},
	}
	a.tables = slices.Concat(access.Tables(), k.Limits.Tables(), k.Keys.Tables(), audit.Tables(a.retention), k.Mail.Tables(), k.Keyset.Tables(), k.Feed.Tables())
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
	k.Gate.SetTables(a.tables)
	k.People.SetTables(a.tables)
	var err error
	if a.migrations, err = migrate.Merge(sources...); err != nil {
		return nil, err
	}
	base, metadata := k.Config.PageBase(), ""
	documents := k.Keyset.Documents(base, k.Config.JWTIssuer, "/openapi.json")
	if domain, origins := k.Config.Passkeys(); domain != "" {
		documents[relatedOriginsPath] = signing.Constant(map[string][]string{"origins": origins})
	}
	if documents[signing.ResourcePath] != nil {
		metadata = base + signing.ResourcePath
	}
	a.api, err = httpapi.New(httpapi.Options{
		Gate: k.Gate, Trail: k.Trail, Keys: k.Keys, Now: k.Now, Log: k.Log, Telemetry: k.Telemetry, Version: version,
		Debug: k.Config.Debug, CORSOrigins: k.Config.CORSOrigins, TrustedProxies: k.Config.TrustedProxies,
		LogAddresses: k.Config.LogClientAddress,
		Metadata:     metadata,
		Ready:        a.ready,
	})
	if err != nil {
		return nil, err
	}
	for path, h := range documents {
		a.api.MountDocument(path, h)
	}
	if k.Mail.InMailbox() {
		pages, err := k.Mail.MailboxHandler()
		if err != nil {
			return nil, err
		}
		a.api.Mount(mail.MailboxPath, pages)
	}
	if k.Config.AccountPages || k.Config.Console {
		a.site, err = web.New(a.api, web.Options{
			PublicURL: k.Config.PublicURL, Account: k.Config.AccountPages, Console: k.Config.Console,
			Name: k.Config.ProductName, ThemeDir: k.Config.ThemeDir, Links: k.Config.PageLinks, KeyLongest: k.Config.APIKeyLongest, Tokens: k.Tokens, Sealer: k.Sealer, Log: k.Log, Now: k.Now,
		})
		if err != nil {
			return nil, err
		}
		a.api.BeginAt(a.site.Address(a.site.Start()))
		for _, path := range a.site.Paths() {
			a.api.MountPages(path, a.site)
		}
	}
	k.Inspector.Version, k.Inspector.StartedAt = version, k.Now()
	k.Inspector.Migrations, k.Inspector.Tables, k.Inspector.Backups = a.migrations, a.tables, a.schedule()
	for _, m := range modules {
		m.Routes(a.api.For(m.Name()))
		if p, ok := m.(module.WithPages); ok && a.site != nil {
			p.Pages(a.site)
		}
		if w, ok := m.(module.WithWorkers); ok {
			a.ofModules = append(a.ofModules, w.Workers()...)
		}
	}
	return a, nil
}

// schedule returns the worker that makes scheduled backups while the service runs, or nil
// if BACKUP_DIR is not set.
func (a *App) schedule() *backup.Schedule {
	k := a.kernel
	if k.Config.BackupDir == "" {
		return nil
	}
	return &backup.Schedule{
		Dir: k.Config.BackupDir, Interval: k.Config.BackupInterval, Keep: k.Config.BackupKeep,
		Backup: backup.Options{DB: k.DB, Migrations: a.migrations, Invariants: a.invariants}, Now: k.Now, Log: k.Log,
	}
}

// API returns the handler that serves the routes of all modules.
func (a *App) API() *httpapi.API { return a.api }

// Pages returns the pages of all modules.
func (a *App) Pages() []web.Declared {
	if a.site == nil {
		return nil
	}
	return a.site.Declared()
}

// Migrations returns the migrations of the kernel and of all modules, in order.
func (a *App) Migrations() []migrate.Migration { return a.migrations }

// Tables returns the tables of the kernel and of all modules.
func (a *App) Tables() []schema.Table { return a.tables }

// Invariants returns the conditions that the data must satisfy.
func (a *App) Invariants() []schema.Invariant { return a.invariants }

// Prepare brings the schema up to date. It returns an error if the service can't run on
// it.
func (a *App) Prepare(ctx context.Context) error {
	if err := a.migrated(ctx); err != nil {
		return err
	}
	if err := a.permitted(ctx); err != nil {
		return err
	}
	if err := a.kernel.DB.DeleteDigest(ctx); err != nil {
		return err
	}
	// Only a warning, because it may pass: a standby may become the primary while this
	// runs.
	for _, err := range []error{a.kernel.DB.Writable(ctx), a.kernel.DB.CheckTimeout(ctx)} {
		if err != nil {
			a.kernel.Log.WarnContext(ctx, "database", "warning", err.Error())
		}
	}
	return nil
}

// permitted returns an error if the database role lacks what the settings require.
func (a *App) permitted(ctx context.Context) error {
	if err := a.kernel.DB.CheckRowSecurity(ctx, a.tables); err != nil {
		return err
	}
	return a.retention.Check(ctx)
}

// Usable returns an error if a command can't work on the schema. It changes nothing,
// with one exception: it migrates an empty database if MIGRATE_ON_START is set, as it
// is on a laptop.
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

// Current returns an error if the database can't be relied on: its schema is not this
// version's, or the role does not see all rows. It changes nothing.
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

// UpToDate returns an error if the schema is not this version's.
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

// ready returns an error if the service can't serve. A schema that a newer version has
// migrated is not an error here: the migrations of one release only add, so that the
// old processes can serve while the new ones start. Starting on a newer schema is
// refused (UpToDate).
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

// Every connection has timeouts, so that none stays open longer than it is used.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 120 * time.Second
	maxHeaderBytes    = 12 << 10 // the server adds 4 KiB to this
)

// Run serves on the listener until the context ends, then drains: /readyz fails at
// once, new requests are still accepted for DrainDelay while proxies notice, and
// requests in flight have DrainTimeout to finish. The private listener, if it is not
// nil, serves the operator's endpoints until the drain is complete. The background
// workers run meanwhile.
func (a *App) Run(ctx context.Context, listener, private net.Listener) error {
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
	a.kernel.DB.HoldFile(ctx)
	a.keepKeys(telemetry.Background(ctx)) // before the first token
	defer a.work(ctx, a.workers()...)()
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
	a.kernel.Feed.Close() // mutant: feed-closed
	time.Sleep(cfg.DrainDelay)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
	defer cancel()
	// Shutdown drops a request that is just arriving. So the listener is closed first,
	// and Shutdown is called once the open requests have finished.
	_ = listener.Close()
	a.kernel.Log.Debug("the listener is closed", "cause", <-failed) // receiving also ensures that every accepted connection is noted
	busy.wait(last)
	if err := server.Shutdown(last); err != nil {
		_ = server.Close()
		return fmt.Errorf("requests were cut off after %s: %w", cfg.DrainTimeout, err)
	}
	return nil
}

// busyConnections are those with a request in progress, or that have not sent their
// first request yet.
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

// quietHandshakes drops TLS handshake errors from the log, because any scanner can
// cause them.
type quietHandshakes struct{ slog.Handler }

func (h quietHandshakes) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "TLS handshake") {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}
