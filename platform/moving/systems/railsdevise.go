package systems

import (
	"bufio"
	"context"

	"guildhall/platform/database"
	"guildhall/platform/moving"
)

// railsDevise reads the table users of a Rails application with Devise, or its records in a
// file. External ids are those of the table.
var railsDevise = System{
	Name:  "rails-devise",
	files: func(Options) reader { return deviseReader{} },
	database: func(ctx context.Context, db *database.Foreign, _ Options, take moving.Take) error {
		columns, err := usersOf(ctx, db, "users", "id", "email", "encrypted_password")
		if err != nil {
			return err
		}
		row := numbered(take)
		return db.Each(ctx, "SELECT "+existing(columns, "u", "id", "email", "encrypted_password", "confirmed_at", "locked_at", "created_at",
			"name", "full_name", "first_name", "last_name", "username")+" FROM users u WHERE "+without(columns, "u", deviseDeleted...)+" ORDER BY u.id",
			nil, func(values map[string]any) error { return row(devisePerson(values)) })
	},
}

// deviseDeleted are the columns of the gems with which people are deleted and still there.
var deviseDeleted = []string{"deleted_at", "discarded_at"}

type deviseReader struct{ alone }

func (deviseReader) rows(in *bufio.Reader, take moving.Take) error {
	return records(in, func(n int64, r record) error {
		for _, name := range deviseDeleted {
			if r.moment(name) != nil {
				return nil
			}
		}
		return take(n, devisePerson(r))
	})
}

func devisePerson(u record) *moving.Row {
	p := person(u.text("email"), u.text("name"), u.text("full_name"), named(u.text("first_name"), u.text("last_name")), nickname(u.text("username")))
	identify(p, u.text("id"))
	p.PasswordHash, p.EmailVerified, p.CreatedAt = u.optional("encrypted_password"), new(u.dated("confirmed_at")), u.moment("created_at")
	if u.moment("locked_at") != nil {
		suspend(p, "", nil)
	}
	return p
}
