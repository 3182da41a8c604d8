// Package lifecycle stores the standing of accounts, memberships and organizations:
// whether they are active, suspended or archived. Each state is a row that is open while
// the state lasts and that records who began and ended it. Callers must have locked the
// subject.
package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/fault"
)

// Tables names the tables of one kind of subject.
type Tables struct {
	Activity, Suspensions, Archives string
	// Key are the columns that identify the subject. Archives has only the first, because
	// a person is archived as a whole.
	Key []string
	// ByPlatform says that Suspensions has a column by_operator, which marks the
	// suspensions by platform administrators.
	ByPlatform bool
	// SharesReasons says that Suspensions has a column reason_shared, which marks the
	// reasons that the person may read.
	SharesReasons bool
	// The refusals of Suspend, Amend, Archive and Unarchive, in the words of the subject.
	AlreadySuspended, NotSuspended, AlreadyArchived, NotArchived *fault.Error
}

// Subject has the values of Tables.Key. A value that is not valid is NULL.
type Subject []uuid.NullUUID

// Of returns the subject of a key of one column.
func Of(id uuid.UUID) Subject { return Subject{{UUID: id, Valid: true}} }

// Suspension is a suspension in force. If SuspendedBy is not valid, a command on the
// server suspended the subject.
type Suspension struct {
	Reason         string        `json:"reason" example:"Under investigation."`
	ByPlatform     bool          `json:"-"`
	ReasonShared   bool          `json:"-"` // the person may read the reason
	SuspendedAt    time.Time     `json:"suspended_at"`
	SuspendedBy    uuid.NullUUID `json:"suspended_by" description:"Null if a command on the server did it."`
	SuspendedUntil *time.Time    `json:"suspended_until" description:"When it ends by itself."`
}

// Archive is an archive in force: the subject was not restored since.
type Archive struct {
	Reason     string        `json:"reason"`
	ArchivedAt time.Time     `json:"archived_at"`
	ArchivedBy uuid.NullUUID `json:"archived_by"`
}

// Store reads and writes Tables.
type Store struct {
	db     *database.DB
	tables Tables

	activateSQL, suspendSQL, archiveSQL, unarchiveSQL, openArchiveSQL string
}

// NewStore returns the store of the tables.
func NewStore(db *database.DB, t Tables) *Store {
	s := &Store{db: db, tables: t}
	key, values := strings.Join(t.Key, ", "), strings.Repeat("?, ", len(t.Key))
	s.activateSQL = fmt.Sprintf("INSERT INTO %s (id, %s, activated_at, activated_by) VALUES (?, %s?, ?) ON CONFLICT DO NOTHING", t.Activity, key, values)
	marks := ""
	if t.ByPlatform {
		marks, values = marks+", by_operator", values+"?, "
	}
	if t.SharesReasons {
		marks, values = marks+", reason_shared", values+"?, "
	}
	s.suspendSQL = fmt.Sprintf("INSERT INTO %s (id, %s%s, reason, suspended_at, suspended_by, suspended_until) VALUES (?, %s?, ?, ?, ?)",
		t.Suspensions, key, marks, values)
	s.archiveSQL = fmt.Sprintf("INSERT INTO %s (id, %s, reason, archived_at, archived_by) VALUES (?, ?, ?, ?, ?)", t.Archives, t.Key[0])
	open := fmt.Sprintf("%s = ? AND %s", t.Key[0], access.OpenArchive(t.Archives))
	s.unarchiveSQL = fmt.Sprintf("UPDATE %s SET restored_at = ?, restored_by = ?, restore_reason = ? WHERE %s", t.Archives, open)
	s.openArchiveSQL = fmt.Sprintf("SELECT reason, archived_at, archived_by FROM %s WHERE %s", t.Archives, open)
	return s
}

// where returns the condition for the subject's rows, and args with its arguments.
func (s *Store) where(subject Subject, args ...any) (string, []any) {
	conditions := make([]string, len(subject))
	for i, id := range subject {
		conditions[i] = s.tables.Key[i] + " IS NULL"
		if id.Valid {
			conditions[i] = s.tables.Key[i] + " = ?"
			args = append(args, id.UUID)
		}
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}

func (subject Subject) values(first ...any) []any {
	for _, id := range subject {
		first = append(first, id)
	}
	return first
}

// Activate makes the subject active if it is not.
func (s *Store) Activate(ctx context.Context, subject Subject, by uuid.NullUUID, now time.Time) error {
	if err := s.db.Queue(ctx, s.activateSQL, append(subject.values(newID()), now, by)...); err != nil {
		return fmt.Errorf("activate in %s: %w", s.tables.Activity, err)
	}
	return nil
}

// Deactivate makes the subject inactive if it is active.
func (s *Store) Deactivate(ctx context.Context, subject Subject, by uuid.NullUUID, now time.Time) error {
	where, args := s.where(subject, now, by)
	_, err := s.db.Exec(ctx, "UPDATE "+s.tables.Activity+" SET deactivated_at = ?, deactivated_by = ?"+where+" AND deactivated_at IS NULL", args...)
	if err != nil {
		return fmt.Errorf("deactivate in %s: %w", s.tables.Activity, err)
	}
	return nil
}

// settle closes a suspension that has expired, at the time of its expiry and without a
// lifted_by. After it, an open suspension is in force.
func (s *Store) settle(ctx context.Context, subject Subject, now time.Time) error {
	where, args := s.where(subject)
	_, err := s.db.Exec(ctx, "UPDATE "+s.tables.Suspensions+" SET lifted_at = suspended_until"+where+" AND lifted_at IS NULL AND suspended_until <= ?", append(args, now)...)
	if err != nil {
		return fmt.Errorf("settle in %s: %w", s.tables.Suspensions, err)
	}
	return nil
}

// Suspend suspends the subject. It refuses one that is suspended (AlreadySuspended).
func (s *Store) Suspend(ctx context.Context, subject Subject, n Suspension) error {
	if err := s.settle(ctx, subject, n.SuspendedAt); err != nil {
		return err
	}
	args := subject.values(newID())
	if s.tables.ByPlatform {
		args = append(args, n.ByPlatform)
	}
	if s.tables.SharesReasons {
		args = append(args, n.ReasonShared)
	}
	_, err := s.db.Exec(ctx, s.suspendSQL, append(args, n.Reason, n.SuspendedAt, n.SuspendedBy, n.SuspendedUntil)...)
	if database.IsDuplicate(err) {
		return s.tables.AlreadySuspended
	}
	if err != nil {
		return fmt.Errorf("suspend in %s: %w", s.tables.Suspensions, err)
	}
	return nil
}

// Lift lifts the suspension in force, if any.
func (s *Store) Lift(ctx context.Context, subject Subject, by uuid.NullUUID, now time.Time) error {
	if err := s.settle(ctx, subject, now); err != nil {
		return err
	}
	where, args := s.where(subject, now, by)
	_, err := s.db.Exec(ctx, "UPDATE "+s.tables.Suspensions+" SET lifted_at = ?, lifted_by = ?"+where+" AND lifted_at IS NULL", args...)
	if err != nil {
		return fmt.Errorf("lift in %s: %w", s.tables.Suspensions, err)
	}
	return nil
}

// Suspension returns the suspension in force, or nil.
func (s *Store) Suspension(ctx context.Context, subject Subject, now time.Time) (*Suspension, error) {
	byPlatform := "1 = 0"
	if s.tables.ByPlatform {
		byPlatform = "by_operator"
	}
	where, args := s.where(subject)
	var found Suspension
	err := s.db.Row(ctx, "SELECT reason, "+byPlatform+", "+s.reasonShared()+", suspended_at, suspended_by, suspended_until FROM "+s.tables.Suspensions+where+
		" AND "+access.OpenSuspension(s.tables.Suspensions, "?"), append(args, now)...).
		Scan(&found.Reason, &found.ByPlatform, &found.ReasonShared, &found.SuspendedAt, &found.SuspendedBy, &found.SuspendedUntil)
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find in %s: %w", s.tables.Suspensions, err)
	}
	found.SuspendedAt, found.SuspendedUntil = found.SuspendedAt.UTC(), database.InUTC(found.SuspendedUntil)
	return &found, nil
}

// reasonShared returns the column, or what it would be.
func (s *Store) reasonShared() string {
	if s.tables.SharesReasons {
		return "reason_shared"
	}
	return "1 = 0"
}

// Archive archives the subject and makes it inactive. It refuses one that is archived
// (AlreadyArchived).
func (s *Store) Archive(ctx context.Context, subject Subject, reason string, by uuid.NullUUID, now time.Time) error {
	_, err := s.db.Exec(ctx, s.archiveSQL, newID(), subject[0], reason, now, by)
	if database.IsDuplicate(err) {
		return s.tables.AlreadyArchived
	}
	if err != nil {
		return fmt.Errorf("archive in %s: %w", s.tables.Archives, err)
	}
	return s.Deactivate(ctx, subject, by, now)
}

// Unarchive restores the subject and makes it active. It refuses one that is not archived
// (NotArchived).
func (s *Store) Unarchive(ctx context.Context, subject Subject, reason *string, by uuid.NullUUID, now time.Time) error {
	n, err := s.db.Exec(ctx, s.unarchiveSQL, now, by, reason, subject[0])
	if err != nil {
		return fmt.Errorf("unarchive in %s: %w", s.tables.Archives, err)
	}
	if n == 0 {
		return s.tables.NotArchived
	}
	return s.Activate(ctx, subject, by, now)
}

// OpenArchive returns the archive in force, or nil.
func (s *Store) OpenArchive(ctx context.Context, subject Subject) (*Archive, error) {
	var found Archive
	err := s.db.Row(ctx, s.openArchiveSQL, subject[0]).Scan(&found.Reason, &found.ArchivedAt, &found.ArchivedBy)
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find in %s: %w", s.tables.Archives, err)
	}
	found.ArchivedAt = found.ArchivedAt.UTC()
	return &found, nil
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
