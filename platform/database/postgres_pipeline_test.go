package database_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"guildhall/platform/database"
)

// TestPipelinedReadsAreTheSame compares the rows of a query that is sent in a pipeline
// with BEGIN and queued statements to the rows of a query that is sent alone.
func TestPipelinedReadsAreTheSame(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB, _ string) {
		if db.Driver() != database.Postgres {
			return // it has no round trips to save
		}
		const query = `SELECT NULL, 1::smallint, 2::integer, 3::bigint, 1.5::real, 2.5::double precision, true, 'text'::text, 'v'::varchar,
			'\x0102'::bytea, '2026-01-02 03:04:05.678901+00'::timestamptz, '2026-01-02'::date,
			'0190b5a4-0000-7000-8000-000000000001'::uuid, 12.50::numeric, COUNT(*) FROM one`
		read := func(ctx context.Context, query string) (row []any) {
			t.Helper()
			rows, err := db.Rows(ctx, query)
			if err != nil {
				t.Fatal(err)
			}
			names, err := rows.Columns()
			if err != nil {
				t.Fatal(err)
			}
			list, err := database.Collect(rows, func(scan func(...any) error) ([]any, error) {
				row, into := make([]any, len(names)), make([]any, len(names))
				for i := range row {
					into[i] = &row[i]
				}
				return row, scan(into...)
			})
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			return append(list[0], any(names))
		}
		if err := db.InTx(t.Context(), func(ctx context.Context) error {
			return db.Queue(ctx, "INSERT INTO one (id) VALUES (1), (2)")
		}); err != nil {
			t.Fatal(err)
		}
		alone := read(t.Context(), query)
		if err := db.InTx(t.Context(), func(ctx context.Context) error {
			if row := read(ctx, query); !reflect.DeepEqual(row, alone) {
				t.Errorf("behind BEGIN: %#v, alone: %#v", row, alone)
			}
			if err := db.Queue(ctx, "DELETE FROM one WHERE id = ?", 2); err != nil {
				return err
			}
			if row := read(database.BypassQueue(ctx), query); row[14] != int64(2) {
				t.Errorf("a query that bypasses a queued DELETE counts %v", row[14])
			}
			if row := read(ctx, query); row[14] != int64(1) {
				t.Errorf("behind a DELETE it counts %v", row[14])
			}
			return db.Queue(ctx, "INSERT INTO one (id) VALUES (?)", 3)
		}); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db); n != 2 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestNothingRunsOutsideOfAFailedTransaction, whether its first or its last statements
// fail.
func TestNothingRunsOutsideOfAFailedTransaction(t *testing.T) {
	each(t, func(t *testing.T, db *database.DB, _ string) {
		insert := func(ctx context.Context) error { return db.Queue(ctx, "INSERT INTO one (id) VALUES (?)", 1) }
		ask := func(ctx context.Context) error {
			var n int
			return db.Row(ctx, "SELECT COUNT(*) FROM one").Scan(&n)
		}
		write := func(ctx context.Context) error {
			_, err := db.Exec(ctx, "INSERT INTO one (id) VALUES (?)", 2)
			return err
		}
		unwanted := errors.New("unwanted")
		for name, steps := range map[string][]func(context.Context) error{
			"a query that is wrong":         {func(ctx context.Context) error { _, err := db.Exec(ctx, "SELECT nothing"); return err }},
			"one after another that failed": {func(ctx context.Context) error { _, _ = db.Exec(ctx, "SELECT nothing"); return write(ctx) }},
			"written twice":                 {insert, insert},
			"written twice, then asked":     {insert, insert, ask},
			"written twice, then written":   {insert, insert, write},
			"unwanted":                      {func(context.Context) error { return unwanted }},
			"unwanted, nothing sent":        {insert, func(context.Context) error { return unwanted }},
			"unwanted after a query":        {insert, ask, func(context.Context) error { return unwanted }},
			"unwanted after a write":        {insert, write, func(context.Context) error { return unwanted }},
		} {
			err := db.InTx(t.Context(), func(ctx context.Context) error {
				for _, step := range steps {
					if err := step(ctx); err != nil {
						return err
					}
				}
				return nil
			})
			goesOn := db.Driver() == database.SQLite && name == "one after another that failed" // as SQLite's transactions do
			if n := count(t, db); !goesOn && (err == nil || n != 0) {
				t.Errorf("%s: %v, and %d rows", name, err, n)
			}
			if _, err := db.Count(t.Context(), "SELECT 1"); err != nil {
				t.Errorf("%s: then %v", name, err)
			}
			if err := db.InTx(t.Context(), func(ctx context.Context) error { _, err := db.Exec(ctx, "DELETE FROM one"); return err }); err != nil {
				t.Errorf("%s: then %v", name, err)
			}
		}
		if err := db.InTx(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("nothing: %v", err)
		}
	})
}
