// Package transfer takes one organization along to another server: Export writes
// an archive of it, Import puts one in. The archive says who people are by their
// email address, and carries what is the organization's: its standing, its
// memberships and roles, what stands against people within it, and its chain of
// the audit trail. What is an account's (its standing, its sessions, its own
// trail) stays where it is.
//
// Most lines are rows of tables, as their modules declare them; format.go has the
// others, and the order. What is written, what is accepted and what is stored are the
// same list.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/password"
	"guildhall/platform/schema"
)

// Transfer exports from and imports into one database.
type Transfer struct {
	db      *database.DB
	trail   *audit.Trail
	hasher  *password.Hasher
	now     func() time.Time
	tables  []schema.Table
	version string // of this program
}

// New returns the transfer of a database.
func New(db *database.DB, trail *audit.Trail, hasher *password.Hasher, now func() time.Time, tables []schema.Table, version string) *Transfer {
	return &Transfer{db: db, trail: trail, hasher: hasher, now: now, tables: tables, version: version}
}

// lines are those that an archive has here.
func (t *Transfer) lines(ctx context.Context) ([]shape, error) {
	keys, err := t.db.ForeignKeys(ctx)
	return lines(t.tables, keys), err
}

// ErrNoOrganization is the answer where there is none of this id or name.
var ErrNoOrganization = errors.New("there is no such organization")

// Find returns the organization of an id or, where only one has it, of a name.
func Find(ctx context.Context, db *database.DB, idOrName string) (uuid.UUID, error) {
	if id, err := uuid.Parse(idOrName); err == nil {
		return id, nil
	}
	rows, err := db.Conn(ctx).Raw("SELECT id FROM organizations WHERE name = ? ORDER BY id LIMIT 100", idOrName).Rows()
	if err != nil {
		return uuid.Nil, fmt.Errorf("find organization: %w", err)
	}
	ids, err := database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
	switch {
	case err != nil:
		return uuid.Nil, fmt.Errorf("find organization: %w", err)
	case len(ids) == 0:
		return uuid.Nil, ErrNoOrganization
	case len(ids) > 1:
		texts := make([]string, len(ids))
		for i, id := range ids {
			texts[i] = id.String()
		}
		return uuid.Nil, fmt.Errorf("several organizations have this name; say which by its id: %s", strings.Join(texts, ", "))
	}
	return ids[0], nil
}
