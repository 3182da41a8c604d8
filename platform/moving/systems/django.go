package systems

import (
	"bufio"
	"context"
	"strings"

	"guildhall/platform/database"
	"guildhall/platform/moving"
)

// django reads what dumpdata writes of a model of users, Django's or the project's own, or
// the table of Django's. What django-allauth knows of proved addresses comes along. External
// ids are the primary keys.
var django = System{
	Name:  "django",
	files: func(Options) reader { return djangoReader{map[string]bool{}} },
	database: func(ctx context.Context, db *database.Foreign, _ Options, take moving.Take) error {
		columns, err := usersOf(ctx, db, "auth_user", "id", "email", "password")
		if err != nil {
			return err
		}
		allauth, err := columnsOf(ctx, db, "account_emailaddress")
		if err != nil {
			return err
		}
		verified := "NULL"
		if allauth["user_id"] && allauth["email"] && allauth["verified"] {
			verified = "EXISTS (SELECT 1 FROM account_emailaddress a WHERE a.user_id = u.id AND lower(a.email) = lower(u.email) AND a.verified)"
		}
		row := numbered(take)
		return db.Each(ctx, "SELECT "+existing(columns, "u", "id", "email", "username", "first_name", "last_name", "password", "is_active", "date_joined")+", "+
			verified+" AS verified FROM auth_user u ORDER BY u.id", nil, func(values map[string]any) error {
			u := record(values)
			return row(djangoPerson(u.text("id"), u, u.is("verified")))
		})
	},
}

type djangoReader struct {
	verified map[string]bool // by djangoAddress
}

func djangoAddress(user, email string) string { return user + "\x00" + strings.ToLower(email) }

func (d djangoReader) learn(in *bufio.Reader) error {
	return records(in, func(_ int64, r record) error {
		if f := r.nested("fields"); r.text("model") == "account.emailaddress" && f.is("verified") {
			d.verified[djangoAddress(f.text("user"), f.text("email"))] = true
		}
		return nil
	})
}

// rows leaves out all other models: a dump may have them.
func (d djangoReader) rows(in *bufio.Reader, take moving.Take) error {
	return records(in, func(n int64, r record) error {
		f := r.nested("fields")
		_, password := f["password"]
		_, email := f["email"]
		if !password || !email {
			return nil
		}
		id := r.text("pk")
		return take(n, djangoPerson(id, f, d.verified[djangoAddress(id, f.text("email"))]))
	})
}

func djangoPerson(id string, u record, verified bool) *moving.Row {
	p := person(u.text("email"), named(u.text("first_name"), u.text("last_name")), u.text("full_name"), u.text("name"), nickname(u.text("username")))
	identify(p, id)
	p.PasswordHash, p.EmailVerified, p.CreatedAt = u.optional("password"), &verified, u.moment("date_joined")
	if p.CreatedAt == nil {
		p.CreatedAt = u.moment("created_at") // of a model of the project's own
	}
	if u.has("is_active") && !u.is("is_active") {
		stand(p, "deactivated")
	}
	return p
}
