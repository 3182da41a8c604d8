package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"guildhall/platform/databaseurl"
)

// standby is one server that replays what the primary writes.
type standby struct {
	server server
	pool   *sql.DB

	opened time.Time

	mu       sync.Mutex
	in       bool
	logged   logged
	asOf     time.Time // it has replayed what the primary had committed by then
	complete int64     // it has replayed all transactions below this number
	waitsFor position
}

// position is how far the primary had written its log at a given time.
type position struct {
	at      time.Time
	written int64
}

var (
	errNoStandby    = errors.New("the server is not a standby: it was promoted, or never was one")
	errOtherCluster = errors.New("the server is not a copy of the primary")
	errLags         = fmt.Errorf("it lags more than %s behind the primary", maxLag)
)

func (d *DB) openStandby(u databaseurl.URL) (*standby, error) {
	server, pool, err := d.openPool(u)
	if err != nil {
		return nil, err
	}
	return &standby{server: server, pool: pool, opened: time.Now()}, nil
}

// has reports whether the standby has replayed what the session wrote, and lacks
// nothing that is older than maxLag.
func (s *standby) has(after Mark, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in && after.Transaction < s.complete && now.Sub(s.asOf) <= maxLag
}

func (s *standby) isIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in
}

// leaveOut excludes the standby from reads until the next check.
func (s *standby) leaveOut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in = false
}

// logged is what the log says about a standby.
type logged int8

const (
	nothing logged = iota
	used
	unused
)

// isNews reports whether the log does not yet say that the standby is in use, or that
// err excludes it. A new standby may be as far behind as maxLag allows before it is
// known not to lag.
func (s *standby) isNews(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := used
	if err != nil {
		now = unused
	}
	if now == s.logged || s.logged == nothing && errors.Is(err, errLags) && time.Since(s.opened) <= maxLag {
		return false
	}
	s.logged = now
	return true
}

// look asks the standby how far it has replayed, given how far the primary had written
// just before, at the given time. It compares no clocks of different machines, and if
// the primary writes nothing, there is no lag. It returns why the standby can't be
// used.
func (s *standby) look(ctx context.Context, at time.Time, cluster, written int64) error {
	var copyOf, replayed, complete int64
	var inRecovery bool
	err := s.pool.QueryRowContext(ctx, `SELECT system_identifier, pg_is_in_recovery(), COALESCE(CAST(pg_last_wal_replay_lsn() - '0/0' AS bigint), 0),
		CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) FROM pg_control_system()`).Scan(&copyOf, &inRecovery, &replayed, &complete)
	switch {
	case err != nil:
	case !inRecovery:
		err = errNoStandby
	case copyOf != cluster:
		err = errOtherCluster
	}
	if err != nil {
		s.leaveOut()
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if replayed >= s.waitsFor.written { // a standby that is always a little behind reaches the earlier position
		s.asOf, s.waitsFor = s.waitsFor.at, position{at, written}
	}
	if replayed >= written {
		s.asOf = at
	}
	s.complete = complete
	if s.in = time.Since(s.asOf) <= maxLag; !s.in {
		return errLags
	}
	return nil
}
