package person

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// Erased is a person of whom only the id is left.
type Erased struct {
	ID uuid.UUID `json:"user_id"`
	At time.Time `json:"erased_at"`
}

// ErasedIn returns the people who were erased in a database, the earliest first.
func ErasedIn(ctx context.Context, db *database.DB) ([]Erased, error) {
	rows, err := db.Rows(database.OnPrimary(ctx), "SELECT id, erased_at FROM users WHERE erased_at IS NOT NULL ORDER BY erased_at, id")
	if err != nil {
		return nil, fmt.Errorf("list erased people: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (e Erased, err error) {
		err = scan(&e.ID, &e.At)
		e.At = e.At.UTC()
		return e, err
	})
}
