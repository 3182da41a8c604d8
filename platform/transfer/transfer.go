// Package transfer moves one organization to another server: Export writes an archive
// of it, and Import reads one. The archive identifies people by their email addresses,
// and contains what belongs to the organization: its standing, its memberships and
// roles, restrictions of people within it, and its chain of the audit log. What belongs
// to an account (its standing, its sessions, its own audit chain) is not transferred.
//
// Most lines are rows of tables, as their modules declare them. format.go has the
// others, and the order. Export, validation and import all use the same list.
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

// Transfer exports organizations from and imports them into one database.
type Transfer struct {
	db      *database.DB
	trail   *audit.Trail
	hasher  *password.Hasher
	now     func() time.Time
	tables  []schema.Table
	version string // of this program
}

// New returns a Transfer for a database.
func New(db *database.DB, trail *audit.Trail, hasher *password.Hasher, now func() time.Time, tables []schema.Table, version string) *Transfer {
	return &Transfer{db: db, trail: trail, hasher: hasher, now: now, tables: tables, version: version}
}

// lines returns the types of lines that an archive of this version has.
func (t *Transfer) lines(ctx context.Context) ([]shape, error) {
	keys, err := t.db.ForeignKeys(ctx)
	return lines(t.tables, keys, t.hasher), err
}

// ErrNoOrganization means that no organization has this id or name.
var ErrNoOrganization = errors.New("there is no such organization")

// Find returns the organization with an id or name. It refuses a name that several
// have.
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
		return uuid.Nil, fmt.Errorf("several organizations have this name; use the id of one: %s", strings.Join(texts, ", "))
	}
	return ids[0], nil
}
