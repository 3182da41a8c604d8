package systems

import (
	"bufio"
	"strings"

	"guildhall/platform/moving"
)

// cognito reads users of a user pool, as `aws cognito-idp list-users` prints them, or in a
// CSV file with the columns of `aws cognito-idp get-csv-header`. Nothing that Cognito returns
// has a password hash. An external id is the user's sub, which is a UUID and becomes the id
// as well, or the user name if there is no sub.
var cognito = System{Name: "cognito", files: func(Options) reader { return cognitoReader{} }}

type cognitoReader struct{ alone }

func (cognitoReader) rows(in *bufio.Reader, take moving.Take) error {
	user := func(n int64, r record) error { return take(n, cognitoPerson(r)) }
	first, err := firstOf(in)
	switch {
	case err != nil:
		return err
	case first == '{':
		return members(in, map[string]func(int64, record) error{"Users": user})
	default: // also an array, if a query has left out the rest
		return records(in, user)
	}
}

func cognitoPerson(r record) *moving.Row {
	a := r
	if r.has("Attributes") {
		a = record{}
		for _, one := range r.list("Attributes") {
			a[one.text("Name")] = one["Value"]
		}
	}
	username := r.first("Username", "cognito:username")
	p := person(a.text("email"), a.text("name"), named(a.text("given_name"), a.text("family_name")), a.text("nickname"), a.text("preferred_username"))
	id := a.text("sub")
	if id == "" {
		id = username
	}
	identify(p, id)
	p.EmailVerified = new(a.is("email_verified"))
	p.CreatedAt, p.AvatarURL, p.Locale = r.moment("UserCreateDate"), avatar(a.text("picture")), locale(a.text("locale"))
	if enabled := strings.ToLower(r.text("Enabled")); enabled == "false" {
		stand(p, "deactivated")
	}
	return p
}
