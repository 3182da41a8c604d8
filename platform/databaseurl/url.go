// Package databaseurl parses the URL of a database in one place, and protects its
// secrets.
package databaseurl

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
)

// URL names a SQLite file or PostgreSQL servers. The zero value names nothing. fmt,
// log/slog and encoding/json print it without its secrets.
type URL struct {
	text     string
	file     string   // of SQLite
	postgres *url.URL // nil for SQLite
}

// Parse parses a URL. Its errors read as the end of a sentence about the URL. It
// replaces SQLAlchemy's name of the scheme, so that a setting of the FastAPI service
// can be kept.
func Parse(text string) (URL, error) {
	if IsSQLite(text) {
		file, err := fileOf(text)
		if err != nil {
			return URL{}, err
		}
		return URL{text: text, file: file}, nil
	}
	u, err := parsePostgres(text)
	if err != nil {
		return URL{}, err
	}
	if rest, found := strings.CutPrefix(text, "postgresql+asyncpg://"); found {
		text = "postgres://" + rest
	}
	return URL{text: text, postgres: u}, nil
}

// Must is Parse for a URL that is known to be valid, as in tests. It panics on an
// error.
func Must(text string) URL {
	u, err := Parse(text)
	if err != nil {
		panic("databaseurl: the URL " + err.Error())
	}
	return u
}

// File returns the path of the SQLite file, or "".
func (u URL) File() string { return u.file }

// IsSQLite reports whether the URL names a SQLite file.
func (u URL) IsSQLite() bool { return u.file != "" }

// IsZero reports whether the URL names nothing.
func (u URL) IsZero() bool { return u.text == "" }

// Reveal returns the URL with its secrets. It is for the driver, never for a message.
func (u URL) Reveal() string { return u.text }

// String returns the URL with the password masked. An @ in a file's path is an ordinary
// character.
func (u URL) String() string {
	if u.IsSQLite() {
		return u.text
	}
	return Mask(u.text)
}

// Format masks the password under every verb.
func (u URL) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Redact masks every part of the URL's secrets in a text.
func (u URL) Redact(text string) string {
	if u.postgres == nil {
		return text
	}
	password, _ := u.postgres.User.Password()
	query := u.postgres.Query()
	return Redact(text, password, query.Get("password"), query.Get("sslpassword"))
}

// CrossesNetworkInClear reports whether a PostgreSQL URL allows an unencrypted
// connection to another machine. "prefer", the drivers' default, does: an attacker who
// can listen can also answer that TLS is not available.
func (u URL) CrossesNetworkInClear() bool {
	switch u.postgres.Query().Get("sslmode") {
	case "require", "verify-ca", "verify-full":
		return false
	}
	return slices.ContainsFunc(u.Hosts(), func(host string) bool { return !IsLocal(host) })
}

// Hosts returns the servers that a PostgreSQL URL names, each as HOST or HOST:PORT.
func (u URL) Hosts() []string {
	if query := u.postgres.Query(); query.Has("host") {
		return strings.Split(query.Get("host"), ",")
	}
	return strings.Split(u.postgres.Host, ",")
}

// MayLeadToStandby reports whether a PostgreSQL URL names several servers and accepts
// any of them.
func (u URL) MayLeadToStandby() bool {
	attributes := u.postgres.Query().Get("target_session_attrs")
	return len(u.Hosts()) > 1 && attributes != "read-write" && attributes != "primary"
}

// AsksForStandby reports whether a PostgreSQL URL prefers a server that takes no writes.
func (u URL) AsksForStandby() bool {
	return u.postgres != nil &&
		slices.Contains([]string{"standby", "prefer-standby", "read-only"}, u.postgres.Query().Get("target_session_attrs"))
}

// IsLocal reports whether HOST or HOST:PORT is on this machine. An empty string and a
// path mean a Unix socket.
func IsLocal(hostPort string) bool {
	host := hostPort
	if net.ParseIP(host) == nil { // a bare IPv6 address has no port
		host = (&url.URL{Host: hostPort}).Hostname()
	}
	if host == "" || host == "localhost" || strings.HasPrefix(host, "/") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
