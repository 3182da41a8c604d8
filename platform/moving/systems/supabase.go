package systems

import (
	"context"
	"errors"
	"strings"

	"guildhall/platform/database"
	"guildhall/platform/moving"
)

// supabase reads auth.users of a Supabase project. Ids are kept. Organizations of Supabase
// are tables of the application, so there are none here.
var supabase = System{Name: "supabase", database: func(ctx context.Context, db *database.Foreign, _ Options, take moving.Take) error {
	if db.Driver != database.Postgres {
		return errors.New("the database of Supabase is PostgreSQL")
	}
	columns, err := db.Columns(ctx, "auth", "users")
	if err != nil {
		return err
	}
	if len(columns) == 0 {
		return errors.New("it is no database of Supabase, or its user may not read it: there is no table auth.users")
	}
	if err := allRows(ctx, db, "auth.users"); err != nil {
		return err
	}
	selected := []string{"id::text AS id"}
	for _, column := range []string{"email", "encrypted_password", "email_confirmed_at", "confirmed_at", "raw_user_meta_data::text", "created_at"} {
		if name, _, _ := strings.Cut(column, "::"); columns[name] {
			selected = append(selected, column)
		}
	}
	if columns["banned_until"] {
		selected = append(selected, "banned_until IS NOT NULL AS banned", "NULLIF(banned_until, 'infinity') AS banned_until")
	}
	where, first := []string{"TRUE"}, ""
	if columns["deleted_at"] {
		where = append(where, "deleted_at IS NULL")
	}
	if columns["is_anonymous"] {
		where = append(where, "is_anonymous IS NOT TRUE")
	}
	if columns["is_sso_user"] { // it may have the address of another account, which has the password
		first = "is_sso_user, "
	}
	row := numbered(take)
	return db.Each(ctx, "SELECT "+strings.Join(selected, ", ")+" FROM auth.users WHERE "+strings.Join(where, " AND ")+" ORDER BY "+first+"id", nil,
		func(values map[string]any) error { return row(supabasePerson(values)) })
}}

func supabasePerson(from record) *moving.Row {
	about := from.nested("raw_user_meta_data")
	r := person(from.text("email"), about.first("full_name", "name", "display_name"), named(about.text("first_name"), about.text("last_name")),
		about.first("user_name", "preferred_username"))
	r.ID, r.ExternalID = from.optional("id"), from.optional("id")
	r.CreatedAt, r.PasswordHash = from.moment("created_at"), from.optional("encrypted_password")
	// A phone number confirms an account, too, but proves no address.
	confirmed := "email_confirmed_at"
	if _, exists := from[confirmed]; !exists {
		confirmed = "confirmed_at"
	}
	r.EmailVerified, r.AvatarURL = new(from.has(confirmed)), avatar(about.first("avatar_url", "picture"))
	if from.is("banned") {
		suspend(r, "", from.moment("banned_until"))
	}
	return r
}
