package organization

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/module"
	"guildhall/platform/schema"
	"guildhall/platform/search"
)

var organizationsTerms = search.Table{Name: "organization_terms", Of: "organization_id"}

// withoutTerms selects organizations whose terms are not those of their name: what an
// import or another release wrote. It is the condition of an index.
const withoutTerms = "terms_at IS NULL OR terms_at <> updated_at"

// termsInvariant finds organizations whose stored terms are others than those of their name,
// except for those that StoreTerms will find.
func termsInvariant() schema.Invariant {
	return schema.Invariant{
		Name: "I17 an organization is found by its name",
		Query: `SELECT o.id, o.name, COALESCE(string_agg(t.term, ' ' ORDER BY t.term), '') FROM organizations o
			LEFT JOIN organization_terms t ON t.organization_id = o.id WHERE o.terms_at = o.updated_at GROUP BY o.id, o.name`,
		Breaks: func(row []string) bool { // only Go can compute the terms
			return row[2] != strings.Join(slices.Sorted(slices.Values(search.TermsOfName(row[1]))), " ")
		},
		Remedy: "let the service store the terms again, which takes seconds: UPDATE organizations SET terms_at = NULL WHERE id = '…'",
	}
}

// StoreTerms stores the terms of a batch of organizations which something else than this
// release's requests wrote: an import, a command of SQL, or the release before, which may
// still run. It reports whether there may be more.
func (svc *Service) StoreTerms(ctx context.Context) (more bool, err error) {
	return search.StoreBatch(ctx, svc.db, svc.store.withoutTerms, svc.store.storeTerms)
}

// withoutTerms returns organizations that are not found by their terms, at most one batch.
func (s *store) withoutTerms(ctx context.Context) ([]uuid.UUID, error) {
	rows, err := s.db.Rows(ctx, "SELECT id FROM organizations WHERE "+withoutTerms+" ORDER BY id LIMIT ?", search.Batch)
	if err != nil {
		return nil, fmt.Errorf("find organizations without terms: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
}

func (s *store) storeTerms(ctx context.Context, id uuid.UUID) error {
	var name string
	if err := s.db.Row(ctx, "SELECT o.name FROM organizations o WHERE o.id = ?"+s.db.ForUpdate(), id).Scan(&name); err != nil {
		return fmt.Errorf("lock an organization: %w", err)
	}
	if err := s.terms.Replace(ctx, id, search.TermsOfName(name)); err != nil {
		return err
	}
	if err := s.db.Queue(ctx, "UPDATE organizations SET terms_at = updated_at WHERE id = ?", id); err != nil {
		return fmt.Errorf("store terms of an organization: %w", err)
	}
	return nil
}

// Workers implements module.WithWorkers.
func (m *Module) Workers() []module.Worker {
	return []module.Worker{module.WorkingOff(search.Pause, m.StoreTerms)}
}
