// Package seed fills an empty database with sample data, for whoever evaluates
// the service or measures it: people, organizations and memberships that are the
// same, byte for byte, in each run and on either database.
//
// rows.go is what is written, table by table; size.go says who is in which
// organization. Everything is made of a row's number, so that nothing is held in
// memory. Until all is there the database is marked, and the service does not
// start on it (database.ErrHalfCopied).
package seed

import (
	"context"
	"fmt"
	"slices"

	"guildhall/platform/clone"
	"guildhall/platform/database"
)

// chunkRows are made at once and written in one transaction.
const chunkRows = 10_000

// Options of Fill.
type Options struct {
	DB       *database.DB // migrated, its tables empty
	Size     Size
	Progress func(clone.Progress) // called often; may be nil
}

// Fill makes the sample data. It refuses a database that holds any person or
// organization. On PostgreSQL only the tables' owner can.
func Fill(ctx context.Context, o Options) error {
	if err := o.Size.Check(); err != nil {
		return err
	}
	known, err := o.DB.Tables(ctx)
	if err != nil {
		return err
	}
	f := &filling{Options: o, rows: rowsOf(o.Size)}
	if f.Progress == nil {
		f.Progress = func(clone.Progress) {}
	}
	for _, r := range f.rows {
		t, err := known[r.table].Only(r.columns...)
		if err != nil {
			return err
		}
		f.tables = append(f.tables, t)
		f.total += r.count
	}
	return o.DB.Bulk(ctx, f.run)
}

type filling struct {
	Options
	rows        []rows
	tables      []database.Table // that they go to
	done, total int64
}

func (f *filling) run(ctx context.Context, target *database.Bulk) error {
	names := f.names()
	if err := target.InTx(ctx, func(ctx context.Context) error { return target.BeginCopy(ctx, names) }); err != nil {
		return fmt.Errorf("sample data goes into an empty database only: %w", err)
	}
	for i, r := range f.rows {
		for first := int64(0); first < r.count; first += chunkRows {
			last := min(first+chunkRows, r.count)
			chunk := r.chunk(first, last)
			if err := target.InTx(ctx, func(ctx context.Context) error { return target.Insert(ctx, f.tables[i], chunk) }); err != nil {
				return err
			}
			f.done += last - first
			f.Progress(clone.Progress{Doing: "making " + r.table, Done: f.done, Total: f.total})
		}
	}
	f.Progress(clone.Progress{Doing: "making indexes and constraints", Done: f.total, Total: f.total})
	if err := target.FinishCopy(ctx, names); err != nil {
		return fmt.Errorf("finish the database: %w", err)
	}
	return nil
}

func (f *filling) names() (names []string) {
	for _, t := range f.tables {
		if !slices.Contains(names, t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}
