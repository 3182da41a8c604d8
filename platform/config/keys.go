package config

import (
	"fmt"
	"strings"
	"time"

	"guildhall/platform/databaseurl"
	"guildhall/platform/password"
	"guildhall/platform/token"
)

// key is one setting. Its name is the environment variable. The flag and the NAME_FILE
// variant are derived from it.
type key struct {
	name     string
	usage    string // one line, with the unit
	def      string // the default; "${DATA_DIR}" is replaced by that setting
	dev      string // the default in development, if it differs
	required bool   // it must be set outside development
	bind     func(*Config) value
}

// keys returns the table of all settings. Flags, defaults, parsing, printing and the
// test of the sample files use it. ENVIRONMENT and DATA_DIR come first, because later
// defaults depend on them.
func keys() []key {
	return []key{
		{name: "ENVIRONMENT", def: development,
			usage: "name of the environment; all except development follow the rules for production",
			bind:  func(c *Config) value { return word{&c.Environment, oneWord} }},
		{name: "DATA_DIR", def: "data",
			usage: "directory of the SQLite database and of the secrets created in development",
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
			usage: "host:port of metrics, profiles and probes, which must not be public, or none",
			bind:  func(c *Config) value { return hostPort{&c.PrivateAddress} }},
		{name: "DATABASE_URL", dev: "sqlite://${DATA_DIR}/guildhall.db", required: true, //nolint:gosec // an example of a URL
			usage: "sqlite://path, postgres://user:password@host/name, or SQLAlchemy's postgresql+asyncpg://",
			bind:  func(c *Config) value { return databaseURL{&c.DatabaseURL} }},
		{name: "DATABASE_REPLICA_URLS", def: "[]",
			usage: "URLs of PostgreSQL standbys that serve some of the reads; a JSON array or comma separated",
			bind:  func(c *Config) value { return replicaURLs{&c.DatabaseReplicaURLs} }},
		{name: "DATABASE_MAX_CONNECTIONS", def: "10",
			usage: "maximum number of connections to the database, and to each standby, 1 to 1000",
			bind:  func(c *Config) value { return number{&c.DatabaseMaxConnections, 1, 1000} }},
		{name: "DATABASE_POOL_MODE", def: "session",
			usage: "mode of the connection pooler in front of PostgreSQL (PgBouncer): session, also without a pooler, or transaction",
			bind:  func(c *Config) value { return word{&c.DatabasePoolMode, oneOf("session", "transaction")} }},
		{name: "DATABASE_ROW_SECURITY", def: "false",
			usage: "use PostgreSQL's row-level security, which `guildhall row-security on` turns on; it has a cost",
			bind:  func(c *Config) value { return boolean{&c.DatabaseRowSecurity} }},
		{name: "MIGRATE_ON_START", def: "false", dev: "true",
			usage: "apply pending migrations to the database at start",
			bind:  func(c *Config) value { return boolean{&c.MigrateOnStart} }},
		{name: "DATABASE_COPY_BEFORE_MIGRATING", def: "true",
			usage: "keep a copy of the SQLite file from before each schema change",
			bind:  func(c *Config) value { return boolean{&c.DatabaseCopyBeforeMigrating} }},
		{name: "JWT_SECRET_KEY", required: true,
			usage: "key that signs access tokens; 32 random bytes or more; in a JSON array of several, the first signs and all are accepted",
			bind:  func(c *Config) value { return secrets{&c.JWTSecretKey, &c.RetiredSecretKeys} }},
		{name: "JWT_REFRESH_SECRET_KEY", required: true,
			usage: "key that signs refresh tokens; 32 random bytes or more, other than JWT_SECRET_KEY; in a JSON array of several, the first signs and all are accepted",
			bind:  func(c *Config) value { return secrets{&c.JWTRefreshSecretKey, &c.RetiredRefreshKeys} }},
		{name: "JWT_ALGORITHM", def: token.ES256,
			usage: "algorithm of a new key that signs access tokens: ES256, RS256 or HS256; `guildhall keys rotate` makes one",
			bind:  func(c *Config) value { return text{&c.JWTAlgorithm, oneOf(token.Algorithms...)} }},
		{name: "SIGNING_KEY_ROTATION_DAYS", def: "90",
			usage: "days after which another key signs access tokens, 0 to 3650; 0 leaves it to `guildhall keys rotate`; not of HS256",
			bind:  func(c *Config) value { return span{&c.SigningKeyRotation, 24 * time.Hour, 0, 3650} }},
		{name: "JWT_ISSUER", def: "guildhall",
			usage: "iss claim of the tokens issued and accepted",
			bind:  func(c *Config) value { return text{&c.JWTIssuer, anything} }},
		{name: "JWT_AUDIENCE", def: "guildhall",
			usage: "aud claim of the tokens issued and accepted",
			bind:  func(c *Config) value { return text{&c.JWTAudience, anything} }},
		{name: "JWT_ACCESS_TOKEN_EXPIRE_MINUTES", def: "30",
			usage: "lifetime of an access token in minutes, 1 to 43200",
			bind:  func(c *Config) value { return span{&c.AccessTokenTTL, time.Minute, 1, 43200} }},
		{name: "JWT_REFRESH_TOKEN_EXPIRE_DAYS", def: "7",
			usage: "lifetime of a session in days, 1 to 365",
			bind:  func(c *Config) value { return span{&c.RefreshTokenTTL, 24 * time.Hour, 1, 365} }},
		{name: "JWT_REFRESH_ROTATION", def: "true",
			usage: "rotate the refresh token at each refresh; false keeps one for the lifetime of the session",
			bind:  func(c *Config) value { return boolean{&c.RefreshRotation} }},
		{name: "JWT_REFRESH_GRACE_SECONDS", def: "10",
			usage: "seconds during which a rotated refresh token is still accepted, 0 to 60",
			bind:  func(c *Config) value { return span{&c.RefreshGrace, time.Second, 0, 60} }},
		{name: "ENABLE_REGISTRATION", def: "false", dev: "true",
			usage: "allow anyone to create an account",
			bind:  func(c *Config) value { return boolean{&c.EnableRegistration} }},
		{name: "REGISTRATION_CONFIRM_EMAIL", def: "false",
			usage: "create an account only when a code from a mail proves its address",
			bind:  func(c *Config) value { return boolean{&c.ConfirmEmail} }},
		{name: "LOG_IN_BY_EMAIL", def: "false",
			usage: "allow people to log in with a code from a mail instead of their password",
			bind:  func(c *Config) value { return boolean{&c.LogInByEmail} }},
		{name: "ACCOUNT_PAGES", def: "true",
			usage: "serve pages at /account, where people log in, reset their password, and answer mails",
			bind:  func(c *Config) value { return boolean{&c.AccountPages} }},
		{name: "CONSOLE", def: "true",
			usage: "serve pages at /console, where people look after organizations, and platform administrators after everything",
			bind:  func(c *Config) value { return boolean{&c.Console} }},
		{name: "PRODUCT_NAME", def: "Guildhall",
			usage: "your product's name on the pages of accounts",
			bind:  func(c *Config) value { return text{&c.ProductName, anything} }},
		{name: "THEME_DIR", def: none,
			usage: "directory with theme.css (colours) and logo.svg for the pages of accounts, or none",
			bind:  func(c *Config) value { return path{&c.ThemeDir} }},
		{name: "PAGE_LINKS", def: "[]",
			usage: "links at the foot of the pages of accounts, each as Text=https://…; a JSON array or comma separated",
			bind:  func(c *Config) value { return list{&c.PageLinks, pageLink} }},
		{name: "STEP_UP_MAX_AGE_SECONDS", def: "600",
			usage: "seconds after a log-in in which a person may change what secures their account without confirming that it is them, 60 to 86400",
			bind:  func(c *Config) value { return span{&c.StepUpMaxAge, time.Second, 60, 86400} }},
		{name: "MFA_RECOVERY_DELAY_HOURS", def: "24",
			usage: "hours until a person who lost every second factor, and proved their password and their mailbox, may log in without one, 1 to 720",
			bind:  func(c *Config) value { return span{&c.FactorRecoveryDelay, time.Hour, 1, 720} }},
		{name: "ERASE_AFTER_DAYS", def: "14",
			usage: "days until the data of a person who asked for its erasure is deleted; until then the account is archived, and can be restored, 0 to 365",
			bind:  func(c *Config) value { return span{&c.ErasureDelay, 24 * time.Hour, 0, 365} }},
		{name: "API_KEY_PREFIX", def: "guildhall",
			usage: "first part of new API keys, before _key_: 2 to 15 lower-case letters and digits, not beginning with gh",
			bind:  func(c *Config) value { return word{&c.APIKeyPrefix, keyPrefix} }},
		{name: "API_KEY_MAX_DAYS", def: "365",
			usage: "longest life of an API key in days, at most 3650; 0 for any, also endless",
			bind:  func(c *Config) value { return span{&c.APIKeyLongest, 24 * time.Hour, 0, 3650} }},
		{name: "REVOCATION_POLL_MS", def: "500",
			usage: "milliseconds after which a process learns what another one has revoked, while a program waits for that, 50 to 10000",
			bind:  func(c *Config) value { return span{&c.RevocationPoll, time.Millisecond, 50, 10_000} }},
		{name: "CORS_ORIGINS", def: "[]",
			usage: "exact origins whose pages may call the API, with any header; a JSON array or comma separated",
			bind:  func(c *Config) value { return list{&c.CORSOrigins, anything} }},
		{name: "TRUSTED_PROXIES", def: "[]",
			usage: "addresses or CIDR ranges of proxies whose X-Forwarded-For is trusted; a JSON array or comma separated",
			bind:  func(c *Config) value { return list{&c.TrustedProxies, addressOrRange} }},
		{name: "RATE_LIMIT_ENABLED", def: "true",
			usage: "limit repeated attempts to log in",
			bind:  func(c *Config) value { return boolean{&c.RateLimitEnabled} }},
		{name: "PASSWORD_BREACHED_FILE", def: none,
			usage: "file of breached passwords that nobody may choose, Have I Been Pwned's sorted list of lines SHA1:count, or none",
			bind:  func(c *Config) value { return path{&c.PasswordBreachedFile} }},
		{name: "PASSWORD_HASH_PARAMETERS", def: password.Default.String(),
			usage: "cost of new argon2id hashes: memory in KiB, passes, lanes; a stored hash with another cost is replaced when its user logs in",
			bind:  func(c *Config) value { return hashParameters{&c.PasswordHashParameters} }},
		{name: "PASSWORD_HASH_CONCURRENCY", def: "0",
			usage: "passwords hashed in parallel, at most 1024; 0 for as many as cores and memory allow",
			bind:  func(c *Config) value { return number{&c.PasswordHashConcurrency, 0, 1024} }},
		{name: "PASSWORD_HASH_QUEUE", def: "64",
			usage: "requests that may wait for a hash; further ones get 503; 0 to 100000",
			bind:  func(c *Config) value { return number{&c.PasswordHashQueue, 0, 100_000} }},
		{name: "PASSWORD_IMPORT_KEYS", def: "{}",
			usage: "secrets that imported password hashes name, such as Firebase's signer key or Devise's pepper: a JSON object of names and keys",
			bind:  func(c *Config) value { return namedSecrets{&c.PasswordImportKeys} }},
		{name: "SESSION_RETENTION_DAYS", def: "30",
			usage: "retention of ended and expired sessions in days, 1 to 3650",
			bind:  func(c *Config) value { return span{&c.SessionRetention, 24 * time.Hour, 1, 3650} }},
		{name: "IDEMPOTENCY_KEY_RETENTION_HOURS", def: "24",
			usage: "hours for which a request with the same Idempotency-Key gets the first response again, 1 to 720",
			bind:  func(c *Config) value { return span{&c.IdempotencyRetention, time.Hour, 1, 720} }},
		{name: "AUDIT_RETENTION_DAYS", def: "0",
			usage: "retention of audit events in days, at most 36500; 0 keeps them forever",
			bind:  func(c *Config) value { return span{&c.AuditRetention, 24 * time.Hour, 0, 36500} }},
		{name: "PUBLIC_URL", def: none,
			usage: "URL under which people reach the service, such as https://accounts.example.com; links in mails begin with it",
			bind:  func(c *Config) value { return optional{&c.PublicURL, baseURL} }},
		{name: "APP_URL", def: none,
			usage: "URL of the product's front end; if set, links in mails begin with it instead of PUBLIC_URL",
			bind:  func(c *Config) value { return optional{&c.AppURL, baseURL} }},
		{name: "WEBAUTHN_RP_ID", def: none,
			usage: "domain that passkeys belong to; if none, the host of PUBLIC_URL or else of APP_URL; a change makes all passkeys useless",
			bind:  func(c *Config) value { return optional{&c.WebAuthnRPID, domainName} }},
		{name: "WEBAUTHN_ORIGINS", def: "[]",
			usage: "origins of the pages that may use passkeys; a JSON array or comma separated; if empty, those of PUBLIC_URL and APP_URL",
			bind:  func(c *Config) value { return list{&c.WebAuthnOrigins, pageOrigin} }},
		{name: "AUTH_REDIRECT_URIS", def: "[]",
			usage: "exact URLs of your clients to which a provider of PROVIDERS sends people back; a JSON array or comma separated; the pages of accounts need none",
			bind:  func(c *Config) value { return list{&c.RedirectURIs, redirectURI} }},
		{name: "PROVIDERS", def: "[]",
			usage: "other services with which people may log in: a JSON array of objects with id, client_id and client_secret, and for other ids than google, microsoft and github an issuer",
			bind:  func(c *Config) value { return providers{&c.Providers} }},
		{name: "MAIL_TRANSPORT", def: none, dev: mailbox,
			usage: "how mails are sent: smtp, none, or in development mailbox, which shows them at /dev/mailbox",
			bind:  func(c *Config) value { return word{&c.Mail.Transport, oneOf(smtp, none, mailbox)} }},
		{name: "MAIL_FROM", def: none,
			usage: "sender of all mails: an address, or Name <address>",
			bind:  func(c *Config) value { return optional{&c.Mail.From, mailAddress} }},
		{name: "MAIL_RETURN_PATH", def: none,
			usage: "address for bounces, if it is another than that of MAIL_FROM",
			bind:  func(c *Config) value { return optional{&c.Mail.ReturnPath, bareMailAddress} }},
		{name: "MAIL_TEMPLATES_DIR", def: none,
			usage: "directory of mail templates that replace the built-in ones, or none",
			bind:  func(c *Config) value { return path{&c.Mail.TemplatesDir} }},
		{name: "MAIL_DEFAULT_LOCALE", def: "en",
			usage: "language of mails to people whose language is unknown: en or de",
			bind:  func(c *Config) value { return word{&c.Mail.DefaultLocale, oneOf("en", "de")} }},
		{name: "SMTP_HOST", def: none,
			usage: "host name of the SMTP server",
			bind:  func(c *Config) value { return optional{&c.Mail.Host, hostName} }},
		{name: "SMTP_PORT", def: "587",
			usage: "TCP port of the SMTP server, 1 to 65535",
			bind:  func(c *Config) value { return number{&c.Mail.Port, 1, 65535} }},
		{name: "SMTP_TLS", def: "starttls",
			usage: "encryption to the SMTP server: starttls, implicit (usually on port 465), or none on this machine only",
			bind:  func(c *Config) value { return word{&c.Mail.TLS, oneOf("starttls", "implicit", none)} }},
		{name: "SMTP_USERNAME", def: none,
			usage: "user name at the SMTP server, or none to send without authentication",
			bind:  func(c *Config) value { return optional{&c.Mail.Username, anything} }},
		{name: "SMTP_PASSWORD", def: none,
			usage: "password at the SMTP server",
			bind:  func(c *Config) value { return optionalSecret{&c.Mail.Password} }},
		{name: "BACKUP_DIR", def: none,
			usage: "directory for scheduled backups, or none",
			bind:  func(c *Config) value { return path{&c.BackupDir} }},
		{name: "BACKUP_INTERVAL_HOURS", def: "24",
			usage: "interval of scheduled backups in hours, 1 to 720",
			bind:  func(c *Config) value { return span{&c.BackupInterval, time.Hour, 1, 720} }},
		{name: "BACKUP_KEEP", def: "7",
			usage: "number of scheduled backups to keep, 1 to 1000",
			bind:  func(c *Config) value { return number{&c.BackupKeep, 1, 1000} }},
		{name: "LOG_LEVEL", def: "info",
			usage: "minimum log level: debug, info, warn or error",
			bind:  func(c *Config) value { return word{&c.LogLevel, oneOf("debug", "info", "warn", "error")} }},
		{name: "LOG_FORMAT", def: "json", dev: "text",
			usage: "text or json",
			bind:  func(c *Config) value { return word{&c.LogFormat, oneOf("text", "json")} }},
		{name: "LOG_CLIENT_ADDRESS", def: "true",
			usage: "log the client's address, as determined by TRUSTED_PROXIES, with each request",
			bind:  func(c *Config) value { return boolean{&c.LogClientAddress} }},
		{name: "DRAIN_DELAY_SECONDS", def: "5", dev: "0",
			usage: "at shutdown, seconds during which /readyz returns 503 before connections are refused, 0 to 300",
			bind:  func(c *Config) value { return span{&c.DrainDelay, time.Second, 0, 300} }},
		{name: "DRAIN_TIMEOUT_SECONDS", def: "25",
			usage: "at shutdown, seconds that requests in progress have to finish, 1 to 3600",
			bind:  func(c *Config) value { return span{&c.DrainTimeout, time.Second, 1, 3600} }},
	}
}

// kind returns the type of the setting's value, as --help shows it.
func (k key) kind() string { return k.bind(new(Config)).kind() }

func (k key) flag() string { return strings.ReplaceAll(strings.ToLower(k.name), "_", "-") }

func (k key) file() string { return k.name + "_FILE" }

// defaultIn returns the default in an environment with the given DATA_DIR, or an empty
// string if there is none.
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

// describe returns the description of the setting in --help and in the sample files.
func (k key) describe() string {
	return fmt.Sprintf("%s (%s)", k.usage, k.describeDefault())
}

func (k key) describeDefault() string {
	switch {
	case k.required && k.dev != "":
		return fmt.Sprintf("default in development %s, elsewhere required", k.dev)
	case k.required:
		return "created on first start in development, elsewhere required"
	case k.dev != "":
		return fmt.Sprintf("default in development %s, elsewhere %s", k.dev, k.def)
	}
	return "default " + k.def
}
