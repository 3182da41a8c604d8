package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"guildhall/platform/databaseurl"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// server is the server that the connections of a pool lead to.
type server struct {
	config *pgx.ConnConfig
	most   int // the maximum number of connections
}

func (s server) role() string     { return pgx.Identifier{s.config.User}.Sanitize() }
func (s server) database() string { return pgx.Identifier{s.config.Database}.Sanitize() }

func (s server) address() string {
	if strings.HasPrefix(s.config.Host, "/") {
		return s.config.Host
	}
	return net.JoinHostPort(s.config.Host, strconv.Itoa(int(s.config.Port)))
}

// explain returns an error that says why the server refuses a connection or a
// statement, and how to fix that. An error that it does not recognise keeps the
// driver's text, without the password.
func (s server) explain(err error) error {
	if _, already := asUnfit(err); already || err == nil {
		return err
	}
	var pg *pgconn.PgError
	var u unfit
	switch {
	case errors.As(err, &pg):
		u = s.explainRefusal(pg, isConnecting(err))
	case !s.severalHosts():
		u = s.explainSilence(err)
	}
	if u.what == "" {
		return fmt.Errorf("the database does not answer: %w", redact(err, s.config))
	}
	return u
}

func isConnecting(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect)
}

func (s server) severalHosts() bool {
	return slices.ContainsFunc(s.config.Fallbacks, func(f *pgconn.FallbackConfig) bool {
		return f.Host != s.config.Host || f.Port != s.config.Port
	})
}

// explainRefusal explains an error that the server returned. The server's messages are
// in the language that it is set to, so only their codes are compared and, if one code
// has several meanings, the name of the server's function (protocol field R).
func (s server) explainRefusal(from *pgconn.PgError, connecting bool) unfit {
	said := *from
	said.Message = databaseurl.Redact(from.Message, s.config.Password)
	pg := &said
	switch pg.Code {
	case "3D000":
		return unfit{
			fmt.Sprintf("there is no database %s at %s", s.database(), s.address()),
			fmt.Sprintf("as a superuser run %s, or correct the name in the URL", newDatabase(s.database(), s.role())),
		}
	case "28P01":
		return s.explainPassword()
	case "28000":
		if pg.Routine == "InitializeSessionUserId" {
			return unfit{
				fmt.Sprintf("%s refuses log-ins as %s (%s)", s.address(), s.role(), pg.Message),
				fmt.Sprintf("as a superuser run CREATE ROLE %s LOGIN, or ALTER ROLE %[1]s LOGIN if that role exists", s.role()),
			}
		}
		return s.explainHost(pg)
	case "53300":
		return s.explainTooMany(pg)
	case "57014":
		return s.explainTimeout()
	}
	switch {
	case !connecting:
		return unfit{}
	case pg.Code == "42501":
		return unfit{
			fmt.Sprintf("%s may not connect to database %s", s.role(), s.database()),
			fmt.Sprintf("as a superuser run GRANT CONNECT ON DATABASE %s TO %s", s.database(), s.role()),
		}
	}
	return s.explainParameter(pg)
}

// newDatabase returns a statement that creates a database that suits the service,
// regardless of the server's defaults.
func newDatabase(name, owner string) string {
	return fmt.Sprintf("CREATE DATABASE %s OWNER %s ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0", name, owner)
}

func (s server) explainPassword() unfit {
	u := unfit{
		fmt.Sprintf("%s rejects the password of %s", s.address(), s.role()),
		fmt.Sprintf("put the right one into the URL, percent-encoded, or as a superuser run ALTER ROLE %s PASSWORD '…', or CREATE ROLE %[1]s LOGIN PASSWORD '…' if the role does not exist", s.role()),
	}
	if s.config.Password == "" {
		u.what = fmt.Sprintf("%s asks for a password of %s, and the URL has none", s.address(), s.role())
	}
	return u
}

// explainHost explains a refusal by pg_hba.conf.
func (s server) explainHost(pg *pgconn.PgError) unfit {
	u := unfit{
		fmt.Sprintf("the pg_hba.conf of %s does not let %s into %s (%s)", s.address(), s.role(), s.database(), pg.Message),
		fmt.Sprintf("add a line there, such as: hostssl %s %s ADDRESS/32 scram-sha-256, and run SELECT pg_reload_conf()", s.database(), s.role()),
	}
	if s.config.TLSConfig == nil {
		u.fix = "set sslmode=require in the URL, because the server may accept only connections with TLS (hostssl); otherwise " + u.fix
	}
	return u
}

func (s server) explainTooMany(pg *pgconn.PgError) unfit {
	fewer := fmt.Sprintf("lower DATABASE_MAX_CONNECTIONS, which is %d for each process", s.most)
	switch pg.Routine {
	case "InitializeSessionUserId":
		return unfit{
			fmt.Sprintf("%s has as many connections as its limit allows", s.role()),
			fmt.Sprintf("as a superuser run ALTER ROLE %s CONNECTION LIMIT -1, or %s", s.role(), fewer),
		}
	case "CheckMyDatabase":
		return unfit{
			fmt.Sprintf("database %s has as many connections as its limit allows", s.database()),
			fmt.Sprintf("as a superuser run ALTER DATABASE %s CONNECTION LIMIT -1, or %s", s.database(), fewer),
		}
	}
	return unfit{
		fmt.Sprintf("%s has no connection left for %s (%s)", s.address(), s.role(), pg.Message),
		fewer + ", put PgBouncer in between, or as a superuser run ALTER SYSTEM SET max_connections = 200, and restart the server",
	}
}

// explainTimeout does not query the server, because that answer might be too late as
// well.
func (s server) explainTimeout() unfit {
	return unfit{
		fmt.Sprintf("the server cancelled a statement because it took longer than the statement_timeout of %s in %s", s.role(), s.database()),
		s.fixSetting("statement_timeout", "'30s'"),
	}
}

// fixSetting returns how to change a setting of the server. Unless the URL sets it, a
// role's setting for one database has the highest precedence.
func (s server) fixSetting(name, value string) string {
	if s.setsItself(name) {
		return fmt.Sprintf("change or remove %s in the URL or PGOPTIONS, where it is set", name)
	}
	return fmt.Sprintf("run ALTER ROLE %s IN DATABASE %s SET %s = %s", s.role(), s.database(), name, value)
}

func (s server) setsItself(name string) bool {
	_, given := s.config.RuntimeParams[name]
	return given || strings.Contains(s.config.RuntimeParams["options"], name)
}

// explainParameter explains that the server, or PgBouncer in front of it, refuses a
// parameter of the URL.
func (s server) explainParameter(pg *pgconn.PgError) unfit {
	for name := range s.config.RuntimeParams {
		if !regexp.MustCompile(`(^|[^\w.])` + regexp.QuoteMeta(name) + `($|[^\w.])`).MatchString(pg.Message) {
			continue
		}
		u := unfit{fmt.Sprintf("the URL has a parameter %s, which %s refuses (%s)", name, s.address(), pg.Message), "remove or correct it"}
		if pg.Code == "08P01" { // PgBouncer, which passes on only the parameters that it tracks
			u.fix = fmt.Sprintf("take it out; if PostgreSQL knows it, run ALTER ROLE %s IN DATABASE %s SET %s = …", s.role(), s.database(), name)
		}
		return u
	}
	return unfit{}
}

// explainSilence explains that a server did not answer, or not with an error of
// PostgreSQL's.
func (s server) explainSilence(err error) unfit {
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case strings.Contains(err.Error(), "server refused TLS connection") && !s.allowsClear():
		return unfit{
			fmt.Sprintf("the URL demands TLS, and the server at %s has none (server refused TLS connection)", s.address()),
			"as a superuser run ALTER SYSTEM SET ssl = on, with a certificate in place, and SELECT pg_reload_conf(), or, if the network in between is trusted, set sslmode=disable in the URL",
		}
	case errors.As(err, &certificate):
		return unfit{
			fmt.Sprintf("the certificate of %s is not trusted (%s)", s.address(), databaseurl.Redact(certificate.Err.Error(), s.config.Password)),
			"write sslrootcert=FILE in the URL, with the certificate of the authority that issued it, and take the name that it is for as host",
		}
	case errors.As(err, &name) && name.IsNotFound:
		return unfit{fmt.Sprintf("there is no host %s", name.Name), "correct the host in the URL, or the DNS entry"}
	case errors.As(err, &name):
		return unfit{
			fmt.Sprintf("the DNS lookup of %s failed (%s)", name.Name, name.Err),
			"check that this machine reaches its DNS server, or use the host's IP address in the URL",
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		return unfit{
			fmt.Sprintf("nothing listens at %s (connection refused)", s.address()),
			"start the server, check that its listen_addresses includes this address, or correct host and port in the URL; in a container, localhost is the container itself",
		}
	case pgconn.Timeout(err) && isConnecting(err):
		return unfit{
			fmt.Sprintf("%s does not answer within %s", s.address(), s.config.ConnectTimeout),
			"check for a firewall in between, and check host and port in the URL",
		}
	}
	return unfit{}
}

// allowsClear reports whether the URL also allows a connection without TLS.
func (s server) allowsClear() bool {
	return s.config.TLSConfig == nil || slices.ContainsFunc(s.config.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil })
}

// explainLook is explain for a server that is checked often.
func (s server) explainLook(err error) error {
	if isConnecting(err) {
		return s.explain(err)
	}
	return redact(err, s.config)
}

// explain is server.explain. It also explains errors about which it has to query the
// server.
func (d postgresDialect) explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || isRetryable(err) {
		return err
	}
	var pg *pgconn.PgError
	switch {
	case isConnecting(err):
		return d.server.explain(err)
	case !errors.As(err, &pg):
		return err
	}
	switch pg.Code {
	case "25006":
		if why := d.Writable(ctx); why != nil {
			return why
		}
	case "42501":
		if wasFiltered(err) {
			return errRowSecurityOn
		}
		if why := d.mayNot(ctx); why != nil {
			return fmt.Errorf("%s: %w", pg.Message, why)
		}
	}
	if u := d.server.explainRefusal(pg, false); u.what != "" {
		return u
	}
	return err
}
