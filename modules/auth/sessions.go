package auth

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/database"
	"guildhall/platform/httpapi"
	"guildhall/platform/request"
)

// Sessions stores sessions. Other modules use it to end a person's sessions.
type Sessions struct {
	db            *database.DB
	trail         *audit.Trail
	now           func() time.Time
	rotateSQL     string
	rotateIntoSQL string // with an organization
	listSQL       database.Ordered
}

// NewSessions returns the store of sessions.
func NewSessions(db *database.DB, trail *audit.Trail, now func() time.Time) *Sessions {
	longest := momentDigits * mostRefreshes(longestGrace)
	standing := access.StandingOf(db, "sessions.user_id", "sessions.organization_id")
	return &Sessions{
		db: db, trail: trail, now: now,
		rotateSQL: fmt.Sprintf(rotateQuery, longest, "", "", standing),
		rotateIntoSQL: fmt.Sprintf(rotateQuery, longest, ", organization_id = ?",
			" AND EXISTS (SELECT 1"+mayActIn(db, "sessions.user_id")+" AND m.organization_id = ? AND (sessions.aal >= 2 OR NOT "+access.AsksForFactor("m", "k.now")+"))", standing),
		listSQL: database.InOrder(fmt.Sprintf(listQuery, db.Param("uuid"), db.Param("timestamptz"))),
	}
}

const (
	// mutant: generation-swap
	rotateQuery = `UPDATE sessions SET generation = generation + 1, rotated_at = ?, address = ?, client = ?,
			superseded = substr(? || CASE WHEN rotated_at < ? THEN '' ELSE superseded END, 1, %d)%s
		WHERE id = ? AND user_id = ? AND generation = ? AND revoked_at IS NULL AND expires_at > ?%s
		RETURNING organization_id, expires_at, (%s),
			aal, (SELECT u.email FROM users u WHERE u.id = sessions.user_id),
			(SELECT p.name FROM user_profile p WHERE p.user_id = sessions.user_id)`
	// Of each log-in it selects the session that was used last.
	listQuery = `SELECT page.login_id, s.organization_id, f.created_at, s.rotated_at, s.expires_at, s.address, s.client, page.is_current
		FROM (
			SELECT b.id, COALESCE(b.login_id, b.id) AS login_id,
				MAX(CASE WHEN b.id = k.current THEN 1 ELSE 0 END) OVER (PARTITION BY COALESCE(b.login_id, b.id)) AS is_current,
				ROW_NUMBER() OVER (PARTITION BY COALESCE(b.login_id, b.id) ORDER BY b.rotated_at DESC, b.id DESC) AS place
			FROM (SELECT %[1]s AS user_id, %[1]s AS current, %[1]s AS after, %[2]s AS now) k
			JOIN sessions b ON b.user_id = k.user_id AND b.kind = 'log_in' AND COALESCE(b.login_id, b.id) {>} k.after AND b.revoked_at IS NULL AND b.expires_at > k.now
		) page
		JOIN sessions s ON s.id = page.id
		JOIN sessions f ON f.id = page.login_id
		WHERE page.place = 1
		ORDER BY page.login_id{order} LIMIT ? OFFSET ?`
	// API keys stay: the gate asks whether their holders may act.
	// mutant: log-ins-end-alone
	endQuery = `UPDATE sessions SET revoked_at = ?, revoked_reason = ?
		WHERE user_id = ? AND kind = 'log_in' AND revoked_at IS NULL AND expires_at > ?%s
		RETURNING id, COALESCE(login_id, id)`
)

// mostSessions is how many sessions a log-in may have. A client that switches back and
// forth leaves one behind with each switch.
const mostSessions = 100

// longestGrace is the longest grace period that can be configured.
const longestGrace = time.Minute

// EndAll ends every log-in of a person, but no API key, within the caller's transaction, if any.
func (k *Sessions) EndAll(ctx context.Context, userID uuid.UUID, reason string) error {
	_, err := k.revoke(ctx, userID, map[string]string{"reason": reason}, "")
	return err
}

// EndAllOfAllUsers ends every log-in in the database after a restore, and every challenge
// but the disavowals: the backup does not know which of them ended since.
func (k *Sessions) EndAllOfAllUsers(ctx context.Context) error {
	err := k.db.InTx(ctx, func(ctx context.Context) error {
		ended, err := k.db.Count(ctx, "SELECT COUNT(DISTINCT COALESCE(login_id, id)) FROM sessions WHERE kind = 'log_in' AND revoked_at IS NULL")
		if err != nil {
			return err
		}
		err = k.db.Conn(ctx).Model(&session{}).Where("kind = 'log_in' AND revoked_at IS NULL").
			Updates(map[string]any{"revoked_at": k.now(), "revoked_reason": "restored"}).Error
		if err != nil {
			return err
		}
		_, err = k.db.Exec(ctx, "UPDATE challenges SET consumed_at = ?, payload = NULL WHERE consumed_at IS NULL AND purpose <> ?", k.now(), forDisavowal) // mutant: restored-challenges
		if err != nil {
			return err
		}
		live, err := k.db.Count(ctx, "SELECT COUNT(*) FROM sessions WHERE kind = 'log_in' AND revoked_at IS NULL")
		if err != nil {
			return err
		}
		if *live > 0 { // a trigger or rule in the database reverts the update
			return fmt.Errorf("%d sessions can't be ended", *live)
		}
		return k.trail.Record(ctx, audit.Event{
			Action: audit.DatabaseRestored, Details: map[string]string{"sessions": strconv.FormatInt(*ended, 10)},
		})
	})
	if err != nil {
		return fmt.Errorf("end all sessions: %w", err)
	}
	return nil
}

// endOthers ends every session of a person except one. It also ends the other branches of
// its log-in, because whoever had a stolen access token may have begun them.
func (k *Sessions) endOthers(ctx context.Context, userID, kept uuid.UUID, reason string) error {
	login, err := k.loginOf(ctx, userID, kept)
	if err != nil {
		return err
	}
	_, err = k.revoke(ctx, userID, map[string]string{"reason": reason, "kept_session_id": login.String()}, " AND id <> ?", kept) // mutant: other-branches
	return err
}

// End ends the log-in of a session of a person, if it is live.
func (k *Sessions) End(ctx context.Context, userID, id uuid.UUID, reason string) error {
	_, err := k.end(ctx, userID, id, reason)
	return err
}

// end ends the log-in of a session of the person. It returns false if none of its sessions
// is live.
func (k *Sessions) end(ctx context.Context, userID, id uuid.UUID, reason string) (bool, error) {
	login, err := k.loginOf(ctx, userID, id)
	if err != nil {
		return false, err
	}
	n, err := k.revoke(ctx, userID, map[string]string{"reason": reason, "session_id": login.String()}, " AND COALESCE(login_id, id) = ?", login)
	return n > 0, err
}

// loginOf returns the id of the log-in that a session belongs to, or the given id if there
// is no such session.
func (k *Sessions) loginOf(ctx context.Context, userID, id uuid.UUID) (login uuid.UUID, err error) {
	err = k.db.Row(ctx, "SELECT COALESCE(login_id, id) FROM sessions WHERE id = ? AND user_id = ?", id, userID).Scan(&login)
	if database.IsNotFound(err) {
		return id, nil
	}
	if err != nil {
		return id, fmt.Errorf("find log-in: %w", err)
	}
	return login, nil
}

// revoke ends the live sessions of a person that satisfy a condition. It returns the number
// of log-ins that they belong to.
func (k *Sessions) revoke(ctx context.Context, userID uuid.UUID, details map[string]string, which string, args ...any) (ended int, err error) {
	err = k.db.InTx(ctx, func(ctx context.Context) error {
		if err := k.lock(ctx, userID); err != nil { // mutant: end-lock
			return err
		}
		now := k.now()
		rows, err := k.db.Rows(ctx, fmt.Sprintf(endQuery, which), append([]any{now, details["reason"], userID, now}, args...)...)
		if err != nil {
			return err
		}
		logins := map[uuid.UUID]bool{}
		ids, err := database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) {
			var login uuid.UUID
			err = scan(&id, &login)
			logins[login] = true
			return id, err
		})
		if err != nil {
			return err
		}
		if ended = len(logins); ended == 0 {
			return nil
		}
		details["sessions"] = strconv.Itoa(ended)
		return k.trail.Record(ctx, audit.Event{Action: audit.SessionEnded, UserID: userID, Details: details, Sessions: ids})
	})
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}

// lock locks the account for the rest of the transaction, so that no branch of a log-in
// begins while the log-in ends. SQLite needs no lock, because it has one writer.
func (k *Sessions) lock(ctx context.Context, userID uuid.UUID) error {
	lock := k.db.ForUpdate()
	if lock == "" {
		return nil
	}
	if err := k.db.Queue(ctx, "SELECT id FROM users WHERE id = ?"+lock, userID); err != nil {
		return fmt.Errorf("lock account: %w", err)
	}
	return nil
}

// begin begins the first session of a log-in by these methods.
func (k *Sessions) begin(ctx context.Context, userID uuid.UUID, by methods, organizationID uuid.NullUUID, lifetime time.Duration) (session, error) {
	now := k.now()
	s, err := k.insert(ctx, session{
		UserID: userID, OrganizationID: organizationID, CreatedAt: now, ExpiresAt: now.Add(lifetime),
		AMR: by, AAL: by.level(), AuthenticatedAt: &now,
	})
	if err != nil {
		return s, fmt.Errorf("begin session: %w", err)
	}
	return s, k.trail.Record(ctx, audit.Event{
		Action: audit.SessionStarted, UserID: userID, Actor: userID, Details: map[string]string{"session_id": s.ID.String()},
	})
}

// branch begins a session in another organization, in the log-in of the given session and
// with the same end. If that is the organization of the given session, it returns that
// session: whoever asks shares its tokens, and reuse gives a thief away. branch deletes the
// sessions of the log-in that were used longest ago, if there are too many, but not the
// first and not the given one. It refuses a session that is not live, because its log-in
// may have ended (invalid_token).
func (k *Sessions) branch(ctx context.Context, userID, from, organizationID uuid.UUID) (s session, err error) {
	if err := k.lock(ctx, userID); err != nil { // mutant: branch-lock
		return s, err
	}
	current, err := k.find(ctx, from, userID)
	switch {
	case err != nil:
		return s, err
	case current == nil:
		return s, access.ErrInvalidToken
	case current.OrganizationID.Valid && current.OrganizationID.UUID == organizationID:
		return *current, nil
	}
	login := current.login()
	rows, err := k.db.Rows(ctx, `DELETE FROM sessions WHERE login_id = ? AND id NOT IN (SELECT b.id FROM sessions b WHERE b.login_id = ?
		ORDER BY CASE WHEN b.id = ? THEN 0 ELSE 1 END, b.rotated_at DESC, b.id DESC LIMIT ?) RETURNING id`, login, login, from, mostSessions-2)
	if err != nil {
		return s, fmt.Errorf("delete old branches: %w", err)
	}
	deleted, err := database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
	if err != nil {
		return s, fmt.Errorf("delete old branches: %w", err)
	}
	s, err = k.insert(ctx, session{
		UserID: userID, LoginID: uuid.NullUUID{UUID: login, Valid: true}, OrganizationID: uuid.NullUUID{UUID: organizationID, Valid: true},
		CreatedAt: k.now(), ExpiresAt: current.ExpiresAt,
		AMR: current.AMR, AAL: current.AAL, AuthenticatedAt: current.authenticatedAt(),
	})
	if err != nil {
		return s, fmt.Errorf("begin branch: %w", err)
	}
	return s, k.trail.Record(ctx, audit.Event{Action: audit.SessionSwitched, UserID: userID, Sessions: deleted, Details: map[string]string{
		"session_id": login.String(), "branch_id": s.ID.String(), "organization_id": organizationID.String(),
	}})
}

// insert stores a new session, which the client of this request begins.
func (k *Sessions) insert(ctx context.Context, s session) (session, error) {
	from := request.From(ctx)
	s.ID, s.Generation, s.RotatedAt, s.Address, s.Client = uuid.Must(uuid.NewV7()), 1, s.CreatedAt, from.Address, from.Client
	s.ExpiresAt = s.ExpiresAt.UTC()
	return s, k.db.Queue(ctx, `INSERT INTO sessions (id, user_id, login_id, organization_id, generation, created_at, rotated_at, expires_at, address, client, amr, aal, authenticated_at)
		VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)`, s.ID, s.UserID, s.LoginID, s.OrganizationID, s.CreatedAt, s.RotatedAt, s.ExpiresAt, s.Address, s.Client,
		string(s.AMR), s.AAL, s.AuthenticatedAt)
}

// renew records a new proof in a session.
func (k *Sessions) renew(ctx context.Context, id uuid.UUID, by methods, now time.Time) error {
	err := k.db.InTx(ctx, func(ctx context.Context) error {
		return k.db.Queue(ctx, "UPDATE sessions SET amr = ?, aal = ?, authenticated_at = ? WHERE id = ?", string(by), by.level(), now, id)
	})
	if err != nil {
		return fmt.Errorf("renew the proof of a session: %w", err)
	}
	return nil
}

// lower records, within the caller's transaction, that the live log-ins and the API keys of a
// person count as one factor: they have no second one any more.
func (k *Sessions) lower(ctx context.Context, userID uuid.UUID) error {
	if err := k.db.Queue(ctx, "UPDATE sessions SET aal = 1 WHERE user_id = ? AND revoked_at IS NULL", userID); err != nil {
		return fmt.Errorf("lower the assurance of sessions: %w", err)
	}
	return nil
}

// listed is a log-in in the list of a person's sessions: its id, its beginning, and the
// last use of one of its sessions.
type listed struct {
	session
	current bool
}

// list returns a page of a person's live log-ins. The current one has the given session.
func (k *Sessions) list(ctx context.Context, userID, current uuid.UUID, w httpapi.Window) ([]listed, error) {
	rows, err := k.db.Rows(ctx, k.listSQL.Text(w.Backward), userID, current, w.After, k.now(), w.Limit+1, w.Offset)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (l listed, err error) {
		return l, scan(&l.ID, &l.OrganizationID, &l.CreatedAt, &l.RotatedAt, &l.ExpiresAt, &l.Address, &l.Client, &l.current)
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// count returns the number of a person's live log-ins.
func (k *Sessions) count(ctx context.Context, userID uuid.UUID) (*int64, error) {
	return k.db.Count(ctx, "SELECT COUNT(DISTINCT COALESCE(login_id, id)) FROM sessions WHERE user_id = ? AND kind = 'log_in' AND revoked_at IS NULL AND expires_at > ?", userID, k.now())
}

// rotation is a session in its next generation, with the standing that decides whether it
// may continue.
type rotation struct {
	session
	email, name string
	standing    access.Standing
}

// rotate makes the next generation the current one if the given one still is current, and
// if the person may act in the requested organization, if any: it becomes the session's.
// Otherwise rotate returns nil. It does so in one statement, so that only one of several
// concurrent requests succeeds. The statement also reads the account's standing at its
// start. A concurrent suspension or archive of the account ends its sessions, and the
// statement waits for that.
func (k *Sessions) rotate(ctx context.Context, id, userID uuid.UUID, generation int64, requested uuid.NullUUID, grace time.Duration) (*rotation, error) {
	now, from := k.now(), request.From(ctx)
	a := rotation{session: session{ID: id, UserID: userID, Generation: generation + 1, RotatedAt: now, Address: from.Address, Client: from.Client}}
	var bits access.Bits
	var moment any = now // converted once
	// If the current generation began before the grace period, all entries are outdated.
	query, args := k.rotateSQL, append(make([]any, 0, 16), moment, from.Address, from.Client, momentEntry(now), now.Add(-grace))
	if requested.Valid {
		query, args = k.rotateIntoSQL, append(args, requested.UUID)
	}
	args = append(args, id, userID, generation, moment)
	if requested.Valid {
		args = append(args, moment, requested.UUID)
	}
	err := k.db.WriteRow(ctx, []any{&a.OrganizationID, &a.ExpiresAt, &bits, &a.AAL, &a.email, &a.name}, query, append(args, moment)...)
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rotate session: %w", err)
	}
	a.ExpiresAt, a.standing = a.ExpiresAt.UTC(), bits.Standing()
	a.standing.Strong = a.AAL >= 2
	return &a, nil
}

// find returns a live session of a log-in, neither ended nor expired, or nil.
func (k *Sessions) find(ctx context.Context, id, userID uuid.UUID) (*session, error) {
	var s session
	err := k.db.Conn(ctx).Where("id = ? AND user_id = ? AND kind = 'log_in' AND revoked_at IS NULL AND expires_at > ?", id, userID, k.now()).Take(&s).Error // mutant: revoked-session
	if database.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find session: %w", err)
	}
	s.CreatedAt, s.RotatedAt, s.ExpiresAt = s.CreatedAt.UTC(), s.RotatedAt.UTC(), s.ExpiresAt.UTC()
	return &s, nil
}

// setOrganization changes the active organization. That is a use of the session. The
// beginning of a later generation must stay, because the grace period of the previous one
// counts from it; those sessions are rotated anyway, unless rotation was turned off.
func (k *Sessions) setOrganization(ctx context.Context, id, organizationID uuid.UUID) error {
	_, err := k.db.Exec(ctx, `UPDATE sessions SET organization_id = ?, rotated_at = CASE WHEN generation = 1 THEN ? ELSE rotated_at END
		WHERE id = ?`, organizationID, k.now(), id)
	if err != nil {
		return fmt.Errorf("set the active organization: %w", err)
	}
	return nil
}

// clearOrganization leaves the session without an active organization.
func (k *Sessions) clearOrganization(ctx context.Context, id uuid.UUID) error {
	err := k.db.Conn(ctx).Model(&session{}).Where("id = ?", id).Update("organization_id", nil).Error
	if err != nil {
		return fmt.Errorf("clear the active organization: %w", err)
	}
	return nil
}
