package search

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// Store stores the terms of a table.
type Store struct {
	db                   *database.DB
	table                Table
	insertSQL, deleteSQL string
}

// NewStore returns the store of a table without a tenant.
func NewStore(db *database.DB, table Table) *Store {
	from := "json_each(?)"
	if db.Driver() == database.Postgres {
		from = "json_array_elements_text(CAST(? AS json))"
	}
	return &Store{
		db: db, table: table,
		insertSQL: fmt.Sprintf("INSERT INTO %s (%s, term) SELECT %s, value FROM %s", table.Name, table.Of, db.Param("uuid"), from),
		deleteSQL: fmt.Sprintf("DELETE FROM %s WHERE %s = ?", table.Name, table.Of),
	}
}

// Insert stores the terms of something new, within the caller's transaction.
func (s *Store) Insert(ctx context.Context, id uuid.UUID, terms []string) error {
	if len(terms) == 0 { // of a name without letters and digits
		return nil
	}
	list, err := json.Marshal(terms)
	if err == nil {
		err = s.db.Queue(ctx, s.insertSQL, id, string(list))
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", strings.ReplaceAll(s.table.Name, "_", " "), err)
	}
	return nil
}

// Replace stores the terms in place of those that are stored, within the caller's
// transaction.
func (s *Store) Replace(ctx context.Context, id uuid.UUID, terms []string) error {
	if err := s.db.Queue(ctx, s.deleteSQL, id); err != nil {
		return fmt.Errorf("delete %s: %w", strings.ReplaceAll(s.table.Name, "_", " "), err)
	}
	return s.Insert(ctx, id, terms)
}

// Batch is how many things a worker stores the terms of at once, and Pause how long it waits
// when there are none.
const (
	Batch = 100
	Pause = 5 * time.Second
)

// StoreBatch stores the terms of what find returns, in one transaction. It reports whether
// there may be more.
func StoreBatch(ctx context.Context, db *database.DB, find func(context.Context) ([]uuid.UUID, error), store func(context.Context, uuid.UUID) error) (more bool, err error) {
	ctx = database.ForAll(ctx)
	ids, err := find(ctx)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	return len(ids) == Batch, db.InTx(ctx, func(ctx context.Context) error {
		for _, id := range ids {
			if err := store(ctx, id); err != nil {
				return err
			}
		}
		return nil
	})
}
