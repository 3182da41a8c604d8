package revocation

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/fault"
)

const (
	// longestAPIToken is how long an access token for another API lives at most.
	longestAPIToken = time.Hour
	// keptLonger is how long a mark is kept after the last token that it is about has expired:
	// clocks differ, and verifiers may allow for that.
	keptLonger = time.Minute
	// defaultPoll is how often the database is asked if the configuration does not say.
	defaultPoll = 500 * time.Millisecond

	// mostMarks is how many marks a process has in memory. If there are more, one mark about
	// every token replaces the oldest ones: verifiers refuse too much, and never too little.
	mostMarks = 100_000
	// mostWaiting is how many readers a process lets wait, and mostOfOne how many of one
	// organization.
	mostWaiting = 1000
	mostOfOne   = 20
)

// The refusals of readers that want to wait.
var (
	ErrBusy    = fault.New(fault.Unavailable, "too_many_readers", "Too many readers wait for revocations. Try again in a moment.").WithRetryAfter(time.Second)
	ErrTooMany = fault.New(fault.TooManyRequests, "too_many_own_readers", "Too many readers of this organization wait for revocations already.").WithRetryAfter(time.Second)
)

// Options of a Feed.
type Options struct {
	AccessTTL time.Duration // of session tokens
	Poll      time.Duration // between two looks into the database, while a reader waits; 0: 500 ms
	Log       *slog.Logger
}

// Feed tells readers of marks. It has those that still matter in memory from the first reader
// on. Marks of this process are there with their commit. It looks for those of others when it
// is asked, and while readers wait. A reader that waits uses no connection.
type Feed struct {
	Options
	db   *database.DB
	now  func() time.Time
	most int

	looking chan struct{} // has a place for who looks into the database

	mu        sync.Mutex
	marks     []Mark // by time and id
	forgotten time.Time
	asOf      time.Time // all that was committed by then is known; zero before the first look
	tried     time.Time // when somebody last wanted to look
	changed   chan struct{}
	closing   chan struct{}
	closed    bool
	waiting   int
	ofOne     map[uuid.UUID]int

	failures, refused atomic.Int64
}

// NewFeed returns the feed of what a log has, also what other processes write.
func NewFeed(l *Log, o Options) *Feed {
	o.Poll = cmp.Or(o.Poll, defaultPoll)
	f := &Feed{
		Options: o, db: l.db, now: l.now, most: mostMarks,
		looking: make(chan struct{}, 1), changed: make(chan struct{}), closing: make(chan struct{}), ofOne: map[uuid.UUID]int{},
	}
	l.feed.Store(f)
	return f
}

// Close ends the waiting of all readers. Later ones do not wait.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.closing)
	}
}

// Stats is the state of a feed.
type Stats struct {
	Waiting, Marks    int
	Lag               time.Duration // since the last look, if readers want one; else 0
	Failures, Refused int64
}

// Stats returns the state.
func (f *Feed) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Stats{Waiting: f.waiting, Marks: len(f.marks), Lag: f.lag(), Failures: f.failures.Load(), Refused: f.refused.Load()}
}

// wantedFor is how long a reader who was told of a failure is expected to come back.
const wantedFor = time.Minute

func (f *Feed) lag() time.Duration {
	now := f.now()
	wanted := f.waiting > 0 || f.tried.After(f.asOf) && now.Sub(f.tried) < wantedFor
	if f.asOf.IsZero() || !wanted {
		return 0
	}
	return max(0, now.Sub(f.asOf))
}

// longest is how long an access token may live.
func (f *Feed) longest() time.Duration { return max(f.AccessTTL, longestAPIToken) }

// kept is how long a mark matters.
func (f *Feed) kept() time.Duration { return f.longest() + keptLonger }

// Answer is what a reader does not know yet. The marks of the overlap may be among it again.
type Answer struct {
	Marks []Mark
	Next  Cursor
	AsOf  time.Time // it has everything that was committed by then
}

// Read returns what a reader does not know: an organization only what has its id or is about
// every token, others everything. Without a cursor it returns all that matters, and with one
// it waits until there is something new, but not longer than wait.
func (f *Feed) Read(ctx context.Context, organizationID uuid.NullUUID, after *Cursor, wait time.Duration) (Answer, error) {
	arrived := f.now()
	if err := f.look(ctx, arrived.Add(-f.Poll)); err != nil {
		return Answer{}, err
	}
	answer, isNew, changed := f.since(organizationID, after)
	if isNew && after != nil {
		// Perhaps another replica knew more than this one: look, before the reader is told what
		// it knows.
		if err := f.look(ctx, arrived); err != nil {
			return Answer{}, err
		}
		answer, isNew, changed = f.since(organizationID, after)
	}
	if isNew || wait <= 0 {
		return answer, nil
	}
	if err := f.enter(organizationID); err != nil {
		return Answer{}, err
	}
	defer f.leave(organizationID)
	end, tick := time.NewTimer(wait), time.NewTicker(f.Poll)
	defer end.Stop()
	defer tick.Stop()
	for {
		over := false
		select {
		case <-changed:
		case <-tick.C:
			f.poll()
		case <-end.C:
			over = true
		case <-f.closing: // mutant: feed-drain
			over = true
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
		if answer, isNew, changed = f.since(organizationID, after); isNew || over {
			return answer, nil
		}
	}
}

// enter counts a reader that waits.
func (f *Feed) enter(organizationID uuid.NullUUID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.waiting >= mostWaiting: // mutant: feed-readers
		f.refused.Add(1)
		return ErrBusy
	case organizationID.Valid && f.ofOne[organizationID.UUID] >= mostOfOne: // mutant: feed-readers-of-one
		f.refused.Add(1)
		return ErrTooMany
	}
	f.waiting++
	if organizationID.Valid {
		f.ofOne[organizationID.UUID]++
	}
	return nil
}

func (f *Feed) leave(organizationID uuid.NullUUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting--
	if !organizationID.Valid {
		return
	}
	if f.ofOne[organizationID.UUID]--; f.ofOne[organizationID.UUID] == 0 {
		delete(f.ofOne, organizationID.UUID)
	}
}

// since returns what a reader is to be told after a cursor, and whether it is new to it. The
// channel is closed when this may change.
func (f *Feed) since(organizationID uuid.NullUUID, after *Cursor) (a Answer, isNew bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var from time.Time
	if after != nil {
		from = after.At
		if from.After(f.asOf) { // the clock of another replica is ahead
			from = f.asOf
		}
		from = from.Add(-overlap)
	}
	a.AsOf = f.asOf
	a.Marks = f.visible(organizationID, from)
	known := a.Marks
	if f.forgotten.After(from) {
		a.Marks = slices.Insert(a.Marks, 0, Mark{At: f.forgotten})
	}
	isNew = after == nil || digestOf(known) != after.digest
	if !isNew {
		a.Marks = nil
	}
	a.Next = Cursor{At: f.asOf, digest: digestOf(f.visible(organizationID, f.asOf.Add(-overlap)))}
	return a, isNew, f.changed
}

// visible returns the marks after a time that a reader may see.
func (f *Feed) visible(organizationID uuid.NullUUID, from time.Time) (marks []Mark) {
	for _, m := range f.marks[f.after(from):] {
		switch {
		case !organizationID.Valid:
			if m.SessionID.Valid && m.OrganizationID.Valid {
				continue // the session's mark says it
			}
		case m.OrganizationID != organizationID && m.key() != (key{}): // mutant: foreign-revocations
			continue
		}
		marks = append(marks, m)
	}
	return marks
}

// after returns the position of the first mark after a time.
func (f *Feed) after(from time.Time) int {
	at, _ := slices.BinarySearchFunc(f.marks, from, func(m Mark, from time.Time) int {
		if m.At.After(from) {
			return 1
		}
		return -1
	})
	return at
}

// committed takes up what this process has committed.
func (f *Feed) committed(marks []Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.asOf.IsZero() { // otherwise the first reader looks for it
		f.add(marks)
	}
}

// add takes up marks, and wakes the readers if there is one among them that was not known.
func (f *Feed) add(marks []Mark) {
	var added bool
	for _, m := range marks {
		if !m.At.After(f.forgotten) {
			continue
		}
		if at, found := slices.BinarySearchFunc(f.marks, m, compare); !found {
			f.marks, added = slices.Insert(f.marks, at, m), true
		}
	}
	if over := len(f.marks) - f.most; over > 0 { // mutant: most-marks
		f.forgotten = f.marks[over-1].At
		f.marks = slices.Clone(f.marks[over:])
	}
	if added {
		close(f.changed)
		f.changed = make(chan struct{})
	}
}

func compare(a, b Mark) int {
	return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.ID[:], b.ID[:]))
}

// pollTimeout is how long a look for readers that wait may take.
const pollTimeout = 5 * time.Second

// poll looks for readers that wait, unless somebody looks at the moment. They don't wait for
// it, and are told no error: their answers say how old they are.
func (f *Feed) poll() {
	select {
	case f.looking <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-f.looking }()
		ctx, cancel := context.WithTimeout(context.Background(), pollTimeout)
		defer cancel()
		_ = f.lookSince(ctx, f.now().Add(-f.Poll/2)) // it is counted
	}()
}

// look reads what others have committed, unless that was done since a time. One reader looks,
// and the others wait for it.
func (f *Feed) look(ctx context.Context, since time.Time) error {
	select {
	case f.looking <- struct{}{}:
		defer func() { <-f.looking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return f.lookSince(ctx, since)
}

func (f *Feed) lookSince(ctx context.Context, since time.Time) error {
	now := f.now()
	f.mu.Lock()
	asOf := f.asOf
	known := !asOf.IsZero() && !asOf.Before(since) && !asOf.After(now)
	if !known {
		f.tried = now
	}
	f.mu.Unlock()
	if known {
		return nil
	}
	oldest := now.Add(-f.kept())
	from := oldest
	if known := asOf.Add(-overlap); known.After(from) && !asOf.After(now) { // mutant: feed-overlap
		from = known
	}
	found, err := f.read(ctx, from)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) { // the reader did not go away
			f.failures.Add(1)
		}
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(found) > f.most { // in the order of their times
		f.forgotten = found[0].At
	}
	f.add(found)
	f.marks = f.marks[f.after(oldest):]
	if !f.forgotten.After(oldest) {
		f.forgotten = time.Time{}
	}
	f.asOf = now
	return nil
}

// read returns the marks after a time, in their order: the newest, if there are too many.
func (f *Feed) read(ctx context.Context, from time.Time) ([]Mark, error) {
	ctx = database.ForAll(database.OnPrimary(ctx))
	rows, err := f.db.Rows(ctx, `SELECT id, at, session_id, user_id, organization_id FROM revocations
		WHERE at > ? ORDER BY at DESC, id DESC LIMIT ?`, from, f.most+1)
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	marks, err := database.Collect(rows, func(scan func(...any) error) (m Mark, err error) {
		err = scan(&m.ID, &m.At, &m.SessionID, &m.UserID, &m.OrganizationID)
		m.At = m.At.UTC()
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	slices.Reverse(marks)
	return marks, nil
}
