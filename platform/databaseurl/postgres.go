package databaseurl

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/agnivade/levenshtein"
)

// schemes are the schemes of a PostgreSQL URL. The last is SQLAlchemy's.
var schemes = []string{"postgres", "postgresql", "postgresql+asyncpg"}

var badEscape = regexp.MustCompile(`%([^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|.?$)`)

// parsePostgres checks a URL before any driver parses it. Parsers disagree about a
// password that contains an @, a / or a ?: what one takes for a password, another takes
// for a host, and prints. Only URLs that all parsers read alike are accepted.
//
// Its errors quote nothing of the URL, because any part of it may belong to the
// password.
func parsePostgres(raw string) (*url.URL, error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	if !slices.Contains(schemes, scheme) {
		return nil, errors.New("begins with none of sqlite://, postgres://, postgresql:// and postgresql+asyncpg://")
	}
	authority, after := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, after = rest[:end], rest[end:]
	}
	switch {
	case strings.ContainsFunc(raw, unicode.IsControl):
		return nil, errors.New("has a control character in it")
	case strings.Count(authority, "@") > 1:
		return nil, errors.New("has more than one @ before the host: in a user or a password, @ is written %40")
	case strings.Contains(after, "@"):
		return nil, errors.New("has an @ after a /, a ? or a #: in a user or a password, / is written %2F, ? is %3F and # is %23; everywhere else @ is %40")
	case strings.Contains(after, "#"):
		return nil, errors.New("has a #, which is written %23")
	case badEscape.MatchString(rest):
		return nil, errors.New("is not a valid URL: it has a % without two hexadecimal digits after it; a % is written %25")
	}
	u, err := url.Parse("postgres://" + rest)
	if err != nil {
		return nil, errors.New("is not a valid URL: special characters in a user or a password must be percent-encoded (a space is %20), and a port is a number")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || slices.ContainsFunc(strings.Split(u.RawQuery, "&"), isBare) {
		return nil, errors.New("is not a valid URL: after the ? come parameters, each a name, = and a value, with & between; in a value, & is written %26")
	}
	for name := range query {
		if (query.Has("password") || query.Has("sslpassword")) && !slices.Contains(known, name) && !slices.Contains(harmless, name) {
			return nil, errors.New("has a password among its parameters, and one beside it that is not known; in a password, & is written %26")
		}
		if err := checkParameter(name); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// foreign maps parameters of other programs' URLs to the error that names the
// equivalent here.
var foreign = map[string]string{
	"ssl":              "has asyncpg's ssl=…; here it is sslmode=…",
	"schema":           "has another program's schema=…; here it is search_path=…",
	"currentSchema":    "has JDBC's currentSchema=…; here it is search_path=…",
	"pgbouncer":        "has Prisma's pgbouncer=…; behind PgBouncer in transaction mode set DATABASE_POOL_MODE=transaction",
	"connection_limit": "has Prisma's connection_limit=…; the number of connections is DATABASE_MAX_CONNECTIONS",
	"pool_size":        "has another program's pool_size=…; the number of connections is DATABASE_MAX_CONNECTIONS",
	"pool_max_conns":   "has pgxpool's pool_max_conns=…; the number of connections is DATABASE_MAX_CONNECTIONS",
}

// known are parameters that drivers interpret themselves. A misspelled one would be
// sent to the server instead, on a connection without the requested option.
var known = []string{
	"sslmode", "sslcert", "sslkey", "sslrootcert", "sslpassword", "sslnegotiation", "sslsni", "sslcertmode", "channel_binding", "require_auth",
	"connect_timeout", "target_session_attrs", "password", "passfile", "service", "servicefile",
}

// harmless are further parameters that may occur together with a password.
var harmless = []string{"user", "host", "port", "dbname", "database", "application_name", "options", "search_path", "statement_timeout", "lock_timeout"}

// isBare reports whether a parameter is only a name.
func isBare(parameter string) bool { return parameter != "" && !strings.Contains(parameter, "=") }

func checkParameter(name string) error {
	if what, is := foreign[name]; is {
		return errors.New(what)
	}
	if slices.Contains(known, name) || len(name) < 6 {
		return nil
	}
	for _, k := range known {
		if levenshtein.ComputeDistance(strings.ToLower(name), k) <= 2 {
			return fmt.Errorf("has a parameter that is almost %s; that is how it is written", k)
		}
	}
	return nil
}
