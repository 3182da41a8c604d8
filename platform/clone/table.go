package clone

import (
	"context"
	"fmt"
	"reflect"

	"golang.org/x/sync/errgroup"

	"guildhall/platform/database"
)

// passes is how often each row is read: once to copy it, and once to compare it.
const passes = 2

// chunkRows is the number of rows written in one transaction. At most three chunks are
// in memory.
const chunkRows = 20_000

// table copies one table. One goroutine reads while the other writes.
func (c *copying) table(ctx context.Context, target *database.Bulk, s step) (Copied, error) {
	chunks := make(chan [][]any, 1)
	sum := &digest{}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		defer close(chunks)
		return c.read(ctx, s, sum, chunks)
	})
	work.Go(func() error { return c.write(ctx, target, s, chunks) })
	if err := work.Wait(); err != nil {
		return Copied{}, err
	}
	return Copied{Table: s.Name, Rows: sum.rows, Digest: sum.String()}, nil
}

// read divides the table into chunks. Only the last one has less than chunkRows rows;
// it may be empty.
func (c *copying) read(ctx context.Context, s step, sum *digest, chunks chan<- [][]any) error {
	var chunk [][]any
	send := func() error {
		select {
		case chunks <- chunk:
			chunk = nil
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := c.From.EachRow(ctx, s.Table, true, func(row []any) error {
		sum.add(row)
		if chunk = append(chunk, row); len(chunk) < chunkRows {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	return send()
}

func (c *copying) write(ctx context.Context, target *database.Bulk, s step, chunks <-chan [][]any) error {
	var after []any
	for chunk := range chunks {
		var until []any // nil means to the end of the table
		if len(chunk) == chunkRows {
			until = s.KeyOf(chunk[len(chunk)-1])
		}
		err := target.InTx(ctx, func(ctx context.Context) error { return c.chunk(ctx, target, s, chunk, after, until) })
		if err != nil {
			return err
		}
		after = until
		c.advance("copying "+s.Name, len(chunk))
	}
	return nil
}

// chunk makes one range of the target's table equal to the source's.
func (c *copying) chunk(ctx context.Context, target *database.Bulk, s step, chunk [][]any, after, until []any) error {
	if c.result.Resumed {
		there, err := target.Range(ctx, s.Table, after, until)
		if err != nil {
			return err
		}
		if len(there) == len(chunk) && (len(there) == 0 || reflect.DeepEqual(there, chunk)) {
			return nil
		}
		if err := target.DeleteRange(ctx, s.Table, after, until); err != nil {
			return err
		}
	}
	if len(chunk) == 0 {
		return nil
	}
	return target.Insert(ctx, s.Table, chunk)
}

// compare reads the target and compares it with what was read from the source.
func (c *copying) compare(ctx context.Context) error {
	return c.To.Snapshot(ctx, func(ctx context.Context) error {
		for i, s := range c.plan {
			sum := &digest{}
			err := c.To.EachRow(ctx, s.Table, false, func(row []any) error {
				sum.add(row)
				if sum.rows%chunkRows == 0 {
					c.advance("comparing "+s.Name, chunkRows)
				}
				return nil
			})
			if err != nil {
				return err
			}
			c.advance("comparing "+s.Name, int(sum.rows%chunkRows))
			if of := c.result.Tables[i]; sum.rows != of.Rows || sum.String() != of.Digest {
				return fmt.Errorf("the copy of %s is not the same: %d rows with the digest %s, in the source %d rows with %s", s.Name, sum.rows, sum, of.Rows, of.Digest)
			}
		}
		return nil
	})
}

func (c *copying) advance(doing string, rows int) {
	if rows == 0 {
		return
	}
	c.done += int64(rows)
	c.Progress(Progress{doing, c.done, c.total})
}
