// Package revocation tells programs that verify access tokens by their signature alone which
// of them do not hold any more.
//
// A mark says that no token with certain claims holds that was issued until a time. It is
// written in the transaction that ends a session, a membership or a role (platform/audit
// knows which changes do), and read by a Feed.
package revocation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// Mark says that no token holds that was issued until At and has all the claims of the mark:
// sid, sub and organization_id. A mark without any claim is about every token.
type Mark struct {
	ID             uuid.UUID
	At             time.Time
	SessionID      uuid.NullUUID
	UserID         uuid.NullUUID
	OrganizationID uuid.NullUUID

	whose uuid.UUID // the person of the session; only in memory
}

func valid(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: true} }

// OfSession is about the tokens of a person's session or API key.
func OfSession(id, userID uuid.UUID) Mark { return Mark{SessionID: valid(id), whose: userID} }

// OfPerson is about all tokens of a person.
func OfPerson(id uuid.UUID) Mark { return Mark{UserID: valid(id), whose: id} }

// OfMember is about the tokens of a person for an organization.
func OfMember(organizationID, userID uuid.UUID) Mark {
	return Mark{UserID: valid(userID), OrganizationID: valid(organizationID)}
}

// OfOrganization is about everybody's tokens for an organization.
func OfOrganization(id uuid.UUID) Mark { return Mark{OrganizationID: valid(id)} }

// OfEverybody is about all tokens.
func OfEverybody() Mark { return Mark{} }

// longestToken is the longest life of an access token that can be configured.
const longestToken = 30 * 24 * time.Hour

const (
	// tokenTime is the unit of a token's times.
	tokenTime = time.Second
	// slowCommit is half of what Until leaves for what happens at the same time. The other half
	// is for the signing of a token whose rights were read before (token.Grant).
	slowCommit = tokenTime / 2
)

// Until returns the latest time of issue of the tokens that the mark is about. Tokens are
// issued while the transaction of the mark commits: it is the next whole second, so that up to
// a second of that does not matter.
func (m Mark) Until() time.Time { return m.At.Truncate(tokenTime).Add(tokenTime) } // mutant: revocation-second

// key identifies what a mark is about.
type key struct{ session, user, organization uuid.NullUUID }

func (m Mark) key() key { return key{m.SessionID, m.UserID, m.OrganizationID} }

// Log writes marks.
type Log struct {
	db   *database.DB
	now  func() time.Time
	feed atomic.Pointer[Feed] // of this process; nil if it has none
}

// NewLog returns the log of a database.
func NewLog(db *database.DB, now func() time.Time) *Log { return &Log{db: db, now: now} }

// Longest returns how long an access token that is issued now may live: at most as long as can be
// configured, where that is not known.
func (l *Log) Longest() time.Duration {
	if feed := l.feed.Load(); feed != nil {
		return feed.longest()
	}
	return longestToken
}

// Add writes marks at the end of the context's transaction, or in one of its own if there is
// none.
func (l *Log) Add(ctx context.Context, marks ...Mark) error {
	if len(marks) == 0 {
		return nil
	}
	return l.db.InTx(ctx, func(ctx context.Context) error {
		for _, m := range marks {
			l.db.Gather(ctx, l, m, l.write)
		}
		return nil
	})
}

// write writes the marks of a transaction. It runs last: a token that was issued while the
// transaction waited for a lock is not later than they are.
func (l *Log) write(ctx context.Context, gathered []any) error {
	ctx = database.ForAll(ctx) // a mark may be about somebody else than the transaction is
	var marks []Mark
	known := map[key]bool{}
	add := func(m Mark) {
		if !known[m.key()] {
			known[m.key()], marks = true, append(marks, m)
		}
	}
	for _, v := range gathered {
		add(v.(Mark))
	}
	members, err := l.inOrganizations(ctx, marks)
	if err != nil {
		return fmt.Errorf("write revocations: %w", err)
	}
	for _, m := range members {
		add(m)
	}
	return l.insert(ctx, marks)
}

// inOrganizations returns the marks for the organizations of the people whom the given ones
// are about: an organization reads only marks with its id, and so never more than about its
// members.
func (l *Log) inOrganizations(ctx context.Context, marks []Mark) (more []Mark, err error) {
	of := map[uuid.UUID][]Mark{}
	var people []uuid.UUID
	for _, m := range marks {
		if m.whose == uuid.Nil { // mutant: revocations-for-organizations
			continue
		}
		if of[m.whose] == nil {
			people = append(people, m.whose)
		}
		of[m.whose] = append(of[m.whose], m)
	}
	if len(people) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(people)
	if err != nil {
		return nil, err
	}
	rows, err := l.db.Rows(ctx, "SELECT user_id, organization_id FROM organization_members WHERE "+l.db.Among("user_id", "uuid"), string(list))
	if err != nil {
		return nil, err
	}
	_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		var userID, organizationID uuid.UUID
		if err := scan(&userID, &organizationID); err != nil {
			return none, err
		}
		for _, m := range of[userID] {
			more = append(more, Mark{SessionID: m.SessionID, UserID: m.UserID, OrganizationID: valid(organizationID)})
		}
		return none, nil
	})
	return more, err
}

// insertBatch is how many rows one statement inserts.
const insertBatch = 500

// insert gives the marks their time and stores them. If the commit takes so long that tokens
// may be issued that are later than the marks and were decided on without them, it writes the
// marks again.
func (l *Log) insert(ctx context.Context, marks []Mark) error {
	at := l.now().UTC().Truncate(time.Microsecond)
	for i := range marks {
		marks[i].ID, marks[i].At = uuid.Must(uuid.NewV7()), at
	}
	for rest := marks; len(rest) > 0; rest = rest[min(insertBatch, len(rest)):] {
		var rows []string
		var values []any
		for _, m := range rest[:min(insertBatch, len(rest))] {
			rows, values = append(rows, "(?, ?, ?, ?, ?)"), append(values, m.ID, m.At, m.SessionID, m.UserID, m.OrganizationID)
		}
		err := l.db.Queue(ctx, "INSERT INTO revocations (id, at, session_id, user_id, organization_id) VALUES "+strings.Join(rows, ", "), values...)
		if err != nil {
			return fmt.Errorf("write revocations: %w", err)
		}
	}
	l.db.AfterCommit(ctx, func() {
		feed := l.feed.Load()
		if feed != nil {
			feed.committed(marks)
		}
		if l.now().Sub(at) < slowCommit { // mutant: slow-commit
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), repeatTimeout) // outside of the transaction
		defer cancel()
		if err := l.repeat(ctx, marks); err != nil && feed != nil {
			feed.Log.LogAttrs(ctx, slog.LevelError, "failed to write revocations again after a slow commit: tokens issued meanwhile may outlive them", slog.Any("cause", err))
		}
	})
	return nil
}

const repeatTimeout = 10 * time.Second

// repeat writes marks again, with the time after their commit. No token can be issued later
// without regard to them.
func (l *Log) repeat(ctx context.Context, marks []Mark) error {
	again := make([]Mark, len(marks))
	for i, m := range marks {
		again[i] = Mark{SessionID: m.SessionID, UserID: m.UserID, OrganizationID: m.OrganizationID}
	}
	return l.Add(ctx, again...)
}
