package systems

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"guildhall/platform/database"
	"guildhall/platform/moving"
)

// pocketbase reads the SQLite file of PocketBase: the records of all auth collections but the
// administrators of PocketBase itself. Their hashes are bcrypt, in the column password, and
// before version 0.23 in passwordHash.
var pocketbase = System{Name: "pocketbase", database: func(ctx context.Context, db *database.Foreign, _ Options, take moving.Take) error {
	if db.Driver != database.SQLite {
		return errors.New("the database of PocketBase is SQLite: pb_data/data.db")
	}
	known, err := db.Columns(ctx, "", "_collections")
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return errors.New("it is no database of PocketBase: it has no table _collections")
	}
	var collections []string
	// The collection that every PocketBase begins with is first: of two records with one
	// address, the first is imported.
	err = db.Each(ctx, `SELECT name FROM _collections WHERE type = 'auth' AND NOT "system" ORDER BY name <> 'users', name`, nil, func(values map[string]any) error {
		collections = append(collections, record(values).text("name"))
		return nil
	})
	if err != nil {
		return err
	}
	row := numbered(take)
	for _, name := range collections {
		columns, err := db.Columns(ctx, "", name)
		if err != nil {
			return err
		}
		var selected []string
		for _, column := range []string{"id", "email", "verified", "name", "username", "password", "passwordHash", "created"} {
			if columns[column] {
				selected = append(selected, quoted(column))
			}
		}
		query := "SELECT " + strings.Join(selected, ", ") + " FROM " + quoted(name) + " ORDER BY id"
		if err := db.Each(ctx, query, nil, func(values map[string]any) error { return row(pocketbasePerson(values)) }); err != nil {
			return fmt.Errorf("collection %s: %w", name, err)
		}
	}
	return nil
}}

func pocketbasePerson(from record) *moving.Row {
	r := person(from.text("email"), from.text("name"), from.text("username"))
	r.ExternalID, r.CreatedAt = from.optional("id"), from.moment("created")
	r.EmailVerified, r.PasswordHash = new(from.is("verified")), optional(from.first("password", "passwordHash"))
	return r
}
