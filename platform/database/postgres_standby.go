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
	told     told
	asOf     time.Time // what the primary had committed by then is here
	complete int64     // transactions with a lower number are here, or never will be
	waitsFor position
}

// position is how far the primary had written its log at a time.
type position struct {
	at      time.Time
	written int64
}

var (
	errNoStandby    = errors.New("the server is no standby: it was promoted, or never was one")
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

// has says whether what the session wrote is here, and nothing that is older
// than maxLag is missing.
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

// leaveOut keeps readers away until the next look.
func (s *standby) leaveOut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in = false
}

// told is what the log says of a standby.
type told int8

const (
	nothing told = iota
	used
	unused
)

// isNews says whether the log does not say yet that the standby is in use, or that it
// is not because of the error. A new one may be as far behind as a lag allows before
// it is known not to lag.
func (s *standby) isNews(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := used
	if err != nil {
		now = unused
	}
	if now == s.told || s.told == nothing && errors.Is(err, errLags) && time.Since(s.opened) <= maxLag {
		return false
	}
	s.told = now
	return true
}

// look asks how far the standby is, given how far the primary was at a time just
// before. No two machines' clocks are compared, and where the primary writes
// nothing there is nothing to wait for. It returns why the standby can't be used.
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
	if replayed >= s.waitsFor.written { // one that is always a little behind catches up with what was
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
