package user

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

const (
	// withoutTerms selects accounts whose terms are not those of their name and address:
	// what an import or another release wrote. It is the condition of an index.
	withoutTerms = "terms_at IS NULL OR terms_at <> updated_at"
	// sameTerms is the value of terms_at in an UPDATE that changes updated_at, but no terms.
	sameTerms = "CASE WHEN terms_at = updated_at THEN ? ELSE terms_at END"

	// storeAllAgain makes a worker store the terms of everybody.
	storeAllAgain = "UPDATE users SET terms_at = NULL WHERE terms_at IS NOT NULL"

	copyTerms = "INSERT INTO member_terms (organization_id, user_id, term) SELECT m.organization_id, t.user_id, t.term FROM "
)

// termsInvariant finds people whose stored terms are others than those of their name and
// address, except for those that StoreTerms will find.
func termsInvariant() schema.Invariant {
	return schema.Invariant{
		Name: "I17 a person is found by their name and address",
		Query: `SELECT u.id, u.email, p.name, COALESCE(string_agg(t.term, ' ' ORDER BY t.term), '') FROM users u
			JOIN user_profile p ON p.user_id = u.id LEFT JOIN user_terms t ON t.user_id = u.id
			WHERE u.terms_at = u.updated_at GROUP BY u.id, u.email, p.name`,
		Breaks: func(row []string) bool { // only Go can compute the terms
			return row[3] != strings.Join(slices.Sorted(slices.Values(search.TermsOfPerson(row[2], row[1]))), " ")
		},
		Remedy: storeAgain,
	}
}

// memberTermsInvariant finds members who are found by other terms than the person.
func memberTermsInvariant() schema.Invariant {
	return schema.Invariant{
		Name: "I17 a member is found as the person is",
		Query: `SELECT m.user_id FROM organization_members m WHERE m.searchable
			AND EXISTS (SELECT 1 FROM users u WHERE u.id = m.user_id AND u.terms_at = u.updated_at)
			AND ((SELECT COUNT(*) FROM user_terms t WHERE t.user_id = m.user_id)
				<> (SELECT COUNT(*) FROM member_terms x WHERE x.organization_id = m.organization_id AND x.user_id = m.user_id)
			OR EXISTS (SELECT 1 FROM member_terms x WHERE x.organization_id = m.organization_id AND x.user_id = m.user_id
				AND NOT EXISTS (SELECT 1 FROM user_terms t WHERE t.user_id = x.user_id AND t.term = x.term)))`,
		Remedy: storeAgain,
	}
}

const storeAgain = "let the service store the terms again, which takes seconds: UPDATE users SET terms_at = NULL WHERE id = '…'"

// lockNamed locks an account and returns its address and name. The lock also excludes
// transactions that add the person to an organization: they would copy terms that are about
// to change. An ordinary one would not.
func (s *store) lockNamed(ctx context.Context, id uuid.UUID) (email, name string, err error) {
	lock := s.db.ForUpdate()
	if lock != "" { // mutant: terms-lock
		lock = " FOR UPDATE"
	}
	err = s.db.Row(ctx, "SELECT u.email, p.name FROM users u JOIN user_profile p ON p.user_id = u.id WHERE u.id = ?"+lock, id).Scan(&email, &name)
	if err != nil {
		return "", "", fmt.Errorf("lock an account: %w", err)
	}
	return email, name, nil
}

// replaceTerms stores the terms by which a person is found, everywhere, within the
// transaction that has locked the account.
func (s *store) replaceTerms(ctx context.Context, id uuid.UUID, name, email string) error {
	ctx = database.ForAll(ctx) // in all of the person's organizations
	if err := s.terms.Replace(ctx, id, search.TermsOfPerson(name, email)); err != nil {
		return err
	}
	for _, statement := range []string{
		"DELETE FROM member_terms WHERE user_id = ? AND organization_id IN (SELECT m.organization_id FROM organization_members m WHERE m.user_id = ?)",
		s.memberTermsSQL,
		"UPDATE organization_members SET searchable = TRUE WHERE user_id = ? AND NOT searchable",
		"UPDATE users SET terms_at = updated_at WHERE id = ?",
	} {
		args := []any{id, id}
		if err := s.db.Queue(ctx, statement, args[:strings.Count(statement, "?")]...); err != nil {
			return fmt.Errorf("store terms of a member: %w", err)
		}
	}
	return nil
}

// withoutTerms returns people who are not found by their terms, at most one batch.
func (s *store) withoutTerms(ctx context.Context) ([]uuid.UUID, error) {
	rows, err := s.db.Rows(ctx, "SELECT id FROM (SELECT id FROM users WHERE "+withoutTerms+" ORDER BY id LIMIT ?) u"+
		" UNION SELECT user_id FROM (SELECT user_id FROM organization_members WHERE NOT searchable ORDER BY user_id LIMIT ?) m ORDER BY id LIMIT ?",
		search.Batch, search.Batch, search.Batch)
	if err != nil {
		return nil, fmt.Errorf("find people without terms: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
}

// StoreTerms stores the terms of a batch of people whom something else than this release's
// requests wrote: an import, a command of SQL, or the release before, which may still run. It
// reports whether there may be more.
func (svc *Service) StoreTerms(ctx context.Context) (more bool, err error) {
	return search.StoreBatch(ctx, svc.db, svc.store.withoutTerms, svc.store.storeTerms)
}

func (s *store) storeTerms(ctx context.Context, id uuid.UUID) error {
	email, name, err := s.lockNamed(ctx, id)
	if err != nil {
		return err
	}
	return s.replaceTerms(ctx, id, name, email)
}

// Workers implements module.WithWorkers.
func (m *Module) Workers() []module.Worker {
	return []module.Worker{module.WorkingOff(search.Pause, m.StoreTerms), m.eraser()}
}
