// Package systems reads what other systems have of people and organizations, for
// moving.Import. Each system has a file here, and a page in configs/moving-in.
//
// A reader translates records into rows. It leaves out what can't come along, such as an
// avatar that is no URL. Everything else it passes on, and the import refuses what is
// wrong, with the number of the record.
package systems

import (
	"bufio"
	"context"
	"fmt"
	"slices"

	"guildhall/platform/database"
	"guildhall/platform/moving"
)

// System is a kind of system that people come from.
type System struct {
	Name     string
	HashForm string // of password.Source, if the command names none

	// files returns a reader for the files of one command. It is nil if the system is read
	// only from its database.
	files func(Options) reader
	// database reads the system's database. It is nil if there are only files.
	database func(ctx context.Context, db *database.Foreign, o Options, take moving.Take) error
}

// Options are what the operator says.
type Options struct {
	Owner string // the address of the owner of organizations that have none in the other system
}

// reader reads the exported files of a system. A file is recognized by its records, not by
// its name.
type reader interface {
	// learn gets each file once, before any rows are asked for, to keep what the rows of
	// another file need.
	learn(in *bufio.Reader) error
	// rows passes the rows of a file. It may be called several times.
	rows(in *bufio.Reader, take moving.Take) error
}

// alone is embedded by readers whose files don't need each other.
type alone struct{}

func (alone) learn(*bufio.Reader) error { return nil }

// all are the systems. The first two have files of Guildhall's own format.
var all = []System{
	{Name: "guildhall"}, {Name: "csv"},
	auth0, betterAuth, clerk, cognito, django, fastapi, firebase, keycloak, laravel, pocketbase, railsDevise, supabase, wordpress,
}

// Names returns the names of all systems.
func Names() (names []string) {
	for _, s := range all {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// Find returns the system of a name.
func Find(name string) (System, bool) {
	i := slices.IndexFunc(all, func(s System) bool { return s.Name == name })
	if i < 0 {
		return System{}, false
	}
	return all[i], true
}

// Files prepares the exported files of a system to be imported.
func (s System) Files(files []*moving.Source, o Options) error {
	if s.files == nil {
		if s.database != nil {
			return fmt.Errorf("people of %s come from its database: name it with --source", s.Name)
		}
		return nil // the format is Guildhall's own
	}
	r := s.files(o)
	for _, f := range files {
		in, err := f.Unpacked()
		if err == nil {
			err = r.learn(in)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		f.Rows = func(_ context.Context, in *bufio.Reader, take moving.Take) error { return r.rows(in, take) }
	}
	return nil
}

// Database returns a source that reads the system's database.
func (s System) Database(db *database.Foreign, name string, o Options) (*moving.Source, error) {
	if s.database == nil {
		return nil, fmt.Errorf("people of %s come from files, not from a database", s.Name)
	}
	return &moving.Source{Name: name, Rows: func(ctx context.Context, _ *bufio.Reader, take moving.Take) error {
		return s.database(ctx, db, o, take)
	}}, nil
}

// numbered returns a function that passes rows with the number of each.
func numbered(take moving.Take) func(*moving.Row) error {
	n := int64(0)
	return func(r *moving.Row) error {
		n++
		return take(n, r)
	}
}
