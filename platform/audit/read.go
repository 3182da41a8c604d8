package audit

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
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
	return r.entry(chainID).hash(before)
}

// CheckAfter returns an error if the event is not the valid successor of another of the chain.
func (r Recorded) CheckAfter(chainID uuid.UUID, sequence int64, hash string) error {
	return r.entry(chainID).follows(link{sequence, hash})
}

func (r Recorded) entry(chainID uuid.UUID) *entry {
	return &entry{
		ChainID: chainID, Sequence: r.Sequence, ID: r.ID, OccurredAt: r.OccurredAt, Action: r.Action, OrganizationID: r.OrganizationID,
		UserID: r.UserID, ActorUserID: r.ActorUserID, ActorRole: r.ActorRole, SessionID: r.SessionID,
		Address: r.Address, Client: r.Client, RequestID: r.RequestID, Details: r.Details, Hash: r.Hash,
	}
}

// Filter restricts the events that are read. A zero field does not restrict them.
type Filter struct {
	Action       Action
	Actor        uuid.UUID
	User         uuid.UUID // the person whom they are about
	Organization uuid.UUID
	Since, Until time.Time // since inclusive, until exclusive
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

// where returns the conditions of a statement: the given one, and those of the filter.
func (f Filter) where(condition string, given ...any) (conditions string, args []any) {
	all, args := []string{condition}, given
	add := func(given bool, condition string, arg any) {
		if given {
			all, args = append(all, condition), append(args, arg)
		}
	}
	add(f.Action != "", "action = ?", string(f.Action))
	add(f.Actor != uuid.Nil, "actor_user_id = ?", f.Actor)
	add(f.User != uuid.Nil, "user_id = ?", f.User)
	add(f.Organization != uuid.Nil, "organization_id = ?", f.Organization)
	add(!f.Since.IsZero(), "occurred_at >= ?", f.Since)
	add(!f.Until.IsZero(), "occurred_at < ?", f.Until)
	return strings.Join(all, " AND "), args
}

// Read returns events of one chain (an organization's or an account's id), the newest first.
// They are older than the event with the sequence number, if it is not 0, or backward the
// newer ones, the oldest first.
func (t *Trail) Read(ctx context.Context, chainID uuid.UUID, f Filter, sequence int64, backward bool) ([]Recorded, error) {
	beyond, order := direction(backward)
	condition, args := "chain_id = ?", []any{chainID}
	if sequence > 0 {
		condition, args = condition+" AND sequence "+beyond+" ?", append(args, sequence)
	}
	where, args := f.where(condition, args...)
	return t.read(ctx, where, args, "sequence "+order, f)
}

// Position is the place of an event among those of all chains.
type Position struct {
	At time.Time
	ID uuid.UUID
}

// Newest is the position from which all events are older.
var Newest = Position{time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC), uuid.Max}

// ReadAll returns events of all chains, the newest first. They are older than the position, or
// backward newer, the oldest first.
func (t *Trail) ReadAll(ctx context.Context, f Filter, p Position, backward bool) ([]Recorded, error) {
	beyond, order := direction(backward)
	where, args := f.where("(occurred_at, id) "+beyond+" (?, ?)", p.At, p.ID)
	return t.read(ctx, where, args, "occurred_at "+order+", id "+order, f)
}

func direction(backward bool) (beyond, order string) {
	if backward {
		return ">", "ASC"
	}
	return "<", "DESC"
}

func (t *Trail) read(ctx context.Context, where string, args []any, order string, f Filter) ([]Recorded, error) {
	rows, err := t.db.Conn(ctx).Raw("SELECT "+columns+", "+namesOf+" FROM (SELECT "+columns+" FROM audit_events WHERE "+where+
		" ORDER BY "+order+" LIMIT ? OFFSET ?) page ORDER BY "+order, append(args, f.Limit, f.Offset)...).Rows()
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

// Count returns the number of events of a chain that the filter selects.
func (t *Trail) Count(ctx context.Context, chainID uuid.UUID, f Filter) (*int64, error) {
	where, args := f.where("chain_id = ?", chainID)
	return t.db.Count(ctx, "SELECT COUNT(*) FROM audit_events WHERE "+where, args...)
}

// CountAll is Count for all chains.
func (t *Trail) CountAll(ctx context.Context, f Filter) (*int64, error) {
	where, args := f.where("occurred_at < ?", Newest.At)
	return t.db.Count(ctx, "SELECT COUNT(*) FROM audit_events WHERE "+where, args...)
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
	erasures Erasures
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
		v.erasures = Erasures{}
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
	if err := errors.Join(x.follows(v.at), v.erasures.add(&x)); err != nil {
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
	if err := cmp.Or(v.head.endsWith(v.at), v.erasures.Check()); err != nil {
		v.broken(err)
	}
	v.heads = append(v.heads, v.chain.String(), v.head.last.hash)
}

func (v *verification) finish() Verified {
	v.end()
	v.Digest = digest([]byte(strings.Join(v.heads, "\n")))
	return v.Verified
}
