package config

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"guildhall/platform/databaseurl"
)

// validate looks at what one setting alone doesn't tell. What would be
// dangerous in production is a problem in every environment but development,
// where it is a warning; what only development may do (DEBUG, no secret yet)
// is not even that there.
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

// requireSettings leaves out those whose own fault has been named.
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

// howToSet tells where a value comes from. `openssl` is on nearly every machine.
func howToSet(name string) string {
	if name == "DATABASE_URL" {
		return "sqlite:///var/lib/guildhall/guildhall.db for a file, postgres://user@host/name for a server"
	}
	return "`openssl rand -base64 32` makes one"
}

// sameSecrets says whether one signs, or signed, both kinds of token.
func (c *Config) sameSecrets() bool {
	return slices.ContainsFunc(c.accessKeys(), func(s Secret) bool { return s != "" && slices.Contains(c.refreshKeys(), s) })
}

func (c *Config) warn(name, format string, args ...any) {
	c.Warnings = append(c.Warnings, name+": "+fmt.Sprintf(format, args...))
}

// checkSecrets is silent on a missing one: outside development that is
// requireSettings' to say.
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

// secretsSlip says what somebody who wrote a list of secrets may not have meant.
func secretsSlip(all []Secret) string {
	text := strings.TrimSpace(all[0].Reveal())
	switch {
	case len(all) == 1 && strings.HasPrefix(text, "[") && strings.ContainsAny(text, `,"'`):
		return "begins with [ and is not a JSON array of strings, so it is one secret"
	case len(all) > 1 && len(slices.Compact(slices.Sorted(slices.Values(all)))) < len(all):
		return "holds a secret more than once"
	}
	return ""
}

// secretsWeakness is secretWeakness of the first that has one.
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
