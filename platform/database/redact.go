package database

import (
	"errors"
	"net/url"
	"slices"
	"strings"

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
	return redacted{withoutSecrets(err.Error(), config.Password), err}
}

// fragment is how much of a secret may not be seen anywhere: a URL that is cut at
// the wrong place leaves pieces of a password.
const fragment = 4

// withoutSecrets masks every part of a text that is a part of a secret too, as it
// is or as URLs write it.
func withoutSecrets(text string, secrets ...string) string {
	hidden := make([]bool, len(text))
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for _, s := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			size := min(len(s), fragment)
			for i := 0; i+size <= len(text); i++ {
				if strings.Contains(s, text[i:i+size]) {
					for j := range size {
						hidden[i+j] = true
					}
				}
			}
		}
	}
	if !slices.Contains(hidden, true) {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString("********")
		}
	}
	return b.String()
}

// withoutURL is what is wrong with a URL, without the URL.
func withoutURL(err error, raw string) error {
	text := err.Error()
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		text = text[strings.LastIndex(text, "`: ")+len("`: "):]
	}
	var secrets []string
	if u, err := url.Parse(raw); err == nil {
		password, _ := u.User.Password()
		secrets = []string{password, u.Query().Get("password"), u.Query().Get("sslpassword")}
	}
	return errors.New(withoutSecrets(text, secrets...))
}

// asUnfit is the unfit in an error, if there is one.
func asUnfit(err error) (u unfit, found bool) { return u, errors.As(err, &u) }
