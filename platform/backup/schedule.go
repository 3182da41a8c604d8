package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"guildhall/platform/database"
)

// Schedule makes a backup every Interval and keeps the last ones. Of several
// processes that share the directory one does it at a time.
type Schedule struct {
	Dir      string
	Interval time.Duration
	Keep     int // the oldest beyond it go, once a new one is there
	Backup   Options
	Now      func() time.Time
	Log      *slog.Logger

	failures atomic.Int64
}

// Failures says how many backups this process was to make and could not.
func (s *Schedule) Failures() int64 { return s.failures.Load() }

const (
	fileName   = "guildhall-20060102T150405Z.db" // a layout of package time
	lockName   = ".guildhall-backup.lock"
	retryAfter = 10 * time.Minute
)

var errTaken = errors.New("another process makes the backup")

// Run makes backups until the context ends. It implements module.Worker.
func (s *Schedule) Run(ctx context.Context) error {
	ctx = database.ForAll(ctx)
	s.try(ctx)
	for wait := s.untilDue(); ; wait = s.untilDue() {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		err := s.once(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		if !errors.Is(err, errTaken) {
			s.failures.Add(1)
			noteFailure(s.Dir, s.Now(), err)
			s.Log.ErrorContext(ctx, "no backup was made", "cause", err)
		}
		again := min(retryAfter, s.Interval)
		if errors.Is(err, ErrUnsound) {
			again = s.Interval // it stays unsound until a person repairs it
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

// try tells at once, and not when one is due, that none can be written. The service
// runs all the same: without it there would be less to back up, not more backups.
func (s *Schedule) try(ctx context.Context) {
	_, err := TryDir(s.Dir)
	if err == nil {
		err = os.MkdirAll(s.Dir, 0o700)
	}
	if err != nil {
		s.Log.ErrorContext(ctx, "no backup can be written to BACKUP_DIR", "cause", err)
	}
}

func (s *Schedule) untilDue() time.Duration {
	newest := Newest(s.Dir, s.Now())
	if newest.IsZero() {
		return 0
	}
	return newest.Add(s.Interval).Sub(s.Now())
}

// once makes the backup that is due, unless somebody else just did.
func (s *Schedule) once(ctx context.Context) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if s.untilDue() > 0 {
		return nil
	}
	began := s.Now()
	removeAll(filepath.Join(s.Dir, ".guildhall-*.partial*")) // of those that were cut off
	unsound, _ := filepath.Glob(filepath.Join(s.Dir, "guildhall-*.db.unsound"))
	taken, err := Take(ctx, s.Backup, filepath.Join(s.Dir, began.UTC().Format(fileName)))
	if errors.Is(err, ErrUnsound) { // one of them is enough
		for _, path := range unsound {
			_ = os.Remove(path)
		}
	}
	if err != nil {
		return err
	}
	noteSuccess(s.Dir)
	s.Log.InfoContext(ctx, "backup made", "file", taken.Path, "bytes", taken.Bytes, "digest", taken.Digest, "duration_ms", s.Now().Sub(began).Milliseconds())
	return s.forget(ctx)
}

func (s *Schedule) lock() (unlock func(), err error) {
	lock := flock.New(filepath.Join(s.Dir, lockName), flock.SetPermissions(0o600))
	taken, err := lock.TryLock()
	switch {
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", s.Dir, err)
	case !taken:
		return nil, errTaken
	}
	return func() { _ = lock.Close() }, nil
}

func removeAll(pattern string) {
	found, _ := filepath.Glob(pattern)
	for _, path := range found {
		_ = os.Remove(path)
	}
}

// forget removes the oldest of its own, never what somebody else put there.
func (s *Schedule) forget(ctx context.Context) error {
	all := made(s.Dir, s.Now())
	for _, name := range all[:max(0, len(all)-s.Keep)] {
		if err := os.Remove(filepath.Join(s.Dir, name)); err != nil {
			return fmt.Errorf("remove an old backup: %w", err)
		}
		s.Log.InfoContext(ctx, "old backup removed", "file", filepath.Join(s.Dir, name))
	}
	return nil
}

// ahead is how far a clock may be behind the one that named a backup. What is
// named later was named by a clock that was wrong, and counts for nothing: else
// none would be made until then.
const ahead = 5 * time.Minute

// made lists the backups of a schedule, the oldest first.
func made(dir string, now time.Time) (names []string) {
	entries, err := os.ReadDir(dir) // by name
	if err != nil {
		return nil // not there yet
	}
	for _, e := range entries {
		at, err := time.Parse(fileName, e.Name())
		if err == nil && at.Before(now.Add(ahead)) && database.IsSQLiteFile(filepath.Join(dir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}

// Newest is when the last backup of a schedule was begun; zero where there is none.
func Newest(dir string, now time.Time) time.Time {
	names := made(dir, now)
	if len(names) == 0 {
		return time.Time{}
	}
	at, _ := time.Parse(fileName, names[len(names)-1]) // made has parsed it
	return at
}
