// Package config creates one validated Config from flags, the environment, a .env file,
// a YAML file and defaults. No other package imports viper.
//
// An invalid setting prevents the start: nothing is guessed, nothing silently becomes
// zero, and all problems are reported together. Secrets mask themselves whenever they
// are printed.
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

// Config is all settings of the service, validated. keys.go has their names, defaults
// and meanings.
type Config struct {
	Environment string
	Debug       bool
	Host        string
	Port        int
	DataDir     string // as given: relative to the process's working directory

	PrivateAddress string // host:port; empty if none

	DatabaseURL                 databaseurl.URL   // sqlite://path, postgres://… or postgresql://…
	DatabaseReplicaURLs         []databaseurl.URL // postgres://… each
	DatabaseMaxConnections      int
	DatabasePoolMode            string // session or transaction
	DatabaseRowSecurity         bool
	MigrateOnStart              bool
	DatabaseCopyBeforeMigrating bool

	JWTSecretKey        Secret // signs and verifies
	JWTRefreshSecretKey Secret
	RetiredSecretKeys   []Secret // of access tokens: they verify but no longer sign
	RetiredRefreshKeys  []Secret
	JWTAlgorithm        string        // of new keys of access tokens
	SigningKeyRotation  time.Duration // 0: by command only
	JWTIssuer           string
	JWTAudience         string
	AccessTokenTTL      time.Duration
	RefreshTokenTTL     time.Duration
	RefreshRotation     bool
	RefreshGrace        time.Duration

	EnableRegistration      bool
	ConfirmEmail            bool // an account is created when its address is proved
	LogInByEmail            bool
	AccountPages            bool // pages for people, at /account
	Console                 bool // pages for administrators, at /console
	ProductName             string
	ThemeDir                string
	PageLinks               []string // Text=https://…
	StepUpMaxAge            time.Duration
	FactorRecoveryDelay     time.Duration
	ErasureDelay            time.Duration
	APIKeyPrefix            string
	APIKeyLongest           time.Duration // 0: any
	RevocationPoll          time.Duration // 0 only in tests
	CORSOrigins             []string
	TrustedProxies          []string // IP addresses and CIDR ranges
	RateLimitEnabled        bool
	PasswordBreachedFile    string // empty if there is none
	PasswordHashParameters  password.Parameters
	PasswordHashConcurrency int // 0 for as many as cores and memory allow
	PasswordHashQueue       int
	PasswordImportKeys      map[string]Secret // of other systems, whose hashes name them

	SessionRetention     time.Duration // after a session ended
	IdempotencyRetention time.Duration
	AuditRetention       time.Duration // 0 for ever

	PublicURL string // of the service, as people reach it; empty if not set
	AppURL    string // of the product's front end; empty if not set
	// Of passkeys; see Passkeys.
	WebAuthnRPID    string
	WebAuthnOrigins []string
	RedirectURIs    []string // of clients, to which providers send people back
	Providers       []Provider
	Mail            Mail

	BackupDir      string // empty if no backups are scheduled
	BackupInterval time.Duration
	BackupKeep     int

	LogLevel         string // debug, info, warn or error
	LogFormat        string // text or json
	LogClientAddress bool
	DrainDelay       time.Duration
	DrainTimeout     time.Duration

	// Warnings are tolerated weaknesses, "NAME: sentence" each. Most of them would be
	// problems outside development.
	Warnings []string

	sources map[string]string // the source of each setting, by its name
}

// Development reports whether the environment is development, where weak settings are
// only warnings and missing secrets are created.
func (c *Config) Development() bool { return c.Environment == development }
