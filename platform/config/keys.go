package config

import (
	"fmt"
	"strings"
	"time"

	"guildhall/platform/databaseurl"
	"guildhall/platform/password"
)

// key is one setting. The environment variable is its name, the flag and the
// NAME_FILE variant follow from it.
type key struct {
	name     string
	usage    string // one line, with the unit
	def      string // default; "${DATA_DIR}" stands for that setting
	dev      string // default in development, where it differs
	required bool   // outside development it must be set
	bind     func(*Config) value
}

// keys is the one table that flags, defaults, parsing, printing and the test
// of the sample files are driven by. ENVIRONMENT and DATA_DIR come first,
// because later defaults depend on them.
func keys() []key {
	return []key{
		{name: "ENVIRONMENT", def: development,
			usage: "where this runs; anything but development is held to production's rules",
			bind:  func(c *Config) value { return word{&c.Environment, oneWord} }},
		{name: "DATA_DIR", def: "data",
			usage: "directory of the SQLite database and of the secrets made in development",
			bind:  func(c *Config) value { return text{&c.DataDir, anything} }},
		{name: "DEBUG", def: "false", dev: "true",
			usage: "serve /docs and /redoc; refused outside development",
			bind:  func(c *Config) value { return boolean{&c.Debug} }},
		{name: "HOST", def: "0.0.0.0", dev: "127.0.0.1",
			usage: "address or host name to listen on",
			bind:  func(c *Config) value { return text{&c.Host, hostName} }},
		{name: "PORT", def: "8000",
			usage: "TCP port to listen on, 0 for any free one",
			bind:  func(c *Config) value { return number{&c.Port, 0, 65535} }},
		{name: "PRIVATE_ADDRESS", def: "none",
			usage: "host:port of metrics, profiles and probes, to be kept from the public, or none",
			bind:  func(c *Config) value { return hostPort{&c.PrivateAddress} }},
		{name: "DATABASE_URL", dev: "sqlite://${DATA_DIR}/guildhall.db", required: true, //nolint:gosec // an example of a URL
			usage: "sqlite://path, postgres://user:password@host/name, or SQLAlchemy's postgresql+asyncpg://",
			bind:  func(c *Config) value { return databaseURL{&c.DatabaseURL} }},
		{name: "DATABASE_REPLICA_URLS", def: "[]",
			usage: "PostgreSQL standbys that some reads may go to, a URL each; a JSON array or comma separated",
			bind:  func(c *Config) value { return replicaURLs{&c.DatabaseReplicaURLs} }},
		{name: "DATABASE_MAX_CONNECTIONS", def: "10",
			usage: "connections to the database, and to each standby, at most, 1 to 1000",
			bind:  func(c *Config) value { return number{&c.DatabaseMaxConnections, 1, 1000} }},
		{name: "DATABASE_POOL_MODE", def: "session",
			usage: "how a pooler between (PgBouncer) shares connections to PostgreSQL: session (or there is none) or transaction",
			bind:  func(c *Config) value { return word{&c.DatabasePoolMode, oneOf("session", "transaction")} }},
		{name: "DATABASE_ROW_SECURITY", def: "false",
			usage: "serve under row-level security, which `guildhall row-security on` turns on in PostgreSQL, at a cost",
			bind:  func(c *Config) value { return boolean{&c.DatabaseRowSecurity} }},
		{name: "MIGRATE_ON_START", def: "false", dev: "true",
			usage: "bring the database's schema up to date before serving",
			bind:  func(c *Config) value { return boolean{&c.MigrateOnStart} }},
		{name: "DATABASE_COPY_BEFORE_MIGRATING", def: "true",
			usage: "copy a SQLite file aside before its schema changes",
			bind:  func(c *Config) value { return boolean{&c.DatabaseCopyBeforeMigrating} }},
		{name: "JWT_SECRET_KEY", required: true,
			usage: "signs access tokens; 32 random bytes or more; a JSON array of several: the first signs, all are accepted",
			bind:  func(c *Config) value { return secrets{&c.JWTSecretKey, &c.RetiredSecretKeys} }},
		{name: "JWT_REFRESH_SECRET_KEY", required: true,
			usage: "signs refresh tokens; 32 random bytes or more, not those of JWT_SECRET_KEY; a JSON array of several: the first signs, all are accepted",
			bind:  func(c *Config) value { return secrets{&c.JWTRefreshSecretKey, &c.RetiredRefreshKeys} }},
		{name: "JWT_ISSUER", def: "guildhall",
			usage: "iss claim of the tokens made and accepted",
			bind:  func(c *Config) value { return text{&c.JWTIssuer, anything} }},
		{name: "JWT_AUDIENCE", def: "guildhall",
			usage: "aud claim of the tokens made and accepted",
			bind:  func(c *Config) value { return text{&c.JWTAudience, anything} }},
		{name: "JWT_ACCESS_TOKEN_EXPIRE_MINUTES", def: "30",
			usage: "life of an access token in minutes, 1 to 43200",
			bind:  func(c *Config) value { return span{&c.AccessTokenTTL, time.Minute, 1, 43200} }},
		{name: "JWT_REFRESH_TOKEN_EXPIRE_DAYS", def: "7",
			usage: "life of a session in days, 1 to 365",
			bind:  func(c *Config) value { return span{&c.RefreshTokenTTL, 24 * time.Hour, 1, 365} }},
		{name: "JWT_REFRESH_ROTATION", def: "true",
			usage: "give a new refresh token at each refresh; false keeps one for the session's life",
			bind:  func(c *Config) value { return boolean{&c.RefreshRotation} }},
		{name: "JWT_REFRESH_GRACE_SECONDS", def: "10",
			usage: "seconds in which a refresh token just rotated may be sent again, 0 to 60",
			bind:  func(c *Config) value { return span{&c.RefreshGrace, time.Second, 0, 60} }},
		{name: "ENABLE_REGISTRATION", def: "false", dev: "true",
			usage: "let anyone create an account",
			bind:  func(c *Config) value { return boolean{&c.EnableRegistration} }},
		{name: "CORS_ORIGINS", def: "[]",
			usage: "origins whose pages may call this, exact, with any header; a JSON array or comma separated",
			bind:  func(c *Config) value { return list{&c.CORSOrigins, anything} }},
		{name: "TRUSTED_PROXIES", def: "[]",
			usage: "addresses or CIDR ranges whose X-Forwarded-For is believed; a JSON array or comma separated",
			bind:  func(c *Config) value { return list{&c.TrustedProxies, addressOrRange} }},
		{name: "RATE_LIMIT_ENABLED", def: "true",
			usage: "slow down repeated attempts to sign in",
			bind:  func(c *Config) value { return boolean{&c.RateLimitEnabled} }},
		{name: "PASSWORD_HASH_PARAMETERS", def: password.Default.String(),
			usage: "cost of new argon2id hashes: memory in KiB, passes, lanes; a stored hash is renewed when its owner logs in",
			bind:  func(c *Config) value { return hashParameters{&c.PasswordHashParameters} }},
		{name: "PASSWORD_HASH_CONCURRENCY", def: "0",
			usage: "passwords hashed at once, 0 for as many as cores and memory allow, at most 1024",
			bind:  func(c *Config) value { return number{&c.PasswordHashConcurrency, 0, 1024} }},
		{name: "PASSWORD_HASH_QUEUE", def: "64",
			usage: "requests that may wait for a hash before others get 503, 0 to 100000",
			bind:  func(c *Config) value { return number{&c.PasswordHashQueue, 0, 100_000} }},
		{name: "SESSION_RETENTION_DAYS", def: "30",
			usage: "days for which a session that ended or expired is kept, 1 to 3650",
			bind:  func(c *Config) value { return span{&c.SessionRetention, 24 * time.Hour, 1, 3650} }},
		{name: "IDEMPOTENCY_KEY_RETENTION_HOURS", def: "24",
			usage: "hours for which a request with the same Idempotency-Key gets the first answer again, 1 to 720",
			bind:  func(c *Config) value { return span{&c.IdempotencyRetention, time.Hour, 1, 720} }},
		{name: "AUDIT_RETENTION_DAYS", def: "0",
			usage: "days for which audit events are kept, 0 for ever, at most 36500",
			bind:  func(c *Config) value { return span{&c.AuditRetention, 24 * time.Hour, 0, 36500} }},
		{name: "BACKUP_DIR", def: none,
			usage: "directory that scheduled backups are written to, or none",
			bind:  func(c *Config) value { return directory{&c.BackupDir} }},
		{name: "BACKUP_INTERVAL_HOURS", def: "24",
			usage: "hours between two scheduled backups, 1 to 720",
			bind:  func(c *Config) value { return span{&c.BackupInterval, time.Hour, 1, 720} }},
		{name: "BACKUP_KEEP", def: "7",
			usage: "scheduled backups that are kept, 1 to 1000",
			bind:  func(c *Config) value { return number{&c.BackupKeep, 1, 1000} }},
		{name: "LOG_LEVEL", def: "info",
			usage: "least level that is logged: debug, info, warn or error",
			bind:  func(c *Config) value { return word{&c.LogLevel, oneOf("debug", "info", "warn", "error")} }},
		{name: "LOG_FORMAT", def: "json", dev: "text",
			usage: "text or json",
			bind:  func(c *Config) value { return word{&c.LogFormat, oneOf("text", "json")} }},
		{name: "LOG_CLIENT_ADDRESS", def: "true",
			usage: "log the address of the client with each request, as TRUSTED_PROXIES has it",
			bind:  func(c *Config) value { return boolean{&c.LogClientAddress} }},
		{name: "DRAIN_DELAY_SECONDS", def: "5", dev: "0",
			usage: "seconds of /readyz answering 503 before connections are refused at a stop, 0 to 300",
			bind:  func(c *Config) value { return span{&c.DrainDelay, time.Second, 0, 300} }},
		{name: "DRAIN_TIMEOUT_SECONDS", def: "25",
			usage: "seconds that requests under way get to finish at a stop, 1 to 3600",
			bind:  func(c *Config) value { return span{&c.DrainTimeout, time.Second, 1, 3600} }},
	}
}

// kind is the type of the setting's value, as --help shows it.
func (k key) kind() string { return k.bind(new(Config)).kind() }

func (k key) flag() string { return strings.ReplaceAll(strings.ToLower(k.name), "_", "-") }

func (k key) file() string { return k.name + "_FILE" }

// defaultIn is the default in an environment whose DATA_DIR is given; empty
// when there is none.
func (k key) defaultIn(environment, dataDir string) string {
	def := k.def
	if environment == development && k.dev != "" {
		def = k.dev
	}
	if databaseurl.IsSQLite(def) {
		dataDir = databaseurl.Escape(dataDir)
	}
	return strings.ReplaceAll(def, "${DATA_DIR}", dataDir)
}

// describe is the line that --help and the sample files have on a setting.
func (k key) describe() string {
	return fmt.Sprintf("%s (%s)", k.usage, k.describeDefault())
}

func (k key) describeDefault() string {
	switch {
	case k.required && k.dev != "":
		return fmt.Sprintf("default in development %s, elsewhere required", k.dev)
	case k.required:
		return "made on first start in development, elsewhere required"
	case k.dev != "":
		return fmt.Sprintf("default in development %s, elsewhere %s", k.dev, k.def)
	}
	return "default " + k.def
}
