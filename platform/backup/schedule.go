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

// Schedule makes a backup every Interval and keeps the last ones. If several processes
// share the directory, only one of them does so at a time.
type Schedule struct {
	Dir      string
	Interval time.Duration
	Keep     int // older backups are removed after a new one has been made
	Backup   Options
	Now      func() time.Time
	Log      *slog.Logger

	failures atomic.Int64
}

// Failures returns the number of backups that this process failed to make.
func (s *Schedule) Failures() int64 { return s.failures.Load() }

// Newest returns when the last backup was started, or zero if there is none.
func (s *Schedule) Newest() time.Time { return Newest(s.Dir, s.Now()) }

// NextAt returns when the next backup is due, which may be past.
func (s *Schedule) NextAt() time.Time {
	newest := s.Newest()
	if newest.IsZero() {
		return s.Now()
	}
	return newest.Add(s.Interval)
}

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

// try reports at once, and not only when a backup is due, that none can be written. The
// service runs nevertheless: stopping it would not lead to more backups.
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
	return s.NextAt().Sub(s.Now())
}

// once makes the backup that is due, unless another process just did.
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
	removeAll(filepath.Join(s.Dir, ".guildhall-*.partial*")) // left by interrupted backups
	unsound, _ := filepath.Glob(filepath.Join(s.Dir, "guildhall-*.db.unsound"))
	taken, err := Take(ctx, s.Backup, filepath.Join(s.Dir, began.UTC().Format(fileName)))
	if errors.Is(err, ErrUnsound) { // one unsound backup is enough
		for _, path := range unsound {
			_ = os.Remove(path)
		}
	}
	if err != nil {
		return err
	}
	noteSuccess(s.Dir)
	s.Log.InfoContext(ctx, "backup made", "file", taken.Path, "bytes", taken.Bytes, "digest", taken.Digest, "duration_ms", s.Now().Sub(began).Milliseconds())
	return s.removeOld(ctx)
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

// removeOld removes the oldest of its own backups, never any other file.
func (s *Schedule) removeOld(ctx context.Context) error {
	all := made(s.Dir, s.Now())
	for _, name := range all[:max(0, len(all)-s.Keep)] {
		if err := os.Remove(filepath.Join(s.Dir, name)); err != nil {
			return fmt.Errorf("remove an old backup: %w", err)
		}
		s.Log.InfoContext(ctx, "old backup removed", "file", filepath.Join(s.Dir, name))
	}
	return nil
}

// ahead is the tolerance for a clock that is behind the one that named a backup. A
// backup with a later name is ignored, because a clock was wrong: otherwise no backup
// would be made until that time.
const ahead = 5 * time.Minute

// made lists the backups of a schedule, the oldest first.
func made(dir string, now time.Time) (names []string) {
	entries, err := os.ReadDir(dir) // ordered by name
	if err != nil {
		return nil // the directory does not exist yet
	}
	for _, e := range entries {
		at, err := time.Parse(fileName, e.Name())
		if err == nil && at.Before(now.Add(ahead)) && database.IsSQLiteFile(filepath.Join(dir, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names
}

// Newest returns when the last backup of a schedule was started, or zero if there is
// none.
func Newest(dir string, now time.Time) time.Time {
	names := made(dir, now)
	if len(names) == 0 {
		return time.Time{}
	}
	at, _ := time.Parse(fileName, names[len(names)-1]) // made has already parsed it
	return at
}
