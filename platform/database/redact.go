package database

import (
	"errors"
	"strings"

	"guildhall/platform/databaseurl"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// redacted is an error whose text contains no secret. errors.Is and errors.As still
// find the original.
type redacted struct {
	text  string
	cause error
}

func (r redacted) Error() string { return r.text }
func (r redacted) Unwrap() error { return r.cause }

// redact removes the password of a connection from a driver's error.
func redact(err error, config *pgx.ConnConfig) error {
	return redacted{databaseurl.Redact(err.Error(), config.Password), err}
}

// withoutURL returns what is wrong with a URL, without the URL.
func withoutURL(err error, u databaseurl.URL) error {
	text := err.Error()
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		text = text[strings.LastIndex(text, "`: ")+len("`: "):]
	}
	return errors.New(u.Redact(text))
}

// asUnfit returns the unfit in an error's chain, if one is there.
func asUnfit(err error) (u unfit, found bool) { return u, errors.As(err, &u) }
