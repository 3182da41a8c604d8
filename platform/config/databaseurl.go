package config

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"

	"guildhall/platform/postgresurl"
	"guildhall/platform/sqliteurl"
)

type databaseURL struct{ target *Secret }

func (d databaseURL) kind() string   { return "string" }
func (d databaseURL) masked() string { return maskDatabaseURL(*d.target) }

// maskDatabaseURL leaves the URL of a file alone, in whose path an @ is a letter
// like any other.
func maskDatabaseURL(database Secret) string {
	if isSQLite(database) {
		return database.Reveal()
	}
	return maskURL(database.Reveal())
}

// parse takes SQLAlchemy's name of the scheme, so that the FastAPI service's
// setting can be kept as it is.
func (d databaseURL) parse(text string) error {
	if fault := wrapping(text); fault != "" {
		return errors.New(fault)
	}
	if err := CheckDatabaseURL(text); err != nil {
		return err
	}
	if rest, found := strings.CutPrefix(text, "postgresql+asyncpg://"); found {
		text = "postgres://" + rest
	}
	*d.target = Secret(text)
	return nil
}

// CheckDatabaseURL says what is wrong with a URL of a database, as the end of a
// sentence about it. It quotes nothing of a PostgreSQL URL, which may be a part of
// the password.
func CheckDatabaseURL(text string) error {
	if sqliteurl.Is(text) {
		_, err := sqliteurl.File(text)
		return err
	}
	_, err := postgresurl.Parse(text)
	return err
}

func isSQLite(database Secret) bool { return sqliteurl.Is(database.Reveal()) }

// crossesNetworkInClear reports whether a PostgreSQL URL lets the connection
// to another machine go unencrypted. "prefer", the drivers' default, does: who
// can listen can also answer that TLS is not available.
func crossesNetworkInClear(database Secret) bool {
	u, err := url.Parse(database.Reveal())
	if err != nil {
		return true
	}
	query := u.Query()
	switch query.Get("sslmode") {
	case "require", "verify-ca", "verify-full":
		return false
	}
	return slices.ContainsFunc(hostsOf(u), func(host string) bool { return !isLocal(host) })
}

// hostsOf are the servers that a PostgreSQL URL names, HOST or HOST:PORT each.
func hostsOf(u *url.URL) []string {
	if query := u.Query(); query.Has("host") {
		return strings.Split(query.Get("host"), ",")
	}
	return strings.Split(u.Host, ",")
}

// mayLeadToStandby reports whether a PostgreSQL URL names several servers and
// takes any that answers.
func mayLeadToStandby(database Secret) bool {
	u, err := url.Parse(database.Reveal())
	if err != nil || len(hostsOf(u)) < 2 {
		return false
	}
	attributes := u.Query().Get("target_session_attrs")
	return attributes != "read-write" && attributes != "primary"
}

// asksForStandby reports whether a PostgreSQL URL would rather have a server
// that takes no writes.
func asksForStandby(database Secret) bool {
	u, err := url.Parse(database.Reveal())
	return err == nil && slices.Contains([]string{"standby", "prefer-standby", "read-only"}, u.Query().Get("target_session_attrs"))
}

// isLocal takes HOST or HOST:PORT; empty and a path are a Unix socket.
func isLocal(hostPort string) bool {
	host := hostPort
	if net.ParseIP(host) == nil { // an IPv6 address without brackets has no port
		host = (&url.URL{Host: hostPort}).Hostname()
	}
	if host == "" || host == "localhost" || strings.HasPrefix(host, "/") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
