package organization

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/lifecycle"
	"guildhall/platform/search"
)

type store struct {
	db                             *database.DB
	lifecycle                      *lifecycle.Store
	terms                          *search.Store
	findSQL, choicesSQL, ofPageSQL string
	mineSQL, ofSQL                 database.Ordered
}

func (s *store) create(ctx context.Context, id, by uuid.UUID, name string, now time.Time) error {
	err := s.db.Queue(ctx, "INSERT INTO organizations (id, name, created_at, updated_at, terms_at) VALUES (?, ?, ?, ?, ?)", id, name, now, now, now)
	if err != nil {
		return fmt.Errorf("create organization: %w", err)
	}
	if err := s.terms.Insert(ctx, id, search.TermsOfName(name)); err != nil {
		return err
	}
	return s.lifecycle.Activate(ctx, lifecycle.Of(id), uuid.NullUUID{UUID: by, Valid: true}, now)
}

// rename changes the name and returns the former one.
func (s *store) rename(ctx context.Context, id uuid.UUID, name string, now time.Time) (former string, err error) {
	if err := s.db.Row(ctx, "SELECT name FROM organizations WHERE id = ?", id).Scan(&former); err != nil {
		return "", fmt.Errorf("find organization: %w", err)
	}
	err = s.db.Conn(ctx).Model(&organization{}).Where("id = ?", id).
		Updates(map[string]any{"name": name, "updated_at": now, "terms_at": now}).Error
	if err != nil {
		return "", fmt.Errorf("rename organization: %w", err)
	}
	return former, s.terms.Replace(ctx, id, search.TermsOfName(name))
}

type ownedOrganization struct {
	id      uuid.UUID
	members int // at most two are counted
}

// lockOwned locks the organizations that a person owns and that are not archived, in the
// order of their ids, so that no member can be added meanwhile. It locks them one at a
// time, because Citus can't lock rows of several shards in one statement.
func (s *store) lockOwned(ctx context.Context, userID uuid.UUID) ([]ownedOrganization, error) {
	rows, err := s.db.Conn(ctx).Raw(`SELECT ow.organization_id FROM organization_owners ow WHERE ow.user_id = ?
		AND NOT EXISTS (SELECT 1 FROM organization_archives oa WHERE oa.organization_id = ow.organization_id AND `+access.OpenArchive("oa")+`)
		ORDER BY ow.organization_id`, userID).Rows()
	if err != nil {
		return nil, fmt.Errorf("find owned organizations: %w", err)
	}
	owned, err := database.Collect(rows, func(scan func(...any) error) (o ownedOrganization, err error) { return o, scan(&o.id) })
	if err != nil {
		return nil, fmt.Errorf("find owned organizations: %w", err)
	}
	for i, o := range owned {
		if err := s.db.Row(ctx, "SELECT o.id FROM organizations o WHERE o.id = ?"+s.db.ForUpdate(), o.id).Scan(&o.id); err != nil {
			return nil, fmt.Errorf("lock an owned organization: %w", err)
		}
		// A separate statement sees the changes that the lock waited for.
		err := s.db.Row(ctx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM organization_members m WHERE m.organization_id = ? LIMIT 2) first", o.id).Scan(&owned[i].members)
		if err != nil {
			return nil, fmt.Errorf("count members: %w", err)
		}
	}
	return owned, nil
}
