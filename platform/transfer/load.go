package transfer

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// load is an import in progress.
type load struct {
	*Transfer
	*reading
	options ImportOptions
	batch   []entry // all of one type
	settled int     // how many of the people have an account here
	result  Summary
}

// batchSize is the number of rows in one statement. With 13 values each it is far below
// SQLite's limit of 32,766.
const batchSize = 500

func (l *load) run(ctx context.Context, archive io.Reader) (Summary, error) {
	err := l.read(archive, func(e entry) error {
		if len(l.batch) > 0 && (l.batch[0].Type != e.Type || len(l.batch) == batchSize) {
			if err := l.flush(ctx); err != nil {
				return err
			}
		}
		switch e.Type {
		case archiveLine, endLine:
			return nil
		case ownerLine:
			if err := l.mayOwn(ctx, e); err != nil {
				return err
			}
		}
		l.batch = append(l.batch, e)
		return nil
	})
	if err != nil {
		return Summary{}, err
	}
	s := l.summary()
	s.Found, s.Made, s.WithoutPassword = l.result.Found, l.result.Made, l.result.WithoutPassword
	return s, l.continueTrail(ctx, s)
}

func (l *load) flush(ctx context.Context) error {
	var err error
	first, last := l.batch[0], l.batch[len(l.batch)-1]
	switch first.Type {
	case personLine:
		err = l.settle(ctx, l.batch)
	case chainLine:
		err = l.beginTrail(ctx, first)
	default:
		err = l.insert(ctx, first.shape, l.batch)
	}
	l.batch = l.batch[:0]
	if database.IsDuplicate(err) {
		err = fmt.Errorf("the id or the email address of one is already used here: %w", err)
	}
	if err != nil {
		return fmt.Errorf("lines %d to %d (%s): %w", first.number, last.number, first.Type, err)
	}
	return nil
}

// insert inserts the rows of one table in one statement.
func (l *load) insert(ctx context.Context, s *shape, rows []entry) error {
	var args []any
	for _, e := range rows {
		for range s.whose {
			args = append(args, l.organizationID)
		}
		for i, c := range s.Columns {
			if c.IsPerson && e.values[i] != nil {
				args = append(args, l.people.find(e.id(c.Name)).here)
				continue
			}
			args = append(args, e.values[i])
		}
	}
	return l.insertInto(ctx, s.table, append(append([]string{}, s.whose...), s.Names()...), args)
}

// insertInto inserts as many rows as there are values for.
func (l *load) insertInto(ctx context.Context, table string, columns []string, args []any) error {
	if len(args) == 0 {
		return nil
	}
	row := "(" + strings.Repeat("?, ", len(columns)-1) + "?)"
	statement := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES " +
		strings.TrimSuffix(strings.Repeat(row+", ", len(args)/len(columns)), ", ")
	return l.db.Conn(ctx).Exec(statement, args...).Error
}

// mayOwn refuses an owner whose account here is archived, because nobody can archive
// the owner of an organization with other members. It locks the account, so that it is
// not archived meanwhile.
func (l *load) mayOwn(ctx context.Context, e entry) error {
	owner := l.people.find(e.id("user_id")).here
	var archived bool
	var held string
	if err := l.db.Row(ctx, "SELECT id FROM users WHERE id = ?"+l.db.ForUpdate(), owner).Scan(&held); err != nil {
		return fmt.Errorf("lock the owner's account: %w", err)
	}
	err := l.db.Row(ctx, "SELECT EXISTS (SELECT 1 FROM user_archives WHERE user_id = ? AND restored_at IS NULL)", owner).Scan(&archived)
	if err != nil {
		return fmt.Errorf("read the owner's account: %w", err)
	}
	if archived {
		return fmt.Errorf("line %d: the owner's account here (%s) is archived: restore it first", e.number, owner)
	}
	return nil
}

func (l *load) beginTrail(ctx context.Context, e entry) error {
	return l.insertInto(ctx, "audit_chains", []string{"id", "sequence", "hash", "first_sequence", "first_hash"},
		[]any{l.organizationID, 0, "", e.value("first_sequence"), e.text("first_hash")})
}

// continueTrail sets the head of the audit chain to the archive's last event, and then
// appends an event for the import.
func (l *load) continueTrail(ctx context.Context, s Summary) error {
	err := l.db.Conn(ctx).Exec("UPDATE audit_chains SET sequence = ?, hash = ?, oldest_at = ? WHERE id = ?",
		l.chain.sequence, l.chain.hash, cmp.Or(l.chain.oldestAt, l.reading.now), l.organizationID).Error // mutant: imported-chain-age
	if err != nil {
		return fmt.Errorf("continue the audit log: %w", err)
	}
	return l.trail.Record(ctx, audit.Event{
		Action: audit.OrganizationImported, OrganizationID: audit.In(l.organizationID), Details: map[string]string{
			"exported_at": l.exportedAt.Format(time.RFC3339Nano), "events": strconv.FormatInt(s.Events, 10),
			"accounts_found": strconv.FormatInt(s.Found, 10), "accounts_made": strconv.FormatInt(s.Made, 10),
		},
	})
}
