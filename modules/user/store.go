package user

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"guildhall/platform/database"
	"guildhall/platform/field"
	"guildhall/platform/lifecycle"
	"guildhall/platform/search"
)

type store struct {
	db                *database.DB
	lifecycle         *lifecycle.Store
	findSQL, namedSQL string
	allSQL, pagedSQL  database.Ordered

	ofPage string

	terms                        *search.Store
	memberTermsSQL, copyTermsSQL string
}

func (s *store) create(ctx context.Context, email, canonical, name string, locale *field.Locale, now time.Time) (uuid.UUID, error) {
	return s.createAs(ctx, uuid.Must(uuid.NewV7()), email, canonical, name, locale, now)
}

func (s *store) createAs(ctx context.Context, id uuid.UUID, email, canonical, name string, locale *field.Locale, now time.Time) (uuid.UUID, error) {
	_, err := s.db.Exec(ctx, "INSERT INTO users (id, email, email_canonical, locale, created_at, updated_at, terms_at) VALUES (?, ?, ?, ?, ?, ?, ?)", id, email, canonical, (*string)(locale), now, now, now)
	if database.IsDuplicate(err) {
		return uuid.Nil, errEmailTaken
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("create user: %w", err)
	}
	if err := s.db.Queue(ctx, "INSERT INTO user_profile (user_id, name) VALUES (?, ?)", id, name); err != nil {
		return uuid.Nil, fmt.Errorf("create profile: %w", err)
	}
	if err := s.terms.Insert(ctx, id, search.TermsOfPerson(name, email)); err != nil {
		return uuid.Nil, err
	}
	return id, s.lifecycle.Activate(ctx, subject{userID: id}.key(), uuid.NullUUID{}, now)
}

func (s *store) welcome(ctx context.Context, userID, organizationID uuid.UUID, now time.Time) error {
	err := s.db.Queue(ctx, `INSERT INTO user_active_status (id, user_id, organization_id, activated_at)
		SELECT `+s.db.Param("uuid")+`, k.user_id, k.organization_id, `+s.db.Param("timestamptz")+`
		FROM (SELECT `+s.db.Param("uuid")+` AS user_id, `+s.db.Param("uuid")+` AS organization_id) k
		WHERE NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = k.user_id AND a.organization_id = k.organization_id)`,
		uuid.Must(uuid.NewV7()), now, userID, organizationID)
	if err != nil {
		return fmt.Errorf("welcome user: %w", err)
	}
	if err := s.db.Queue(ctx, s.copyTermsSQL, organizationID, userID); err != nil {
		return fmt.Errorf("store terms of a member: %w", err)
	}
	return nil
}

// organizationsOf returns the organizations of which the person is a member.
func (s *store) organizationsOf(ctx context.Context, userID uuid.UUID) ([]uuid.UUID, error) {
	ctx = database.For(ctx, database.Tenant{UserID: userID})
	rows, err := s.db.Rows(ctx, "SELECT organization_id FROM organization_members WHERE user_id = ? ORDER BY organization_id", userID)
	if err != nil {
		return nil, fmt.Errorf("find memberships: %w", err)
	}
	ids, err := database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("find memberships: %w", err)
	}
	return ids, nil
}

func (s *store) updateProfile(ctx context.Context, id uuid.UUID, changes map[string]any, now time.Time) error {
	account, rest := map[string]any{"updated_at": now, "terms_at": gorm.Expr(sameTerms, now)}, map[string]any{}
	for column, value := range changes {
		if column == "locale" {
			account[column] = value
		} else {
			rest[column] = value
		}
	}
	name, renames := rest["name"].(string)
	var email string
	if renames {
		var err error
		if email, _, err = s.lockNamed(ctx, id); err != nil {
			return err
		}
	}
	if len(rest) > 0 {
		if err := s.db.Conn(ctx).Model(&profile{}).Where("user_id = ?", id).Updates(rest).Error; err != nil {
			return fmt.Errorf("update profile: %w", err)
		}
	}
	if err := s.db.Conn(ctx).Model(&user{}).Where("id = ?", id).Updates(account).Error; err != nil {
		return fmt.Errorf("update user: %w", err)
	}
	if !renames {
		return nil
	}
	return s.replaceTerms(ctx, id, name, email)
}

// verify marks the address of an account as proved. It returns false if it was already.
func (s *store) verify(ctx context.Context, id uuid.UUID, now time.Time) (bool, error) {
	n, err := s.db.Exec(ctx, "UPDATE users SET email_verified_at = ?, updated_at = ?, terms_at = "+sameTerms+" WHERE id = ? AND email_verified_at IS NULL", now, now, now, id)
	if err != nil {
		return false, fmt.Errorf("verify an address: %w", err)
	}
	return n > 0, nil
}

func (s *store) setEnrolled(ctx context.Context, id uuid.UUID, since *time.Time) error {
	if err := s.db.Queue(ctx, "UPDATE users SET factor_enrolled_at = ? WHERE id = ?", since, id); err != nil {
		return fmt.Errorf("record whether a person has a second factor: %w", err)
	}
	return nil
}

// changeEmail replaces the address of an account. verifiedAt is when the person proved the
// new one.
func (s *store) changeEmail(ctx context.Context, id uuid.UUID, email, canonical string, verifiedAt *time.Time, now time.Time) error {
	_, name, err := s.lockNamed(ctx, id)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(ctx, "UPDATE users SET email = ?, email_canonical = ?, email_verified_at = ?, updated_at = ? WHERE id = ?", email, canonical, verifiedAt, now, id)
	if database.IsDuplicate(err) {
		return errEmailTaken
	}
	if err != nil {
		return fmt.Errorf("change an address: %w", err)
	}
	return s.replaceTerms(ctx, id, name, email)
}
