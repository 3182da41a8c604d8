// Package integrity looks for what must never be true of the data: a broken
// invariant, a damaged file, a forged audit trail. The schema makes most of it
// impossible; this is for what went around it, a faulty disk or a hand on the
// database, and for a backup before it is trusted. It reads the tables of all
// modules and writes nothing.
package integrity

import (
	"context"
	"fmt"
	"strings"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// Problem is one thing that is wrong.
type Problem struct {
	What string   `json:"what"`           // which sentence is not true
	Rows []string `json:"rows,omitempty"` // the ids of what breaks it
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

// Report is what Check found.
type Report struct {
	Problems []Problem
	Audit    audit.Verified
}

// Check goes through the whole database; with a million members that takes about
// half a minute. The error says that it could not.
func Check(ctx context.Context, db *database.DB) (Report, error) {
	ctx = database.ForAll(ctx)
	var r Report
	checks := invariants()
	if db.Driver() == database.SQLite {
		// Before all others: nothing that a damaged file says is to be believed.
		checks = append([]invariant{
			{"the file is damaged", "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
			{"rows refer to rows that don't exist, in", `SELECT DISTINCT "table" FROM pragma_foreign_key_check`},
		}, checks...)
		tables, err := db.Tables(ctx)
		if err != nil {
			return r, err
		}
		checks = append(checks, kinds(tables)...)
	}
	for _, i := range checks {
		rows, err := find(ctx, db, i.query)
		if err != nil {
			return r, fmt.Errorf("check %q: %w", i.name, err)
		}
		if len(rows) > 0 {
			r.Problems = append(r.Problems, Problem{What: i.name, Rows: rows})
		}
	}
	ids, err := misfiled(ctx, db)
	if err != nil {
		return r, fmt.Errorf("compare email addresses: %w", err)
	}
	if len(ids) > 0 {
		r.Problems = append(r.Problems, Problem{What: "I6 an email address has the canonical form that it is looked up by", Rows: ids})
	}
	if r.Audit, err = audit.New(db, nil).Verify(ctx); err != nil {
		return r, err
	}
	for _, b := range r.Audit.Broken {
		r.Problems = append(r.Problems, Problem{What: "audit trail, " + b})
	}
	return r, nil
}

// Err is nil where nothing is wrong, and otherwise says all that is.
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

func find(ctx context.Context, db *database.DB, query string) ([]string, error) {
	rows, err := db.Conn(ctx).Raw(query).Rows()
	if err != nil {
		return nil, err
	}
	return database.Collect(rows, func(scan func(...any) error) (s string, err error) { return s, scan(&s) })
}
