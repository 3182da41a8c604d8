package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/request"
)

// Policy allows a burst, and then one more in each interval.
type Policy struct {
	Name     string // lower case, as the RateLimit fields show it
	Burst    int
	Interval time.Duration
	Silent   bool // not shown but in a refusal: others have a part in what is left of it
}

// Span is how long a key that is used up takes to have its whole burst back.
func (p Policy) Span() time.Duration { return time.Duration(p.Burst) * p.Interval }

// Store keeps limits in the database: they hold for all replicas, and over a
// restart. A nil Store allows everything.
//
// The algorithm is GCRA: of each key one number is kept, the time at which it
// would have its whole burst back (the theoretical arrival time). An attempt
// moves it an interval on; it may be no further ahead than the burst. One
// statement reads and writes it, so that of a hundred attempts at once no more
// are let through than one after the other.
type Store struct {
	db  *database.DB
	now func() time.Time
}

// NewStore returns the limits of a database.
func NewStore(db *database.DB, now func() time.Time) *Store { return &Store{db: db, now: now} }

// A key is kept as its digest: what it was made of (an email, an address) is
// nobody's to read. excluded.tat is what the time would be if nothing were kept.
const takeStatement = `INSERT INTO rate_limits (key, tat, admitted) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
	admitted = rate_limits.tat <= ?,
	tat = CASE WHEN rate_limits.tat > ? THEN rate_limits.tat
		WHEN rate_limits.tat + ? > excluded.tat THEN rate_limits.tat + ? ELSE excluded.tat END
RETURNING tat, admitted`

func digest(p Policy, key string) string {
	sum := sha256.Sum256([]byte(p.Name + "\x00" + key))
	return hex.EncodeToString(sum[:])
}

// Demand is one attempt against the policy of a key.
type Demand struct {
	Policy Policy
	Key    string
}

// Reached is the cause of a 429.
type Reached struct{ Policy Policy }

func (r *Reached) Error() string { return "the limit " + r.Policy.Name + " is reached" }

// Take counts an attempt against each policy, in order, up to the one that
// refuses: that is 429, with the time until the next may be made, and not
// counted. Within a transaction an attempt counts only if that is committed.
func (s *Store) Take(ctx context.Context, demands ...Demand) error {
	if s == nil {
		return nil
	}
	var refused error
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		refused = nil
		for _, d := range demands {
			wait, err := s.take(ctx, d)
			if err != nil {
				return fmt.Errorf("count against the limit %s: %w", d.Policy.Name, err)
			}
			if wait > 0 {
				announce(ctx, d.Policy, 0, wait)
				refused = errTooMany.WithRetryAfter(wait).WithCause(&Reached{d.Policy})
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return refused
}

// take returns how long to wait, or that there is no need to.
func (s *Store) take(ctx context.Context, d Demand) (time.Duration, error) {
	p, now := d.Policy, s.now().UnixMicro()
	step, span := p.Interval.Microseconds(), p.Span().Microseconds()
	furthest := now + span - step
	var tat int64
	var admitted bool
	err := s.db.Row(ctx, takeStatement, digest(p, d.Key), now+step, true, furthest, furthest, step, step).Scan(&tat, &admitted)
	if err != nil || !admitted {
		return time.Duration(tat-furthest) * time.Microsecond, err
	}
	if !p.Silent {
		announce(ctx, p, (now+span-tat)/step, time.Duration(tat-now)*time.Microsecond)
	}
	return 0, nil
}

// Wait is for how long an attempt would be refused now. It counts none.
func (s *Store) Wait(ctx context.Context, d Demand) (time.Duration, error) {
	if s == nil {
		return 0, nil
	}
	var tat int64
	err := s.db.Row(ctx, "SELECT tat FROM rate_limits WHERE key = ?", digest(d.Policy, d.Key)).Scan(&tat)
	if database.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the limit %s: %w", d.Policy.Name, err)
	}
	furthest := s.now().Add(d.Policy.Span() - d.Policy.Interval).UnixMicro()
	return max(0, time.Duration(tat-furthest)*time.Microsecond), nil
}

// Forget gives keys their whole burst back, as after a success.
func (s *Store) Forget(ctx context.Context, demands ...Demand) error {
	if s == nil {
		return nil
	}
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		for _, d := range demands { // in the order in which Take locks them
			if err := s.db.Queue(ctx, "DELETE FROM rate_limits WHERE key = ?", digest(d.Policy, d.Key)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget limits: %w", err)
	}
	return nil
}

const sweepBatch = 1000

// sweep forgets keys that have their whole burst back, some at a time.
func (s *Store) sweep(ctx context.Context) (swept int64, err error) {
	if s == nil {
		return 0, nil
	}
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		r := s.db.Conn(ctx).Exec("DELETE FROM rate_limits WHERE key IN (SELECT key FROM rate_limits WHERE tat < ? LIMIT ?)", s.now().UnixMicro(), sweepBatch)
		swept = r.RowsAffected
		return r.Error
	})
	if err != nil {
		return 0, fmt.Errorf("sweep limits: %w", err)
	}
	return swept, nil
}

// announce tells the client how much is left (draft-ietf-httpapi-ratelimit-headers-10).
// Of several policies the last one speaks: the narrowest comes last.
func announce(ctx context.Context, p Policy, remaining int64, reset time.Duration) {
	request.SetHeader(ctx, "RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", p.Name, p.Burst, seconds(p.Span())))
	request.SetHeader(ctx, "RateLimit", fmt.Sprintf("%q;r=%d;t=%s", p.Name, remaining, strconv.Itoa(seconds(reset))))
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
