package config

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"guildhall/platform/databaseurl"
)

// validate checks combinations of settings. What is dangerous in production is a
// problem in every environment except development, where it is a warning. What is
// allowed only in development (DEBUG, missing secrets) is not even a warning there.
func (c *Config) validate(problems *Problems) {
	weak := problems.add
	if c.Development() {
		weak = c.warn
	} else {
		c.requireSettings(problems)
	}

	c.checkSecrets(weak, "JWT_SECRET_KEY", c.accessKeys())
	c.checkSecrets(weak, "JWT_REFRESH_SECRET_KEY", c.refreshKeys())
	if c.sameSecrets() {
		problems.add("JWT_REFRESH_SECRET_KEY", "is the same as JWT_SECRET_KEY")
	}
	if c.Debug && !c.Development() {
		problems.add("DEBUG", "is on outside development")
	}
	if c.DatabaseURL.AsksForStandby() {
		problems.add("DATABASE_URL", "asks by target_session_attrs for a server that takes no writes; standbys are for DATABASE_REPLICA_URLS")
	}
	if len(c.DatabaseReplicaURLs) > 0 && c.DatabaseURL.IsSQLite() {
		problems.add("DATABASE_REPLICA_URLS", "is for PostgreSQL, and DATABASE_URL is SQLite")
	}
	c.validateMail(problems)
	c.validatePasskeys(problems)
	c.validateProviders(problems, weak)
	for _, origin := range c.CORSOrigins {
		if fault := originFault(origin); fault != "" {
			weak("CORS_ORIGINS", "%q %s", databaseurl.Mask(origin), fault)
		}
	}
	for _, proxy := range c.TrustedProxies {
		if trustsEverybody(proxy) {
			c.warn("TRUSTED_PROXIES", "%s lets anyone choose the address they are counted under", proxy)
		}
	}
}

// requireSettings reports required settings that are missing, unless they have another
// problem already.
func (c *Config) requireSettings(problems *Problems) {
	for _, k := range keys() {
		if k.required && c.source(k.name) == sourceDefault && !problems.has(k.name) {
			problems.add(k.name, "has to be set outside development: %s", howToSet(k.name))
		}
	}
}

func (c *Config) accessKeys() []Secret {
	return append([]Secret{c.JWTSecretKey}, c.RetiredSecretKeys...)
}

func (c *Config) refreshKeys() []Secret {
	return append([]Secret{c.JWTRefreshSecretKey}, c.RetiredRefreshKeys...)
}

// howToSet returns how to get a value. `openssl` is available on nearly every machine.
func howToSet(name string) string {
	if name == "DATABASE_URL" {
		return "sqlite:///var/lib/guildhall/guildhall.db for a file, postgres://user@host/name for a server"
	}
	return "`openssl rand -base64 32` makes one"
}

// sameSecrets reports whether one secret signs, or signed, both kinds of token.
func (c *Config) sameSecrets() bool {
	return slices.ContainsFunc(c.accessKeys(), func(s Secret) bool { return s != "" && slices.Contains(c.refreshKeys(), s) })
}

func (c *Config) warn(name, format string, args ...any) {
	c.Warnings = append(c.Warnings, name+": "+fmt.Sprintf(format, args...))
}

// checkSecrets does not report a missing secret: outside development, requireSettings
// does.
func (c *Config) checkSecrets(weak func(name, format string, args ...any), name string, all []Secret) {
	if all[0] == "" {
		return
	}
	if weakness := secretsWeakness(all); weakness != "" {
		weak(name, "%s", weakness)
	}
	if slip := secretsSlip(all); slip != "" {
		c.warn(name, "%s", slip)
	}
}

// secretsSlip returns a probable mistake in a list of secrets.
func secretsSlip(all []Secret) string {
	text := strings.TrimSpace(all[0].Reveal())
	switch {
	case len(all) == 1 && strings.HasPrefix(text, "[") && strings.ContainsAny(text, `,"'`):
		return "begins with [ and is not a JSON array of strings, so it is one secret"
	case len(all) > 1 && len(slices.Compact(slices.Sorted(slices.Values(all)))) < len(all):
		return "contains a secret more than once"
	}
	return ""
}

// secretsWeakness returns the first weakness of the secrets.
func secretsWeakness(all []Secret) string {
	for i, s := range all {
		weakness := secretWeakness(s)
		if weakness != "" && len(all) > 1 {
			weakness = fmt.Sprintf("number %d %s", i+1, weakness)
		}
		if weakness != "" {
			return weakness
		}
	}
	return ""
}

func trustsEverybody(proxy string) bool {
	_, network, err := net.ParseCIDR(proxy)
	if err != nil {
		return false
	}
	ones, _ := network.Mask.Size()
	return ones == 0
}
