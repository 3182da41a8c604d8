package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// An erasure takes from the events of a person what tells of the person, and leaves who did
// what to whom, by their ids. The hash of such an event no longer matches it. So the chain gets
// a record of the erasure: an event whose details have, for each erased event, the hash of what
// is left of it. That event is in the chain like any other: what is left can't be changed, and
// nothing can be erased without a record.

// Erased is the address of an event whose address and client were erased.
const Erased = "erased"

// erasedDetails replaces details with a reason that somebody gave for an action on the person,
// and those with a reason or a name of an organization that nobody else is in.
const erasedDetails = `{"erased":"true"}`

// recordBatch limits how many events one record of an erasure is about.
const recordBatch = 100

// isErased reports whether a part of the event was erased.
func (x *entry) isErased() bool { return x.Address == Erased || x.Details == erasedDetails }

// Erase erases the person's addresses and clients from the audit log, and the reasons that
// somebody gave for actions on the person, in the context's transaction. It does the same with
// the reasons and names of the person's own organizations, which nobody else is in.
func (t *Trail) Erase(ctx context.Context, userID uuid.UUID, own ...uuid.UUID) error {
	err := t.db.InTx(database.ForAll(ctx), func(ctx context.Context) error {
		if err := t.checkErasing(ctx); err != nil {
			return err
		}
		chains, err := t.chainsOf(ctx, userID, own)
		if err != nil {
			return err
		}
		for _, id := range chains {
			if err := t.eraseFrom(ctx, id, userID, own); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("erase a person from the audit log: %w", err)
	}
	return nil
}

var errMayNotErase = errors.New("the role in DATABASE_URL may not: GRANT UPDATE (address, client, details) ON audit_events TO it")

func (t *Trail) checkErasing(ctx context.Context) error {
	if t.db.Driver() != database.Postgres {
		return nil
	}
	var may bool
	err := t.db.Row(ctx, "SELECT has_column_privilege('audit_events', 'address', 'UPDATE') AND has_column_privilege('audit_events', 'client', 'UPDATE') AND has_column_privilege('audit_events', 'details', 'UPDATE')").Scan(&may)
	if err == nil && !may {
		err = errMayNotErase
	}
	return err
}

// chainsOf returns the chains with events by the person, about the person, or of one of their own
// organizations, in the order in which append locks them.
func (t *Trail) chainsOf(ctx context.Context, userID uuid.UUID, own []uuid.UUID) ([]uuid.UUID, error) {
	query, args := "SELECT chain_id FROM audit_events WHERE actor_user_id = ? UNION SELECT chain_id FROM audit_events WHERE user_id = ?", []any{userID, userID}
	for _, id := range own {
		query += " UNION SELECT id FROM audit_chains WHERE id = ?" // the chain of an organization has its id
		args = append(args, id)
	}
	rows, err := t.db.Rows(ctx, query+" ORDER BY chain_id", args...)
	if err != nil {
		return nil, err
	}
	return database.Collect(rows, func(scan func(...any) error) (id uuid.UUID, err error) { return id, scan(&id) })
}

func (t *Trail) eraseFrom(ctx context.Context, chainID, userID uuid.UUID, own []uuid.UUID) error {
	if _, err := t.lock(ctx, chainID); err != nil {
		return err
	}
	isOwn, tell := slices.Contains(own, chainID), "actor_user_id = ? OR user_id = ?"
	if isOwn {
		tell += " OR user_id IS NULL"
	}
	var events []entry
	err := t.db.Conn(ctx).Where("chain_id = ? AND ("+tell+")", chainID, userID, userID).Order("sequence").Find(&events).Error
	if err != nil || len(events) == 0 {
		return err
	}
	var hashes []string
	for _, x := range events {
		before := x
		x.eraseFor(userID, isOwn)
		if x == before {
			continue
		}
		err := t.db.Queue(ctx, "UPDATE audit_events SET address = ?, client = ?, details = ? WHERE chain_id = ? AND sequence = ?", x.Address, x.Client, x.Details, chainID, x.Sequence)
		if err != nil {
			return err
		}
		hashes = append(hashes, fmt.Sprintf("%d:%s", x.Sequence, x.remains()))
	}
	about := chainID // the chain of an account has its id // mutant: erasure-record-in-chain
	if events[0].OrganizationID.Valid {
		about = userID
	}
	for batch := range slices.Chunk(hashes, recordBatch) {
		record := Event{Action: EventsErased, OrganizationID: events[0].OrganizationID, UserID: about, Details: map[string]string{"events": strings.Join(batch, " ")}}
		if err := t.Record(ctx, record); err != nil {
			return err
		}
	}
	return nil
}

// eraseFor erases what an event tells of the person: from where, if the person did it, and the
// reason, if it is about the person. It also erases the reasons and names of an organization that
// is the person's own.
func (x *entry) eraseFor(userID uuid.UUID, isOwn bool) {
	by, about := x.ActorUserID.UUID == userID, x.UserID.UUID == userID
	if tells := x.Address+x.Client != ""; tells && (by || about && !x.ActorUserID.Valid) {
		x.Address, x.Client = Erased, "" // mutant: erased-address
	}
	if about && x.Action != SessionEnded && hasText(x, "reason", "former_reason") { // that of an ended session is one of ours
		x.Details = erasedDetails // mutant: erased-reason
	}
	if isOwn && !x.UserID.Valid && hasText(x, "name", "former_name", "reason", "former_reason") {
		x.Details = erasedDetails // mutant: erased-organization
	}
}

// hasText reports whether the details of an event have one of these texts, which a person wrote.
func hasText(x *entry, names ...string) bool {
	var details map[string]string
	if json.Unmarshal([]byte(x.Details), &details) != nil {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool { _, has := details[name]; return has })
}

// remains returns the hash of an erased event as it is now, and of what it was.
func (x *entry) remains() string { return x.hash(x.Hash) }

// Erasures are those of a chain, while its events are read in their order: what is left of the
// erased ones, and what the records say.
type Erasures struct{ left, recorded map[int64]string }

// Add takes the next event of a chain.
func (e *Erasures) Add(chainID uuid.UUID, r Recorded) error { return e.add(r.entry(chainID)) }

func (e *Erasures) add(x *entry) error {
	if x.isErased() {
		if e.left == nil {
			e.left = map[int64]string{}
		}
		e.left[x.Sequence] = x.remains()
	}
	if x.Action != EventsErased {
		return nil
	}
	var details map[string]string
	if err := json.Unmarshal([]byte(x.Details), &details); err != nil {
		return fmt.Errorf("event %d is no record of an erasure: %w", x.Sequence, err)
	}
	for _, one := range strings.Fields(details["events"]) {
		number, hash, _ := strings.Cut(one, ":")
		sequence, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return fmt.Errorf("event %d is no record of an erasure: %w", x.Sequence, err)
		}
		if e.recorded == nil {
			e.recorded = map[int64]string{}
		}
		e.recorded[sequence] = hash // the last one holds, if two people were in an event
	}
	return nil
}

// Check returns an error if an erased event is not what its record says. Call it after the last
// event.
func (e *Erasures) Check() error {
	for sequence, left := range e.left {
		if e.recorded[sequence] != left { // mutant: erasure-recorded
			return fmt.Errorf("event %d is not what an erasure left", sequence)
		}
	}
	return nil
}
