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

// Recorded is an event as it was read from the database.
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

	// Names of people now, from Read. They are not part of the log, which is never changed.
	UserName, ActorName *string
}

// HashAfter returns the hash that the event has in a chain after an event with the given
// hash.
func (r Recorded) HashAfter(chainID uuid.UUID, before string) string {
	x := entry{
		ChainID: chainID, Sequence: r.Sequence, ID: r.ID, OccurredAt: r.OccurredAt, Action: r.Action, OrganizationID: r.OrganizationID,
		UserID: r.UserID, ActorUserID: r.ActorUserID, ActorRole: r.ActorRole, SessionID: r.SessionID,
		Address: r.Address, Client: r.Client, RequestID: r.RequestID, Details: r.Details,
	}
	return x.hash(before)
}

// Filter restricts the events that are read. A zero field does not restrict them.
type Filter struct {
	Action       Action
	Actor        uuid.UUID
	Since, Until time.Time // since inclusive, until exclusive
	Before       int64     // sequence: only older ones
	After        int64     // sequence: only newer ones, and the oldest first
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
// newest first, except with After.
func (t *Trail) Read(ctx context.Context, chainID uuid.UUID, f Filter) ([]Recorded, error) {
	conditions, args := f.where(chainID)
	if f.Before > 0 {
		conditions, args = conditions+" AND sequence < ?", append(args, f.Before)
	}
	order := "DESC"
	if f.After > 0 {
		conditions, args, order = conditions+" AND sequence > ?", append(args, f.After), "ASC"
	}
	rows, err := t.db.Conn(ctx).Raw("SELECT "+columns+", "+namesOf+" FROM (SELECT "+columns+" FROM audit_events WHERE "+conditions+
		" ORDER BY sequence "+order+" LIMIT ? OFFSET ?) page ORDER BY sequence "+order, append(args, f.Limit, f.Offset)...).Rows()
	if err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	list, err := database.Collect(rows, func(scanRow func(...any) error) (Recorded, error) {
		var userName, actorName *string
		r, err := scan(func(into ...any) error { return scanRow(append(into, &userName, &actorName)...) })
		r.UserName, r.ActorName = userName, actorName
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	return list, nil
}

const namesOf = `(SELECT p.name FROM user_profile p WHERE p.user_id = page.user_id), (SELECT p.name FROM user_profile p WHERE p.user_id = page.actor_user_id)`

// Count returns the number of events that the filter selects.
func (t *Trail) Count(ctx context.Context, chainID uuid.UUID, f Filter) (*int64, error) {
	conditions, args := f.where(chainID)
	return t.db.Count(ctx, "SELECT COUNT(*) FROM audit_events WHERE "+conditions, args...)
}

// Verified is the result of Verify.
type Verified struct {
	Chains    int64    `json:"chains"`
	Events    int64    `json:"events"`
	Forgotten int64    `json:"forgotten"` // events that retention has deleted
	Broken    []string `json:"broken"`    // the first error of each broken chain
	Digest    string   `json:"digest"`    // of all heads: if it changes without new events, a chain was forged
}

// Verify verifies every event of every chain, in one snapshot of the database.
func (t *Trail) Verify(ctx context.Context) (Verified, error) {
	v := verification{Verified: Verified{Broken: []string{}}}
	rows, err := t.db.Conn(database.ForAll(ctx)).Raw(`SELECT c.id, c.sequence, c.hash, c.first_sequence, c.first_hash, ` + prefixed("e.") + `
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

// verification is the state of Verify while it reads the chains.
type verification struct {
	Verified
	chain    uuid.UUID
	begun    bool
	head     head
	at       link
	isBroken bool
	heads    []string
}

func (v *verification) row(rows *sql.Rows) error {
	var chain uuid.UUID
	var h head
	var sequence sql.NullInt64
	var id uuid.NullUUID
	var at sql.NullTime
	var action, role, address, client, requestID, details, hash sql.NullString
	x := entry{}
	err := rows.Scan(&chain, &h.last.sequence, &h.last.hash, &h.firstSequence, &h.firstHash, &sequence, &id, &at, &action, &x.OrganizationID, &x.UserID, &x.ActorUserID, &role,
		&x.SessionID, &address, &client, &requestID, &details, &hash)
	if err != nil {
		return err
	}
	if !v.begun || chain != v.chain {
		v.end()
		v.chain, v.begun, v.head, v.at, v.isBroken = chain, true, h, h.forgotten(), false // mutant: kept-chain-start
		v.Chains++
		v.Forgotten += v.at.sequence
	}
	if !sequence.Valid {
		return nil
	}
	v.Events++
	x.ChainID, x.Sequence, x.ID, x.OccurredAt, x.Action = chain, sequence.Int64, id.UUID, at.Time, Action(action.String)
	x.ActorRole, x.Address, x.Client, x.RequestID, x.Details = role.String, address.String, client.String, requestID.String, details.String
	x.Hash = hash.String
	if err := x.follows(v.at); err != nil {
		v.broken(err)
	}
	v.at = link{x.Sequence, x.Hash}
	return nil
}

// broken records the first error of a chain. Later errors are consequences of it.
func (v *verification) broken(err error) {
	if !v.isBroken {
		v.isBroken = true
		v.Broken = append(v.Broken, fmt.Sprintf("chain %s: %v", v.chain, err))
	}
}

func (v *verification) end() {
	if !v.begun {
		return
	}
	if err := v.head.endsWith(v.at); err != nil {
		v.broken(err)
	}
	v.heads = append(v.heads, v.chain.String(), v.head.last.hash)
}

func (v *verification) finish() Verified {
	v.end()
	v.Digest = digest([]byte(strings.Join(v.heads, "\n")))
	return v.Verified
}
