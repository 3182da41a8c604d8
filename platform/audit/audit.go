// Package audit writes the audit log: who did what, in which role, from where, to whom,
// in which organization and when. An event is written in the transaction of the change
// that it records, so that both exist or neither does. Only an erasure changes it.
//
// Events form hash chains: one per organization, one per account (for events outside of
// organizations), and one for the rest. The hash of each event covers the event and the
// hash of the one before it; the head of the chain has the hash of the last. So
// verification detects an event that was changed, removed or inserted. An attacker who
// can write to the whole database can forge a whole chain: to detect that as well, store
// the output of `guildhall audit verify` elsewhere.
//
// What tells of a person is erased with the person: erase.go.
package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/request"
	"guildhall/platform/revocation"
)

// Event is an audit event as a module records it.
type Event struct {
	Action         Action
	OrganizationID uuid.NullUUID
	UserID         uuid.UUID         // the person whom it is about, if any
	Actor          uuid.UUID         // who did it, if the gate authorized no caller: at log-in
	Details        map[string]string // never a secret, never input that was typed hidden
	Sessions       []uuid.UUID       // that ended; the log has only their number
	// First says that this transaction creates the account or organization, so that its
	// chain begins with this event.
	First bool
}

// ReasonDetails returns the details of an action with a reason, and with a time until
// which it lasts, if there is one.
func ReasonDetails(reason string, until *time.Time) map[string]string {
	details := map[string]string{"reason": reason}
	if until != nil {
		details["suspended_until"] = until.UTC().Format(time.RFC3339Nano)
	}
	return details
}

// Salted adds a random salt to details. Without it, a reader who sees an event's hash but
// not its reason could guess reasons until the hash matches.
func Salted(details map[string]string) map[string]string {
	details["salt"] = rand.Text()
	return details
}

// In returns an organization's id for Event.OrganizationID.
func In(organizationID uuid.UUID) uuid.NullUUID {
	return uuid.NullUUID{UUID: organizationID, Valid: organizationID != uuid.Nil}
}

// Actor is who performs the actions that the events of a context record.
type Actor struct {
	UserID    uuid.UUID
	SessionID uuid.UUID
	As        string // owner, admin, member, platform_administrator or user
}

// Trail is the audit log of a database.
type Trail struct {
	db          *database.DB
	now         func() time.Time
	actor       ActorOf
	recorded    func(Action)
	revocations *revocation.Log
}

// ActorOf returns the actor of a context, and false if no caller is authenticated.
type ActorOf func(ctx context.Context) (Actor, bool)

// New returns the audit log of a database.
func New(db *database.DB, now func() time.Time, actor ActorOf) *Trail {
	return &Trail{db: db, now: now, actor: actor, recorded: func(Action) {}, revocations: revocation.NewLog(db, now)}
}

// Revocations returns the log to which events write what they revoke.
func (t *Trail) Revocations() *revocation.Log { return t.revocations }

// OnRecorded sets the function that is called for each event after its commit. Call it
// before the service starts to serve.
func (t *Trail) OnRecorded(f func(Action)) { t.recorded = f }

// entry is an event as it is stored.
type entry struct {
	ChainID        uuid.UUID `gorm:"primaryKey"`
	Sequence       int64     `gorm:"primaryKey;autoIncrement:false"` // 1, 2, 3… in the chain
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
	Details        string // JSON
	Hash           string
	first          bool
}

func (entry) TableName() string { return "audit_events" }

func maybe(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: id != uuid.Nil} }

// Record writes an event at the end of the context's transaction, or in a transaction of
// its own if there is none, and with it what the event revokes.
func (t *Trail) Record(ctx context.Context, e Event) error {
	entry, err := t.entryOf(ctx, e)
	if err != nil {
		return err
	}
	return t.db.InTx(ctx, func(ctx context.Context) error {
		t.db.Gather(ctx, t, entry, t.append)
		t.db.AfterCommit(ctx, func() { t.recorded(e.Action) })
		return t.revoke(ctx, e)
	})
}

func (t *Trail) entryOf(ctx context.Context, e Event) (*entry, error) {
	details, err := json.Marshal(e.Details)
	if err != nil {
		return nil, fmt.Errorf("encode an audit event: %w", err)
	}
	if len(e.Details) == 0 {
		details = []byte("{}")
	}
	actor, acts := t.actor(ctx)
	info := request.From(ctx)
	switch {
	case acts:
	case info.ID == "":
		actor.As = "command_line"
	case e.Actor != uuid.Nil:
		actor = Actor{UserID: e.Actor, As: "user"}
	default:
		actor.As = "anyone"
	}
	x := &entry{
		ID: uuid.Must(uuid.NewV7()), OccurredAt: t.now().UTC().Truncate(time.Microsecond), Action: e.Action,
		OrganizationID: e.OrganizationID, UserID: maybe(e.UserID),
		ActorUserID: maybe(actor.UserID), ActorRole: actor.As, SessionID: maybe(actor.SessionID),
		Address: info.Address, Client: info.Client, RequestID: info.ID, Details: string(details), first: e.First,
	}
	switch {
	case e.OrganizationID.Valid:
		x.ChainID = e.OrganizationID.UUID
	default:
		x.ChainID = e.UserID // the zero UUID if the event is about no person
	}
	return x, nil
}

// append writes the events of a transaction. It runs last, so that a chain is locked only
// briefly, and in the order of the chains' ids, so that two transactions can't deadlock.
func (t *Trail) append(ctx context.Context, gathered []any) error {
	chains := map[uuid.UUID][]*entry{}
	var ids []uuid.UUID
	for _, v := range gathered {
		x := v.(*entry)
		if chains[x.ChainID] == nil {
			ids = append(ids, x.ChainID)
		}
		chains[x.ChainID] = append(chains[x.ChainID], x)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		if err := t.extend(ctx, id, chains[id]); err != nil {
			return fmt.Errorf("write audit events: %w", err)
		}
	}
	return nil
}

func (t *Trail) extend(ctx context.Context, chainID uuid.UUID, events []*entry) error {
	ctx = database.For(ctx, database.Tenant{OrganizationID: events[0].OrganizationID, UserID: events[0].UserID.UUID})
	var last link
	if !events[0].first {
		h, err := t.lock(ctx, chainID)
		if database.IsNotFound(err) {
			h, err = t.begin(ctx, chainID, events[0].OccurredAt)
		}
		if err != nil {
			return err
		}
		last = h.last
	}
	for _, x := range events {
		x.Sequence = last.sequence + 1
		x.Hash = x.hash(last.hash)
		last = link{x.Sequence, x.Hash}
	}
	if events[0].first {
		err := t.db.Queue(ctx, "INSERT INTO audit_chains (id, sequence, hash, oldest_at) VALUES (?, ?, ?, ?)",
			chainID, last.sequence, last.hash, events[0].OccurredAt)
		if err != nil {
			return err
		}
	}
	if err := t.insert(ctx, events); err != nil || events[0].first {
		return err
	}
	return t.db.Queue(ctx, "UPDATE audit_chains SET sequence = ?, hash = ? WHERE id = ?", last.sequence, last.hash, chainID)
}

func (t *Trail) insert(ctx context.Context, events []*entry) error {
	var rows []string
	var values []any
	for _, x := range events {
		rows = append(rows, "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
		values = append(values,
			x.ChainID, x.Sequence, x.ID, x.OccurredAt, string(x.Action), x.OrganizationID, x.UserID, x.ActorUserID, x.ActorRole,
			x.SessionID, x.Address, x.Client, x.RequestID, x.Details, x.Hash)
	}
	return t.db.Queue(ctx, "INSERT INTO audit_events (chain_id, "+columns+") VALUES "+strings.Join(rows, ", "), values...)
}

// RecordFirst writes the first events of accounts that the context's transaction has just
// created, in two statements for all of them.
func (t *Trail) RecordFirst(ctx context.Context, events []Event) error {
	entries := make([]*entry, len(events))
	var rows []string
	var args []any
	for i, e := range events {
		x, err := t.entryOf(ctx, e)
		if err != nil {
			return err
		}
		x.Sequence = 1
		x.Hash = x.hash("")
		entries[i] = x
		rows, args = append(rows, "(?, ?, ?, ?)"), append(args, x.ChainID, x.Sequence, x.Hash, x.OccurredAt)
	}
	if err := t.revoke(ctx, events...); err != nil {
		return err
	}
	err := t.db.Queue(ctx, "INSERT INTO audit_chains (id, sequence, hash, oldest_at) VALUES "+strings.Join(rows, ", "), args...)
	if err == nil {
		err = t.insert(ctx, entries)
	}
	if err != nil {
		return fmt.Errorf("write first audit events: %w", err)
	}
	return nil
}

// follows returns an error if the event is not the valid successor of another.
func (x *entry) follows(before link) error {
	switch {
	case x.Sequence != before.sequence+1:
		return fmt.Errorf("event %d follows event %d", x.Sequence, before.sequence)
	case !x.isErased() && x.hash(before.hash) != x.Hash: // Erasures says whether what is left is right
		return fmt.Errorf("event %d is not what was written", x.Sequence)
	}
	return nil
}

// hash returns the event's hash, which covers every column and the hash of the event
// before: SHA-256 of a JSON array of strings.
func (x *entry) hash(before string) string {
	id := func(n uuid.NullUUID) string {
		if !n.Valid {
			return ""
		}
		return n.UUID.String()
	}
	text, err := json.Marshal([]string{
		before, x.ChainID.String(), fmt.Sprint(x.Sequence), x.ID.String(), x.OccurredAt.UTC().Format(time.RFC3339Nano), string(x.Action), // mutant: event-chain
		id(x.OrganizationID), id(x.UserID), id(x.ActorUserID), x.ActorRole, id(x.SessionID), x.Address, x.Client, x.RequestID, x.Details,
	})
	if err != nil {
		panic(err) // strings always encode
	}
	return digest(text)
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
