// Package integrity looks for data that must never exist: a broken invariant, a damaged
// file, a forged audit log. The schema prevents most of it. This package finds what
// bypassed the schema, such as a faulty disk or a manual change, and verifies a backup
// before it is trusted. It reads the tables of all modules, which declare their
// invariants, and writes nothing.
package integrity

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/schema"
)

// Problem is one violated invariant.
type Problem struct {
	What string   `json:"what"`           // the invariant that is violated
	Rows []string `json:"rows,omitempty"` // the ids of the rows that violate it

	Remedy string `json:"-"` // what the operator should do
}

const shown = 5

func (p Problem) String() string {
	if len(p.Rows) == 0 {
		return p.What
	}
	rows, more := p.Rows, ""
	if len(rows) > shown {
		rows, more = rows[:shown], fmt.Sprintf(" and %d more", len(rows)-shown)
	}
	return p.What + ": " + strings.Join(rows, ", ") + more
}

// Report is the result of Check.
type Report struct {
	Problems []Problem
	Audit    audit.Verified
}

// Check checks the whole database. That takes about half a minute with a million
// members. It returns an error only if it could not finish. It checks the declared
// invariants of the modules, and those that the schema implies. Only a writer can check
// I12, that acknowledged writes exist.
func Check(ctx context.Context, db *database.DB, declared []schema.Invariant) (Report, error) {
	ctx = database.ForAll(ctx)
	var r Report
	implied, err := derived(ctx, db)
	if err != nil {
		return r, err
	}
	for _, i := range append(implied, declared...) {
		rows, err := find(ctx, db, i)
		if err != nil {
			return r, fmt.Errorf("check %q: %w", i.Name, err)
		}
		if len(rows) > 0 {
			r.Problems = append(r.Problems, Problem{What: i.Name, Rows: rows, Remedy: cmp.Or(i.Remedy, wentAround)})
		}
	}
	if r.Audit, err = audit.New(db, nil, nil).Verify(ctx); err != nil {
		return r, err
	}
	for _, b := range r.Audit.Broken {
		r.Problems = append(r.Problems, Problem{What: "audit trail, " + b, Remedy: rewritten})
	}
	return r, nil
}

// Err returns nil if no problem was found, and otherwise an error that lists all of
// them.
func (r Report) Err() error {
	if len(r.Problems) == 0 {
		return nil
	}
	all := make([]string, len(r.Problems))
	for i, p := range r.Problems {
		all[i] = p.String()
	}
	return fmt.Errorf("%d thing(s) are wrong with the data:\n%s", len(all), strings.Join(all, "\n"))
}

// find returns the ids of the rows that violate an invariant.
func find(ctx context.Context, db *database.DB, i schema.Invariant) (ids []string, err error) {
	rows, err := db.Conn(ctx).Raw(i.Query).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	row, into := make([]string, len(columns)), make([]any, len(columns))
	for at := range row {
		into[at] = &row[at]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		if i.Breaks == nil || i.Breaks(row) {
			ids = append(ids, row[0])
		}
	}
	return ids, rows.Err()
}
