package auth

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/request"
)

// Sessions stores sessions. Other modules use it to end a person's sessions.
type Sessions struct {
	db        *database.DB
	trail     *audit.Trail
	now       func() time.Time
	rotateSQL string
	listSQL   string
}

// NewSessions returns the store of sessions.
func NewSessions(db *database.DB, trail *audit.Trail, now func() time.Time) *Sessions {
	return &Sessions{
		db: db, trail: trail, now: now,
		rotateSQL: fmt.Sprintf(rotateQuery, momentDigits*mostRefreshes(longestGrace), access.StandingOf(db, "sessions.user_id", "sessions.organization_id")),
		listSQL:   fmt.Sprintf(listQuery, db.Param("uuid"), db.Param("timestamptz")),
	}
}

const (
	// mutant: generation-swap
	rotateQuery = `UPDATE sessions SET generation = generation + 1, rotated_at = ?, address = ?, client = ?,
			superseded = substr(? || CASE WHEN rotated_at < ? THEN '' ELSE superseded END, 1, %d)
		WHERE id = ? AND user_id = ? AND generation = ? AND revoked_at IS NULL AND expires_at > ?
		RETURNING organization_id, expires_at, (%s),
			(SELECT u.email FROM users u WHERE u.id = sessions.user_id),
			(SELECT p.name FROM user_profile p WHERE p.user_id = sessions.user_id)`
	listQuery = `SELECT s.id, s.organization_id, s.created_at, s.rotated_at, s.expires_at, s.address, s.client
		FROM (SELECT %[1]s AS user_id, %[1]s AS after, %[2]s AS now) k
		JOIN sessions s ON s.user_id = k.user_id AND s.id > k.after AND s.revoked_at IS NULL AND s.expires_at > k.now
		ORDER BY s.id LIMIT ? OFFSET ?`
)

// longestGrace is the longest grace period that can be configured.
const longestGrace = time.Minute

// EndAll ends every session of a person, within the caller's transaction, if any.
func (k *Sessions) EndAll(ctx context.Context, userID uuid.UUID, reason string) error {
	_, err := k.revoke(ctx, userID, map[string]string{"reason": reason}, "1 = 1")
	return err
}

// EndAllOfAllUsers ends every session in the database after a restore: the backup does not
// know which of them ended since.
func (k *Sessions) EndAllOfAllUsers(ctx context.Context) error {
	err := k.db.InTx(ctx, func(ctx context.Context) error {
		r := k.db.Conn(ctx).Model(&session{}).Where("revoked_at IS NULL").
			Updates(map[string]any{"revoked_at": k.now(), "revoked_reason": "restored"})
		if r.Error != nil {
			return r.Error
		}
		live, err := k.db.Count(ctx, "SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL")
		if err != nil {
			return err
		}
		if *live > 0 { // a trigger or rule in the database reverts the update
			return fmt.Errorf("%d sessions can't be ended", *live)
		}
		return k.trail.Record(ctx, audit.Event{
			Action: audit.DatabaseRestored, Details: map[string]string{"sessions": strconv.FormatInt(r.RowsAffected, 10)},
		})
	})
	if err != nil {
		return fmt.Errorf("end all sessions: %w", err)
	}
	return nil
}

func (k *Sessions) endOthers(ctx context.Context, userID, kept uuid.UUID, reason string) error {
	_, err := k.revoke(ctx, userID, map[string]string{"reason": reason, "kept_session_id": kept.String()}, "id <> ?", kept)
	return err
}

// end ends one session of the person. It returns false if they have no such live session.
func (k *Sessions) end(ctx context.Context, userID, id uuid.UUID, reason string) (bool, error) {
	n, err := k.revoke(ctx, userID, map[string]string{"reason": reason, "session_id": id.String()}, "id = ?", id)
	return n > 0, err
}

func (k *Sessions) revoke(ctx context.Context, userID uuid.UUID, details map[string]string, which string, args ...any) (ended int64, err error) {
	err = k.db.InTx(ctx, func(ctx context.Context) error {
		now := k.now()
		r := k.db.Conn(ctx).Model(&session{}).Where("user_id = ? AND revoked_at IS NULL AND expires_at > ?", userID, now).Where(which, args...).
			Updates(map[string]any{"revoked_at": now, "revoked_reason": details["reason"]})
		if ended = r.RowsAffected; r.Error != nil || ended == 0 {
			return r.Error
		}
		details["sessions"] = strconv.FormatInt(ended, 10)
		return k.trail.Record(ctx, audit.Event{Action: audit.SessionEnded, UserID: userID, Details: details})
	})
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}

func (k *Sessions) begin(ctx context.Context, userID uuid.UUID, organizationID uuid.NullUUID, lifetime time.Duration) (session, error) {
	now, from := k.now(), request.From(ctx)
	s := session{
		ID: uuid.Must(uuid.NewV7()), UserID: userID, OrganizationID: organizationID,
		Generation: 1, CreatedAt: now, RotatedAt: now, ExpiresAt: now.Add(lifetime), Address: from.Address, Client: from.Client,
	}
	err := k.db.Queue(ctx, `INSERT INTO sessions (id, user_id, organization_id, generation, created_at, rotated_at, expires_at, address, client)
		VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?)`, s.ID, userID, organizationID, now, now, s.ExpiresAt, s.Address, s.Client)
	if err != nil {
		return s, fmt.Errorf("begin session: %w", err)
	}
	return s, k.trail.Record(ctx, audit.Event{
		Action: audit.SessionStarted, UserID: userID, Actor: userID, Details: map[string]string{"session_id": s.ID.String()},
	})
}

// list returns a page of a person's live sessions.
func (k *Sessions) list(ctx context.Context, userID, after uuid.UUID, limit, offset int) ([]session, error) {
	rows, err := k.db.Rows(ctx, k.listSQL, userID, after, k.now(), limit, offset)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (s session, err error) {
		return s, scan(&s.ID, &s.OrganizationID, &s.CreatedAt, &s.RotatedAt, &s.ExpiresAt, &s.Address, &s.Client)
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

func (k *Sessions) count(ctx context.Context, userID uuid.UUID) (*int64, error) {
	return k.db.Count(ctx, "SELECT COUNT(*) FROM sessions WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ?", userID, k.now())
}

// rotation is a session in its next generation, with the standing that decides whether it
// may continue.
type rotation struct {
	session
	email, name string
	standing    access.Standing
}

// rotate makes the next generation the current one if the given one still is current.
// Otherwise it returns nil. It does so in one statement, so that only one of several
// concurrent requests succeeds. The statement also reads the account's standing at its
// start. A concurrent suspension or archive of the account ends its sessions, and the
// statement waits for that.
func (k *Sessions) rotate(ctx context.Context, id, userID uuid.UUID, generation int64, grace time.Duration) (*rotation, error) {
	now, from := k.now(), request.From(ctx)
	a := rotation{session: session{ID: id, UserID: userID, Generation: generation + 1, RotatedAt: now, Address: from.Address, Client: from.Client}}
	var bits access.Bits
	var moment any = now // converted once
	// If the current generation began before the grace period, all entries are outdated.
	err := k.db.WriteRow(ctx, []any{&a.OrganizationID, &a.ExpiresAt, &bits, &a.email, &a.name}, k.rotateSQL,
		moment, from.Address, from.Client, momentEntry(now), now.Add(-grace), id, userID, generation, moment, moment)
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rotate session: %w", err)
	}
	a.ExpiresAt, a.standing = a.ExpiresAt.UTC(), bits.Standing()
	return &a, nil
}

// find returns a live session, neither ended nor expired, or nil.
func (k *Sessions) find(ctx context.Context, id, userID uuid.UUID) (*session, error) {
	var s session
	err := k.db.Conn(ctx).Where("id = ? AND user_id = ? AND revoked_at IS NULL AND expires_at > ?", id, userID, k.now()).Take(&s).Error // mutant: revoked-session
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find session: %w", err)
	}
	s.RotatedAt, s.ExpiresAt = s.RotatedAt.UTC(), s.ExpiresAt.UTC()
	return &s, nil
}

// switchOrganization changes the active organization. It also rotates the session, so that
// an access token alone can't be used to get a second valid refresh token.
func (k *Sessions) switchOrganization(ctx context.Context, userID, id, organizationID uuid.UUID, rotate bool) (session, error) {
	changes := map[string]any{"organization_id": organizationID}
	if rotate {
		changes["generation"] = gorm.Expr("generation + 1")
		changes["rotated_at"] = k.now()
	}
	conn := k.db.Conn(ctx)
	r := conn.Model(&session{}).Where("id = ? AND revoked_at IS NULL", id).Updates(changes)
	if r.Error != nil {
		return session{}, fmt.Errorf("switch organization: %w", r.Error)
	}
	if r.RowsAffected == 0 {
		return session{}, access.ErrInvalidToken
	}
	var s session
	if err := conn.Where("id = ?", id).Take(&s).Error; err != nil {
		return session{}, fmt.Errorf("find session: %w", err)
	}
	s.RotatedAt, s.ExpiresAt = s.RotatedAt.UTC(), s.ExpiresAt.UTC()
	return s, k.trail.Record(ctx, audit.Event{
		Action: audit.SessionSwitched, UserID: userID, Details: map[string]string{"session_id": id.String(), "organization_id": organizationID.String()},
	})
}

// clearOrganization leaves the session without an active organization.
func (k *Sessions) clearOrganization(ctx context.Context, id uuid.UUID) error {
	err := k.db.Conn(ctx).Model(&session{}).Where("id = ?", id).Update("organization_id", nil).Error
	if err != nil {
		return fmt.Errorf("clear the active organization: %w", err)
	}
	return nil
}
