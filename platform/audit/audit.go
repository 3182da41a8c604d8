// Package audit keeps the trail: who did what, as whom, from where, to whom, in
// which organization and when. An event is written in the transaction of what it
// records, so that neither is there without the other, and never changed.
//
// Events stand in chains: one for each organization, one for each account (what
// concerns no organization), and one for what concerns neither. Each event holds
// a hash of itself and of the one before it; the chain's head holds the last.
// An event that was changed, removed or put in later therefore shows. Whoever
// can write to all of the database can forge a whole chain anew: to show that as
// well, keep what `guildhall audit verify` prints elsewhere.
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
)

// Event is what a module has to say of what it does.
type Event struct {
	Action         Action
	OrganizationID uuid.NullUUID
	UserID         uuid.UUID         // whom it is about, if anybody
	Actor          uuid.UUID         // who did it, where nobody passed the gate: at log-in
	Details        map[string]string // never a secret, never what somebody typed unseen
	// First says that the account or organization was made in this transaction: its
	// chain begins here.
	First bool
}

// Because are the details of what was done for a reason, until a time or for good.
func Because(reason string, until *time.Time) map[string]string {
	details := map[string]string{"reason": reason}
	if until != nil {
		details["suspended_until"] = until.UTC().Format(time.RFC3339Nano)
	}
	return details
}

// Withheld adds to details what nobody can guess: whoever may read an event's hash
// but not the reason could otherwise try reasons until one fits.
func Withheld(details map[string]string) map[string]string {
	details["salt"] = rand.Text()
	return details
}

// In is an organization as an Event names it.
func In(organizationID uuid.UUID) uuid.NullUUID {
	return uuid.NullUUID{UUID: organizationID, Valid: organizationID != uuid.Nil}
}

// Actor is who does what the events of a context record.
type Actor struct {
	UserID    uuid.UUID
	SessionID uuid.UUID
	As        string // owner, admin, member, platform_administrator or user
}

// Trail is where events are written.
type Trail struct {
	db       *database.DB
	now      func() time.Time
	actor    ActorOf
	recorded func(Action)
}

// ActorOf returns who acts in a context; false if nobody is authenticated.
type ActorOf func(ctx context.Context) (Actor, bool)

// New returns the audit log of a database.
func New(db *database.DB, now func() time.Time, actor ActorOf) *Trail {
	return &Trail{db: db, now: now, actor: actor, recorded: func(Action) {}}
}

// OnRecorded says who is told of each event once it has been committed. It is
// set before the service serves.
func (t *Trail) OnRecorded(f func(Action)) { t.recorded = f }

// entry is an event as it is kept.
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

// Record writes an event at the end of the transaction of the context, or in
// one of its own.
func (t *Trail) Record(ctx context.Context, e Event) error {
	entry, err := t.entryOf(ctx, e)
	if err != nil {
		return err
	}
	return t.db.InTx(ctx, func(ctx context.Context) error {
		t.db.Gather(ctx, t, entry, t.append)
		t.db.AfterCommit(ctx, func() { t.recorded(e.Action) })
		return nil
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
		x.ChainID = e.UserID // the zero UUID where it is about nobody
	}
	return x, nil
}

// append writes a transaction's events: last of all, so that a chain is locked
// for no longer than it must, and in the order of the chains, so that two
// transactions don't wait for each other.
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

// RecordFirst writes the first event of accounts that the transaction of the
// context just made: many at once, in two statements for all.
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
	err := t.db.Queue(ctx, "INSERT INTO audit_chains (id, sequence, hash, oldest_at) VALUES "+strings.Join(rows, ", "), args...)
	if err == nil {
		err = t.insert(ctx, entries)
	}
	if err != nil {
		return fmt.Errorf("write first audit events: %w", err)
	}
	return nil
}

// follows says what is wrong with an event that stands behind another.
func (x *entry) follows(before link) error {
	switch {
	case x.Sequence != before.sequence+1:
		return fmt.Errorf("event %d follows event %d", x.Sequence, before.sequence)
	case x.hash(before.hash) != x.Hash:
		return fmt.Errorf("event %d is not what was written", x.Sequence)
	}
	return nil
}

// hash covers every column and the hash before: SHA-256 of a JSON array of
// strings.
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
