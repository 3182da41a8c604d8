// Package seeding fills an empty database with sample data, for evaluations and
// measurements: people, organizations and memberships that are the same, byte for byte,
// in each run and on either database.
//
// The modules generate the rows of their tables by number, so that nothing has to be
// kept in memory. Until the data is complete the database is marked, and the service
// does not start on it (database.ErrHalfCopied).
package seeding

import (
	"context"
	"fmt"
	"slices"

	"guildhall/platform/clone"
	"guildhall/platform/database"
	"guildhall/platform/schema"
	"guildhall/platform/seed"
)

// chunkRows is the number of rows generated and written in one transaction.
const chunkRows = 10_000

// Options are the parameters of Fill.
type Options struct {
	DB       *database.DB // migrated, with empty tables
	Tables   []schema.Table
	Size     seed.Size
	Progress func(clone.Progress) // called often; may be nil
}

// Fill creates the sample data. It refuses a database that contains a person or an
// organization. On PostgreSQL only the tables' owner can call it.
func Fill(ctx context.Context, o Options) error {
	if err := o.Size.Check(); err != nil {
		return err
	}
	known, err := o.DB.Tables(ctx)
	if err != nil {
		return err
	}
	f := &filling{Options: o}
	if f.Progress == nil {
		f.Progress = func(clone.Progress) {}
	}
	for _, declared := range o.Tables {
		for _, r := range declared.Sample.Rows(o.Size) {
			t, err := known[declared.Name].Only(r.Columns...)
			if err != nil {
				return err
			}
			f.parts = append(f.parts, part{r, t})
			f.total += r.Count
		}
	}
	return o.DB.Bulk(ctx, f.run)
}

type filling struct {
	Options
	parts       []part
	done, total int64
}

// part is rows, and the table that they belong to.
type part struct {
	seed.Rows
	table database.Table
}

func (p part) chunk(first, last int64) [][]any {
	chunk := make([][]any, 0, last-first)
	for i := first; i < last; i++ {
		if row := p.Row(i); row != nil {
			chunk = append(chunk, row)
		}
	}
	return chunk
}

func (f *filling) run(ctx context.Context, target *database.Bulk) error {
	names := f.names()
	if err := target.InTx(ctx, func(ctx context.Context) error { return target.BeginCopy(ctx, names) }); err != nil {
		return fmt.Errorf("sample data goes into an empty database only: %w", err)
	}
	for _, p := range f.parts {
		for first := int64(0); first < p.Count; first += chunkRows {
			last := min(first+chunkRows, p.Count)
			chunk := p.chunk(first, last)
			if err := target.InTx(ctx, func(ctx context.Context) error { return target.Insert(ctx, p.table, chunk) }); err != nil {
				return err
			}
			f.done += last - first
			f.Progress(clone.Progress{Doing: "making " + p.table.Name, Done: f.done, Total: f.total})
		}
	}
	f.Progress(clone.Progress{Doing: "creating indexes and constraints", Done: f.total, Total: f.total})
	if err := target.FinishCopy(ctx, names); err != nil {
		return fmt.Errorf("finish the database: %w", err)
	}
	return nil
}

func (f *filling) names() (names []string) {
	for _, p := range f.parts {
		if !slices.Contains(names, p.table.Name) {
			names = append(names, p.table.Name)
		}
	}
	return names
}
