// Package config turns flags, the environment, a .env file, a YAML file and
// defaults into one checked Config. It is the only importer of viper.
//
// A setting that is wrong stops the start: nothing is guessed, nothing is
// silently zero, and all problems are named together. Secrets mask themselves
// wherever they are printed.
package config

import (
	"time"

	"guildhall/platform/databaseurl"
	"guildhall/platform/password"
)

const (
	development = "development"
	production  = "production"
)

// Config is every setting of the service, checked. The names, defaults and
// meanings stand in keys.go.
type Config struct {
	Environment string
	Debug       bool
	Host        string
	Port        int
	DataDir     string // as given: relative to the process's working directory

	PrivateAddress string // host:port; empty: none

	DatabaseURL                 databaseurl.URL   // sqlite://path, postgres://… or postgresql://…
	DatabaseReplicaURLs         []databaseurl.URL // postgres://… each
	DatabaseMaxConnections      int
	DatabasePoolMode            string // session or transaction
	DatabaseRowSecurity         bool
	MigrateOnStart              bool
	DatabaseCopyBeforeMigrating bool

	JWTSecretKey        Secret // signs
	JWTRefreshSecretKey Secret
	RetiredSecretKeys   []Secret // of access tokens: verify, and sign no more
	RetiredRefreshKeys  []Secret
	JWTIssuer           string
	JWTAudience         string
	AccessTokenTTL      time.Duration
	RefreshTokenTTL     time.Duration
	RefreshRotation     bool
	RefreshGrace        time.Duration

	EnableRegistration      bool
	CORSOrigins             []string
	TrustedProxies          []string // IP addresses and CIDR ranges
	RateLimitEnabled        bool
	PasswordHashParameters  password.Parameters
	PasswordHashConcurrency int // 0: as many as cores and memory allow
	PasswordHashQueue       int

	SessionRetention     time.Duration // after a session ended
	IdempotencyRetention time.Duration
	AuditRetention       time.Duration // 0: for ever

	BackupDir      string // empty: no scheduled backups
	BackupInterval time.Duration
	BackupKeep     int

	LogLevel         string // debug, info, warn or error
	LogFormat        string // text or json
	LogClientAddress bool
	DrainDelay       time.Duration
	DrainTimeout     time.Duration

	// Warnings are weaknesses that are tolerated, "NAME: sentence" each; most
	// of them would refuse the start outside development.
	Warnings []string

	sources map[string]string // where each setting came from, by its name
}

// Development reports whether this is the environment that forgives: weak
// settings are warnings there, and secrets are made when missing.
func (c *Config) Development() bool { return c.Environment == development }
