package password

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"guildhall/platform/fault"
)

// ErrBusy is returned while too many callers wait already.
var ErrBusy = fault.New(fault.Unavailable, "hashing_busy",
	"The service is busy with other log-ins. Please try again in a moment.").WithRetryAfter(time.Second)

// turns limits how many hashes run at once and how many callers wait. Waiting callers
// run in the order of their arrival.
type turns struct {
	size    int64
	free    *semaphore.Weighted
	places  chan struct{} // one is taken by each caller that runs or waits
	running atomic.Int64
	refused atomic.Int64
	timed   func(ctx context.Context, asked time.Time, waited time.Duration) // may be nil
}

// quietAfter is how long no password must have been hashed before the memory is returned to
// the operating system. The garbage collector alone would keep a burst's memory for minutes.
const quietAfter = 2 * time.Second

// quiet is one of the process, because the memory is. Only a hash sets it.
var quiet = func() *time.Timer {
	t := time.AfterFunc(time.Hour, debug.FreeOSMemory)
	t.Stop()
	return t
}()

func newTurns(running, waiting int) *turns { // mutant: hash-queue
	return &turns{
		size:   int64(running),
		free:   semaphore.NewWeighted(int64(running)),
		places: make(chan struct{}, running+waiting),
	}
}

// take runs work when n turns are free. Work that needs more turns than exist takes all
// of them. It returns ErrBusy if too many callers wait already.
func (t *turns) take(ctx context.Context, n int, work func()) error {
	select {
	case t.places <- struct{}{}:
		defer func() { <-t.places }()
	default:
		t.refused.Add(1)
		return ErrBusy
	}

	asked := time.Now()
	weight := min(int64(n), t.size)
	if err := t.free.Acquire(ctx, weight); err != nil {
		return fmt.Errorf("wait to hash a password: %w", err)
	}
	defer t.free.Release(weight)
	waited := time.Since(asked)

	t.running.Add(1)
	defer t.running.Add(-1)
	defer quiet.Reset(quietAfter)
	work()
	if t.timed != nil {
		t.timed(ctx, asked, waited)
	}
	return nil
}

// full reports whether a caller would be refused now.
func (t *turns) full() bool { return len(t.places) == cap(t.places) }

func (t *turns) stats() Stats {
	running := int(t.running.Load())
	return Stats{
		Running:  running,
		Waiting:  max(len(t.places)-running, 0),
		Rejected: t.refused.Load(),
	}
}
