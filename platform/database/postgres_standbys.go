package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"guildhall/platform/databaseurl"

	"github.com/google/uuid"
)

const (
	standbyInterval = 500 * time.Millisecond // between two checks of each standby
	standbyTimeout  = time.Second            // of one check
	maxLag          = 5 * time.Second        // what a standby that is read from lacks at most // mutant: standby-lag
)

// Mark is a session and the number of the last transaction in which it wrote, or 0 for
// none. A standby must have replayed that transaction to serve the session's reads.
type Mark struct {
	Session     uuid.UUID
	Transaction int64
}

type lagKey struct{}

// MayLag allows a standby to serve the context's reads outside of transactions. The
// standby must have replayed what the session wrote, and must lack nothing older than a
// few seconds. Such a read may fail where the primary's would not.
func MayLag(ctx context.Context, after Mark) context.Context {
	return context.WithValue(ctx, lagKey{}, after)
}

// OnPrimary undoes MayLag, for reads that must be current.
func OnPrimary(ctx context.Context) context.Context {
	return context.WithValue(ctx, lagKey{}, nil)
}

// standbys is the pool for reads. It uses a standby if the context allows that, and the
// primary otherwise.
type standbys struct {
	*sql.DB
	all  []*standby
	log  *slog.Logger
	stop context.CancelFunc
	done chan struct{}
}

// QueryContext queries a standby or the primary. With several standbys, a session stays
// with the same one while it can, so that its reads do not go back in time.
func (s *standbys) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	after, may := ctx.Value(lagKey{}).(Mark)
	if !may {
		return s.DB.QueryContext(ctx, query, args...)
	}
	first := int(after.Session[len(after.Session)-1])
	for i := range s.all {
		one := s.all[(first+i)%len(s.all)]
		if !one.has(after, time.Now()) {
			continue
		}
		rows, err := one.pool.QueryContext(ctx, query, args...)
		if err != nil && !errors.Is(err, context.Canceled) {
			one.leaveOut()
			s.note(ctx, one, err)
		}
		return rows, err
	}
	return s.DB.QueryContext(ctx, query, args...)
}

// follow checks the standbys repeatedly, until close.
func (s *standbys) follow() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.done = stop, make(chan struct{})
	go func() {
		defer close(s.done)
		for ctx.Err() == nil {
			s.look(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(standbyInterval):
			}
		}
	}()
}

// look compares every standby with the primary. While the primary can't be asked,
// nothing is updated, so the standbys become too old to use.
func (s *standbys) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, standbyTimeout)
	defer cancel()
	at := time.Now() // before the query: its result includes what was committed until now
	var cluster, written int64
	err := s.DB.QueryRowContext(ctx, `SELECT system_identifier, CAST(pg_current_wal_flush_lsn() - '0/0' AS bigint)
		FROM pg_control_system()`).Scan(&cluster, &written)
	if err != nil {
		return
	}
	var all sync.WaitGroup
	for _, one := range s.all {
		all.Go(func() {
			s.note(ctx, one, one.look(ctx, at, cluster, written))
		})
	}
	all.Wait()
}

// note logs whether a standby is in use, if that has changed.
func (s *standbys) note(ctx context.Context, one *standby, err error) {
	switch {
	case !one.isNews(err):
	case err != nil:
		s.log.WarnContext(ctx, "a standby is excluded from reads", "standby", one.server.address(), "cause", one.server.explainLook(err))
	default:
		s.log.InfoContext(ctx, "a standby is used for reads", "standby", one.server.address())
	}
}

func (s *standbys) close() error {
	s.stop()
	<-s.done
	var problems []error
	for _, one := range s.all {
		problems = append(problems, one.pool.Close())
	}
	return errors.Join(problems...)
}

// openStandbys wraps the primary's pool for reads with the standbys. A standby that
// does not answer yet is left out until it does.
func (d *DB) openStandbys(urls []databaseurl.URL) (*standbys, error) {
	s := &standbys{DB: d.writePool, log: d.options.Log}
	for i, u := range urls {
		one, err := d.openStandby(u)
		if err == nil {
			s.all = append(s.all, one)
			continue
		}
		for _, one := range s.all {
			_ = one.pool.Close()
		}
		return nil, fmt.Errorf("DATABASE_REPLICA_URLS, number %d: %w", i+1, err)
	}
	s.follow()
	return s, nil
}
