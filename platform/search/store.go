package search

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

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
