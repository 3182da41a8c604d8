package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"guildhall/platform/databaseurl"
)

// Finding is one line of the production checklist.
type Finding struct {
	OK      bool   `json:"ok"`   // false means that the configuration is not ready for production
	Warn    bool   `json:"warn"` // possibly a problem; only the operator can tell
	Name    string `json:"name"`
	Message string `json:"message"`
}

func (f Finding) String() string {
	mark := "ok  "
	switch {
	case !f.OK:
		mark = "FAIL"
	case f.Warn:
		mark = "warn"
	}
	return fmt.Sprintf("%s %s: %s", mark, f.Name, f.Message)
}

// Check runs the production checklist: it returns what makes this configuration unfit
// for production. Unless ENVIRONMENT is development, Load has already refused the worst
// problems, and Check reports the rest.
func (c *Config) Check() []Finding {
	return []Finding{
		c.checkEnvironment(),
		choose("DEBUG", !c.Debug, "is off", "is on: turn it off"),
		c.checkSecret("JWT_SECRET_KEY", c.accessKeys()),
		c.checkSecret("JWT_REFRESH_SECRET_KEY", c.refreshKeys()),
		choose("JWT_REFRESH_SECRET_KEY", !c.sameSecrets(), "differs from JWT_SECRET_KEY", "is the same as JWT_SECRET_KEY"),
		c.checkDatabase(),
		c.checkReplicas(),
		c.checkOrigins(),
		c.checkProxies(),
		c.checkPrivateAddress(),
		c.checkMail(),
		c.checkPages(),
		c.checkPasskeys(),
		c.checkProviders(),
		choose("RATE_LIMIT_ENABLED", c.RateLimitEnabled, "is on", "is off: the number of password guesses is not limited"),
		c.checkConfirmation(),
		note("ENABLE_REGISTRATION", c.EnableRegistration, "is on: anyone can create an account", "is off"),
		note("LOG_FORMAT", c.LogFormat == "json", "is json", "is text: log collectors need json"),
	}
}

func choose(name string, ok bool, good, bad string) Finding {
	if !ok {
		return Finding{OK: false, Name: name, Message: bad}
	}
	return Finding{OK: true, Name: name, Message: good}
}

// note returns a finding that never fails the check.
func note(name string, is bool, yes, no string) Finding {
	f := choose(name, is, yes, no)
	f.OK = true
	return f
}

func (c *Config) checkEnvironment() Finding {
	return choose("ENVIRONMENT", c.Environment == production,
		"is production", fmt.Sprintf("is %s: set it to production", c.Environment))
}

func (c *Config) checkSecret(name string, all []Secret) Finding {
	if all[0] == "" || c.source(name) == sourceMade {
		return Finding{OK: false, Name: name, Message: "is not set"}
	}
	told := "is set: one key"
	if len(all) > 1 {
		told = fmt.Sprintf("is set: %d keys, of which the first signs", len(all))
	}
	if weakness := secretsWeakness(all); weakness != "" {
		return Finding{OK: false, Name: name, Message: weakness}
	}
	if slip := secretsSlip(all); slip != "" {
		return Finding{OK: true, Warn: true, Name: name, Message: slip}
	}
	return Finding{OK: true, Name: name, Message: told}
}

func (c *Config) checkDatabase() Finding {
	const name = "DATABASE_URL"
	switch {
	case c.DatabaseURL.IsZero() || c.source(name) == sourceDefault:
		return Finding{OK: false, Name: name, Message: "is not set"}
	case c.DatabaseURL.IsSQLite():
		file, err := filepath.Abs(c.DatabaseURL.File())
		if err != nil {
			return Finding{OK: false, Name: name, Message: err.Error()}
		}
		return Finding{OK: true, Name: name, Message: "is set: SQLite, for one process on one machine, in " + file}
	case c.DatabaseURL.CrossesNetworkInClear():
		return Finding{OK: false, Name: name, Message: "is PostgreSQL on another machine without sslmode=require, verify-ca or verify-full"}
	case c.DatabaseURL.MayLeadToStandby():
		return Finding{OK: false, Name: name, Message: "names several servers and may lead to a standby: add target_session_attrs=read-write"}
	}
	return Finding{OK: true, Name: name, Message: "is set: PostgreSQL"}
}

func (c *Config) checkReplicas() Finding {
	const name = "DATABASE_REPLICA_URLS"
	for i, replica := range c.DatabaseReplicaURLs {
		if replica.CrossesNetworkInClear() {
			return Finding{OK: false, Name: name, Message: fmt.Sprintf("number %d is on another machine without sslmode=require, verify-ca or verify-full", i+1)}
		}
	}
	return Finding{OK: true, Name: name, Message: fmt.Sprintf("lists %d standby(s)", len(c.DatabaseReplicaURLs))}
}

// checkPages warns about pages whose cookie a browser would send without encryption.
func (c *Config) checkPages() Finding {
	const name = "PUBLIC_URL"
	switch {
	case !c.AccountPages && !c.Console:
		return Finding{OK: true, Name: name, Message: "concerns no pages: they are off"}
	case c.PublicURL == "":
		return Finding{OK: true, Warn: true, Name: name, Message: "is not set: the pages' cookie is not Secure, and the pages work only at the root of a host. Set it, or turn the pages off (ACCOUNT_PAGES, CONSOLE)"}
	case !strings.HasPrefix(c.PublicURL, "https://"):
		return Finding{OK: true, Warn: true, Name: name, Message: "is not https: the pages' cookie is not Secure"}
	}
	return Finding{OK: true, Name: name, Message: "is https: the pages' cookie is Secure"}
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
			faults = append(faults, fmt.Sprintf("%q %s", databaseurl.Mask(origin), fault))
		}
	}
	switch {
	case faults != nil:
		return Finding{OK: false, Name: name, Message: strings.Join(faults, ", ")}
	case len(c.CORSOrigins) == 0:
		return Finding{OK: true, Name: name, Message: "is empty: no page of another origin may call the API"}
	}
	return Finding{OK: true, Name: name, Message: fmt.Sprintf("lists %d exact origin(s)", len(c.CORSOrigins))}
}

func (c *Config) checkProxies() Finding {
	const name = "TRUSTED_PROXIES"
	for _, proxy := range c.TrustedProxies {
		if trustsEverybody(proxy) {
			return Finding{OK: false, Name: name, Message: proxy + " lets anyone choose the address they are counted under"}
		}
	}
	switch {
	case len(c.TrustedProxies) > 0:
		return Finding{OK: true, Name: name, Message: fmt.Sprintf("lists %d address(es) or range(s)", len(c.TrustedProxies))}
	case !c.Development() && isInner(c.Host):
		return Finding{OK: true, Warn: true, Name: name, Message: fmt.Sprintf(
			"is empty, and at HOST=%s the service is likely to be behind a proxy: then all clients share its address and its rate limits, unless this names it", c.Host)}
	}
	return Finding{OK: true, Name: name, Message: "is empty: a client's address is that of the connection, which behind a proxy is the proxy's"}
}

// isInner reports whether an address to listen on can't be reached from the Internet.
func isInner(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && (address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast())
}

// checkPrivateAddress fails on a public address. It only notes an address that means
// every address of the machine: containers listen on that, and their network restricts
// access.
func (c *Config) checkPrivateAddress() Finding {
	const name = "PRIVATE_ADDRESS"
	if c.PrivateAddress == "" {
		return Finding{OK: true, Name: name, Message: "is none: no metrics are served"}
	}
	host, _, err := net.SplitHostPort(c.PrivateAddress)
	address, parsed := netip.ParseAddr(host)
	switch {
	case err != nil:
		return Finding{OK: false, Name: name, Message: "is not host:port"}
	case host == "" || parsed == nil && address.IsUnspecified():
		return Finding{OK: true, Name: name, Message: "is on every address: make sure that the network allows only those who may read metrics and profiles"}
	case parsed == nil && !address.IsLoopback() && !address.IsPrivate() && !address.IsLinkLocalUnicast():
		return Finding{OK: false, Name: name, Message: "is a public address: anyone could read metrics and profiles"}
	}
	return Finding{OK: true, Name: name, Message: "is " + c.PrivateAddress}
}
