// Package clone copies one database into another: SQLite to PostgreSQL, back, or to one
// of the same kind. It copies the state of the source at one moment, and compares the
// result with it. An interrupted copy that is started again resumes: it only reads rows
// that were already copied and are unchanged.
//
// Until the copy is finished the target is marked, and the service does not start on it
// (database.ErrHalfCopied).
package clone

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"guildhall/platform/database"
	"guildhall/platform/migrate"
)

// Progress is how far a copy has progressed.
type Progress struct {
	Doing       string // the current step: "copying users"
	Done, Total int64  // rows
}

// Options are the parameters of a copy.
type Options struct {
	From, To   *database.DB
	Migrations []migrate.Migration // of this version; the source must have them all, and so must the target unless it is empty
	Without    []string            // tables that are valid only for the server they were written on
	Remade     []string            // tables that the service fills at its start, and that may have rows in the target
	Progress   func(Progress)      // called often; may be nil
}

// Copied is the result for one table.
type Copied struct {
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"` // of all rows, the same on both databases
}

// Result is the result of a copy.
type Result struct {
	Tables  []Copied
	Resumed bool // an interrupted copy was resumed
}

type copying struct {
	Options
	plan   []step
	result Result
	done   int64 // rows
	total  int64
}

// step is a table as both databases have it, with columns and key in the order of the
// source.
type step struct {
	database.Table
	rows int64
}

// Copy copies every row of every table. It refuses a source or a target whose schema is
// not this version's. It also refuses a target that contains data, unless that is from
// an interrupted copy.
func Copy(ctx context.Context, o Options) (Result, error) {
	c := &copying{Options: o}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	if err := c.prepare(ctx); err != nil {
		return Result{}, err
	}
	err := o.From.Snapshot(database.ForAll(ctx), func(ctx context.Context) error {
		if err := c.count(ctx); err != nil {
			return err
		}
		return o.To.Bulk(ctx, c.run)
	})
	return c.result, err
}

func (c *copying) run(ctx context.Context, target *database.Bulk) error {
	if !c.result.Resumed {
		if err := target.InTx(ctx, func(ctx context.Context) error { return target.BeginCopy(ctx, c.names(), c.Remade...) }); err != nil {
			return fmt.Errorf("prepare the target: %w", err)
		}
	}
	for _, s := range c.plan {
		copied, err := c.table(ctx, target, s)
		if err != nil {
			return err
		}
		c.result.Tables = append(c.result.Tables, copied)
	}
	if err := c.compare(ctx); err != nil {
		return err
	}
	c.Progress(Progress{"creating indexes and constraints", c.total, c.total})
	if err := target.FinishCopy(ctx, c.names()); err != nil {
		return fmt.Errorf("finish the target: %w", err)
	}
	return nil
}

// prepare checks whether the databases can be copied, and creates the target's schema.
func (c *copying) prepare(ctx context.Context) error {
	if err := c.migrated(ctx, "source", c.From); err != nil {
		return err
	}
	var err error
	if c.result.Resumed, err = c.To.IsHalfCopied(ctx); err != nil {
		return fmt.Errorf("inspect the target: %w", err)
	}
	if !c.result.Resumed {
		if err := c.makeSchema(ctx); err != nil {
			return err
		}
	}
	if err := c.migrated(ctx, "target", c.To); err != nil {
		return err
	}
	return c.compareSchemas(ctx)
}

func (c *copying) makeSchema(ctx context.Context) error {
	applied, err := c.To.Applied(ctx)
	if err != nil {
		return fmt.Errorf("inspect the target: %w", err)
	}
	if len(applied) > 0 {
		return nil
	}
	if _, err := migrate.Up(ctx, c.To, c.Migrations); err != nil {
		return fmt.Errorf("create the target's schema: %w", err)
	}
	return nil
}

func (c *copying) migrated(ctx context.Context, which string, db *database.DB) error {
	applied, err := db.Applied(ctx)
	if err != nil {
		return fmt.Errorf("inspect the %s: %w", which, err)
	}
	if which == "source" {
		if half, err := db.IsHalfCopied(ctx); err != nil || half {
			return errors.Join(err, errors.New("the source itself is an unfinished copy"))
		}
	}
	known := make([]string, len(c.Migrations))
	for i, m := range c.Migrations {
		known[i] = m.ID
	}
	if !slices.Equal(applied, known) {
		return fmt.Errorf("the schema of the %s is not the one of this version of guildhall (%d of %d migrations): run `guildhall migrate up` on it, or use the version that created it", which, len(applied), len(known))
	}
	return nil
}

// compareSchemas plans the copy of every table that this version creates. Other tables
// in the same PostgreSQL schema are ignored.
func (c *copying) compareSchemas(ctx context.Context) error {
	source, err := c.From.Tables(ctx)
	if err != nil {
		return err
	}
	target, err := c.To.Tables(ctx)
	if err != nil {
		return err
	}
	for _, name := range migrate.TableNames(c.Migrations, c.From.Driver()) {
		from, here := source[name]
		to, there := target[name]
		if !here && !there || slices.Contains(c.Without, name) {
			continue // a later migration dropped or renamed it
		}
		if !here || !there {
			return fmt.Errorf("the schemas differ: table %s is not in both", name)
		}
		if difference := from.Difference(to); difference != "" {
			return fmt.Errorf("the schemas differ: table %s: %s", name, difference)
		}
		c.plan = append(c.plan, step{Table: from.On(to)})
	}
	return nil
}

func (c *copying) count(ctx context.Context) error {
	c.Progress(Progress{Doing: "counting"})
	for i := range c.plan {
		n, err := c.From.CountRows(ctx, c.plan[i].Name)
		if err != nil {
			return err
		}
		c.plan[i].rows = n
		c.total += n * passes
	}
	return nil
}

func (c *copying) names() []string {
	names := make([]string, len(c.plan))
	for i, s := range c.plan {
		names[i] = s.Name
	}
	return names
}
