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

// Policy allows a burst of attempts, and then one more per interval.
type Policy struct {
	Name     string // lower case, as the RateLimit fields show it
	Burst    int
	Interval time.Duration
	Silent   bool // only a refusal shows it: other clients count against it too
}

// Span returns how long an exhausted key takes to regain its whole burst.
func (p Policy) Span() time.Duration { return time.Duration(p.Burst) * p.Interval }

// Store keeps rate limits in the database: all replicas share them, and they survive a
// restart. A nil Store allows everything.
//
// The algorithm is GCRA. It stores one number per key: the time at which the key regains
// its whole burst (the theoretical arrival time). An attempt adds one interval; the time
// may be no further ahead than the burst. One statement reads and writes it, so that
// concurrent attempts can't exceed the limit.
type Store struct {
	db  *database.DB
	now func() time.Time
}

// NewStore returns the store of rate limits in a database.
func NewStore(db *database.DB, now func() time.Time) *Store { return &Store{db: db, now: now} }

// A key is stored as its digest, which hides the email or IP address in it. excluded.tat
// is the time that a key without a row gets.
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

// Demand is an attempt against the policy of a key.
type Demand struct {
	Policy Policy
	Key    string
	Weight int // it counts as so many attempts; 0 is 1
}

// Reached is the cause of a refusal: the policy whose limit was reached.
type Reached struct{ Policy Policy }

func (r *Reached) Error() string { return "rate limit reached: " + r.Policy.Name }

// Take counts an attempt against each policy, in order, until one refuses it
// (too_many_requests) with the time until the next is allowed. That one does not count
// it. Within a transaction an attempt counts only if the transaction commits.
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
				return fmt.Errorf("count against the rate limit %s: %w", d.Policy.Name, err)
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

// Refund takes back part of the weight of an attempt that Take has counted.
func (s *Store) Refund(ctx context.Context, d Demand, weight int) error {
	if s == nil || weight <= 0 {
		return nil
	}
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		_, err := s.db.Exec(ctx, "UPDATE rate_limits SET tat = tat - ? WHERE key = ?", d.Policy.Interval.Microseconds()*int64(weight), digest(d.Policy, d.Key))
		return err
	})
	if err != nil {
		return fmt.Errorf("refund the rate limit %s: %w", d.Policy.Name, err)
	}
	return nil
}

// take counts an attempt and returns 0, or returns how long to wait.
func (s *Store) take(ctx context.Context, d Demand) (time.Duration, error) {
	p, now := d.Policy, s.now().UnixMicro()
	step, span := p.Interval.Microseconds()*int64(max(d.Weight, 1)), p.Span().Microseconds()
	furthest := now + span - step
	var tat int64
	var admitted bool
	err := s.db.Row(ctx, takeStatement, digest(p, d.Key), now+step, true, furthest, furthest, step, step).Scan(&tat, &admitted)
	if err != nil || !admitted {
		return time.Duration(tat-furthest) * time.Microsecond, err
	}
	if !p.Silent {
		announce(ctx, p, (now+span-tat)/p.Interval.Microseconds(), time.Duration(tat-now)*time.Microsecond)
	}
	return 0, nil
}

// Wait returns for how long an attempt would be refused now. It does not count one.
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
		return 0, fmt.Errorf("read the rate limit %s: %w", d.Policy.Name, err)
	}
	furthest := s.now().Add(d.Policy.Span() - d.Policy.Interval).UnixMicro()
	return max(0, time.Duration(tat-furthest)*time.Microsecond), nil
}

// Reset gives keys their whole burst back, as after a success.
func (s *Store) Reset(ctx context.Context, demands ...Demand) error {
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
		return fmt.Errorf("reset rate limits: %w", err)
	}
	return nil
}

const sweepBatch = 1000

// sweep deletes a batch of the keys that have their whole burst back.
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
		return 0, fmt.Errorf("sweep rate limits: %w", err)
	}
	return swept, nil
}

// announce sets the RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10). With
// several policies the last one wins, so the narrowest must come last.
func announce(ctx context.Context, p Policy, remaining int64, reset time.Duration) {
	request.SetHeader(ctx, "RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", p.Name, p.Burst, seconds(p.Span())))
	request.SetHeader(ctx, "RateLimit", fmt.Sprintf("%q;r=%d;t=%s", p.Name, remaining, strconv.Itoa(seconds(reset))))
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
