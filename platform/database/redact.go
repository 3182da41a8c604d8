package database

import (
	"errors"
	"strings"

	"guildhall/platform/databaseurl"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// redacted is an error whose text holds no secret, and still is what it was to
// errors.Is and errors.As.
type redacted struct {
	text  string
	cause error
}

func (r redacted) Error() string { return r.text }
func (r redacted) Unwrap() error { return r.cause }

// redact takes the password of a connection out of whatever a driver said.
func redact(err error, config *pgx.ConnConfig) error {
	return redacted{databaseurl.Redact(err.Error(), config.Password), err}
}

// withoutURL is what is wrong with a URL, without the URL.
func withoutURL(err error, u databaseurl.URL) error {
	text := err.Error()
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		text = text[strings.LastIndex(text, "`: ")+len("`: "):]
	}
	return errors.New(u.Redact(text))
}

// asUnfit is the unfit in an error, if there is one.
func asUnfit(err error) (u unfit, found bool) { return u, errors.As(err, &u) }
