package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"guildhall/platform/sqliteurl"
)

// Finding is one line of the production checklist.
type Finding struct {
	OK      bool // false: this stands between the configuration and production
	Name    string
	Message string
}

func (f Finding) String() string {
	mark := "ok  "
	if !f.OK {
		mark = "FAIL"
	}
	return fmt.Sprintf("%s %s: %s", mark, f.Name, f.Message)
}

// Check is the production checklist, done: what stands between this
// configuration and production. Load has refused the worst of it already where
// ENVIRONMENT is not development; from there, this tells what is still to do.
func (c *Config) Check() []Finding {
	return []Finding{
		c.checkEnvironment(),
		choose("DEBUG", !c.Debug, "is off", "is on: turn it off"),
		c.checkSecret("JWT_SECRET_KEY", c.JWTSecretKey),
		c.checkSecret("JWT_REFRESH_SECRET_KEY", c.JWTRefreshSecretKey),
		choose("JWT_REFRESH_SECRET_KEY", !c.sameSecrets(), "differs from JWT_SECRET_KEY", "is the same as JWT_SECRET_KEY"),
		c.checkDatabase(),
		c.checkReplicas(),
		c.checkOrigins(),
		c.checkProxies(),
		c.checkPrivateAddress(),
		choose("RATE_LIMIT_ENABLED", c.RateLimitEnabled, "is on", "is off: passwords can be guessed without end"),
		note("ENABLE_REGISTRATION", c.EnableRegistration, "is on: anyone can create an account", "is off"),
		note("LOG_FORMAT", c.LogFormat == "json", "is json", "is text: a log collector will want json"),
	}
}

func choose(name string, ok bool, good, bad string) Finding {
	if !ok {
		return Finding{false, name, bad}
	}
	return Finding{true, name, good}
}

// note is a finding that fails nobody.
func note(name string, is bool, yes, no string) Finding {
	f := choose(name, is, yes, no)
	f.OK = true
	return f
}

func (c *Config) checkEnvironment() Finding {
	return choose("ENVIRONMENT", c.Environment == production,
		"is production", fmt.Sprintf("is %s: set it to production", c.Environment))
}

func (c *Config) checkSecret(name string, s Secret) Finding {
	if s == "" || c.source(name) == sourceMade {
		return Finding{false, name, "is not set"}
	}
	weakness := secretWeakness(s)
	return choose(name, weakness == "", "is set", weakness)
}

func (c *Config) checkDatabase() Finding {
	const name = "DATABASE_URL"
	switch {
	case c.DatabaseURL == "" || c.source(name) == sourceDefault:
		return Finding{false, name, "is not set"}
	case isSQLite(c.DatabaseURL):
		file, err := sqliteurl.File(c.DatabaseURL.Reveal())
		if err == nil {
			file, err = filepath.Abs(file)
		}
		if err != nil {
			return Finding{false, name, err.Error()}
		}
		return Finding{true, name, "is set: SQLite, for one process on one machine, in " + file}
	case crossesNetworkInClear(c.DatabaseURL):
		return Finding{false, name, "is PostgreSQL on another machine without sslmode=require, verify-ca or verify-full"}
	case mayLeadToStandby(c.DatabaseURL):
		return Finding{false, name, "names several servers and may lead to a standby: add target_session_attrs=read-write"}
	}
	return Finding{true, name, "is set: PostgreSQL"}
}

func (c *Config) checkReplicas() Finding {
	const name = "DATABASE_REPLICA_URLS"
	for i, replica := range c.DatabaseReplicaURLs {
		if crossesNetworkInClear(replica) {
			return Finding{false, name, fmt.Sprintf("number %d is on another machine without sslmode=require, verify-ca or verify-full", i+1)}
		}
	}
	return Finding{true, name, fmt.Sprintf("lists %d standby(s)", len(c.DatabaseReplicaURLs))}
}

func (c *Config) checkOrigins() Finding {
	const name = "CORS_ORIGINS"
	var faults []string
	for _, origin := range c.CORSOrigins {
		fault := originFault(origin)
		if fault == "" && isClearOrigin(origin) {
			fault = "is not https"
		}
		if fault != "" {
			faults = append(faults, fmt.Sprintf("%q %s", maskURL(origin), fault))
		}
	}
	switch {
	case faults != nil:
		return Finding{false, name, strings.Join(faults, ", ")}
	case len(c.CORSOrigins) == 0:
		return Finding{true, name, "is empty: no page of another origin may call"}
	}
	return Finding{true, name, fmt.Sprintf("lists %d exact origin(s)", len(c.CORSOrigins))}
}

func (c *Config) checkProxies() Finding {
	const name = "TRUSTED_PROXIES"
	for _, proxy := range c.TrustedProxies {
		if trustsEverybody(proxy) {
			return Finding{false, name, proxy + " lets anyone choose the address they are counted under"}
		}
	}
	return Finding{true, name, fmt.Sprintf("lists %d address(es) or range(s)", len(c.TrustedProxies))}
}

// checkPrivateAddress fails on a public address. Every address of the machine is
// what a container listens on, where the network keeps others out.
func (c *Config) checkPrivateAddress() Finding {
	const name = "PRIVATE_ADDRESS"
	if c.PrivateAddress == "" {
		return Finding{true, name, "is none: no metrics are served"}
	}
	host, _, err := net.SplitHostPort(c.PrivateAddress)
	address, parsed := netip.ParseAddr(host)
	switch {
	case err != nil:
		return Finding{false, name, "is not host:port"}
	case host == "" || parsed == nil && address.IsUnspecified():
		return Finding{true, name, "is on every address: see that the network lets only those in who may read metrics and profiles"}
	case parsed == nil && !address.IsLoopback() && !address.IsPrivate() && !address.IsLinkLocalUnicast():
		return Finding{false, name, "is a public address: anyone could read metrics and profiles"}
	}
	return Finding{true, name, "is " + c.PrivateAddress}
}
