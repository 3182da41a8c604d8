package audit

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// Recorded is an event that was read back.
type Recorded struct {
	Sequence       int64
	ID             uuid.UUID
	OccurredAt     time.Time
	Action         Action
	OrganizationID uuid.NullUUID
	UserID         uuid.NullUUID
	ActorUserID    uuid.NullUUID
	ActorRole      string
	SessionID      uuid.NullUUID
	Address        string
	Client         string
	RequestID      string
	Details        string
	Hash           string
}

// Filter narrows what is read; its zero values don't.
type Filter struct {
	Action       Action
	Actor        uuid.UUID
	Since, Until time.Time // since inclusive, until exclusive
	Before       int64     // sequence: only older ones
	Offset       int
	Limit        int
}

const columns = `sequence, id, occurred_at, action, organization_id, user_id, actor_user_id, actor_role,
	session_id, address, client, request_id, details, hash`

func scan(scan func(...any) error) (r Recorded, err error) {
	err = scan(&r.Sequence, &r.ID, &r.OccurredAt, &r.Action, &r.OrganizationID, &r.UserID, &r.ActorUserID, &r.ActorRole,
		&r.SessionID, &r.Address, &r.Client, &r.RequestID, &r.Details, &r.Hash)
	r.OccurredAt = r.OccurredAt.UTC()
	return r, err
}

func (f Filter) where(chainID uuid.UUID) (conditions string, args []any) {
	all := []string{"chain_id = ?"}
	args = []any{chainID}
	add := func(given bool, condition string, arg any) {
		if given {
			all, args = append(all, condition), append(args, arg)
		}
	}
	add(f.Action != "", "action = ?", string(f.Action))
	add(f.Actor != uuid.Nil, "actor_user_id = ?", f.Actor)
	add(!f.Since.IsZero(), "occurred_at >= ?", f.Since)
	add(!f.Until.IsZero(), "occurred_at < ?", f.Until)
	return strings.Join(all, " AND "), args
}

// Read returns events of one chain (an organization's or an account's id), the
// newest first.
func (t *Trail) Read(ctx context.Context, chainID uuid.UUID, f Filter) ([]Recorded, error) {
	conditions, args := f.where(chainID)
	if f.Before > 0 {
		conditions, args = conditions+" AND sequence < ?", append(args, f.Before)
	}
	rows, err := t.db.Conn(ctx).Raw("SELECT "+columns+" FROM audit_events WHERE "+conditions+" ORDER BY sequence DESC LIMIT ? OFFSET ?",
		append(args, f.Limit, f.Offset)...).Rows()
	if err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	list, err := database.Collect(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	return list, nil
}

// Count says how many there are.
func (t *Trail) Count(ctx context.Context, chainID uuid.UUID, f Filter) (*int64, error) {
	conditions, args := f.where(chainID)
	return database.Count(t.db.Conn(ctx), "SELECT COUNT(*) FROM audit_events WHERE "+conditions, args...)
}

// Verified is what Verify went through.
type Verified struct {
	Chains, Events int64
	Broken         []string // what is wrong, one a chain
	Digest         string   // of all heads: another one than before, though nothing was done, is a forgery
}

// Verify goes through every event of every chain, as of one moment.
func (t *Trail) Verify(ctx context.Context) (Verified, error) {
	v := verification{}
	rows, err := t.db.Conn(database.ForAll(ctx)).Raw(`SELECT c.id, c.sequence, c.hash, ` + prefixed("e.") + `
		FROM audit_chains c LEFT JOIN audit_events e ON e.chain_id = c.id ORDER BY c.id, e.sequence`).Rows()
	if err != nil {
		return v.Verified, fmt.Errorf("read audit events: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := v.row(rows); err != nil {
			return v.Verified, fmt.Errorf("read audit events: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return v.Verified, fmt.Errorf("read audit events: %w", err)
	}
	return v.finish(), nil
}

func prefixed(prefix string) string {
	names := strings.Split(columns, ",")
	for i, n := range names {
		names[i] = prefix + strings.TrimSpace(n)
	}
	return strings.Join(names, ", ")
}

// verification walks along the chains.
type verification struct {
	Verified
	chain    uuid.UUID
	begun    bool
	head     head
	at       head
	isBroken bool
	heads    []string
}

type head struct {
	sequence int64
	hash     string
}

func (v *verification) row(rows *sql.Rows) error {
	var chain uuid.UUID
	var h head
	var sequence sql.NullInt64
	var id uuid.NullUUID
	var at sql.NullTime
	var action, role, address, client, requestID, details, hash sql.NullString
	x := entry{}
	err := rows.Scan(&chain, &h.sequence, &h.hash, &sequence, &id, &at, &action, &x.OrganizationID, &x.UserID, &x.ActorUserID, &role,
		&x.SessionID, &address, &client, &requestID, &details, &hash)
	if err != nil {
		return err
	}
	if !v.begun || chain != v.chain {
		v.end()
		v.chain, v.begun, v.head, v.at, v.isBroken = chain, true, h, head{}, false
		v.Chains++
	}
	if !sequence.Valid {
		return nil
	}
	v.Events++
	x.ChainID, x.Sequence, x.ID, x.OccurredAt, x.Action = chain, sequence.Int64, id.UUID, at.Time, Action(action.String)
	x.ActorRole, x.Address, x.Client, x.RequestID, x.Details = role.String, address.String, client.String, requestID.String, details.String
	switch {
	case x.Sequence != v.at.sequence+1:
		v.broken("event %d follows event %d", x.Sequence, v.at.sequence)
	case x.hash(v.at.hash) != hash.String:
		v.broken("event %d is not what was written", x.Sequence)
	}
	v.at = head{x.Sequence, hash.String}
	return nil
}

// broken keeps the first thing that is wrong with a chain: what follows it is
// wrong because of it.
func (v *verification) broken(format string, args ...any) {
	if !v.isBroken {
		v.isBroken = true
		v.Broken = append(v.Broken, fmt.Sprintf("chain %s: ", v.chain)+fmt.Sprintf(format, args...))
	}
}

func (v *verification) end() {
	if !v.begun {
		return
	}
	if v.at != v.head {
		v.broken("it ends with event %d, but %d were written", v.at.sequence, v.head.sequence)
	}
	v.heads = append(v.heads, v.chain.String(), v.head.hash)
}

func (v *verification) finish() Verified {
	v.end()
	v.Digest = digest([]byte(strings.Join(v.heads, "\n")))
	return v.Verified
}
