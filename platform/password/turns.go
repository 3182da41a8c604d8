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

// ErrBusy is the refusal while too many wait already.
var ErrBusy = fault.New(fault.Unavailable, "hashing_busy",
	"The service is busy with other log-ins. Please try again in a moment.").WithRetryAfter(time.Second)

// turns lets a fixed number of hashes run, in the order they came, and a fixed
// number wait.
type turns struct {
	size    int64
	free    *semaphore.Weighted
	places  chan struct{} // one is taken by each caller that runs or waits
	running atomic.Int64
	refused atomic.Int64
	quiet   *time.Timer
	timed   func(ctx context.Context, asked time.Time, waited time.Duration) // nil: nobody asks
}

// quietAfter is how long nobody must have hashed before the memory goes back to
// the system; the collector alone would keep what a burst took for minutes.
const quietAfter = 2 * time.Second

func newTurns(running, waiting int) *turns { // mutant: hash-queue
	t := &turns{
		size:   int64(running),
		free:   semaphore.NewWeighted(int64(running)),
		places: make(chan struct{}, running+waiting),
		quiet:  time.AfterFunc(time.Hour, debug.FreeOSMemory),
	}
	t.quiet.Stop()
	return t
}

// take runs work when n turns are free. Work worth more turns than there are
// takes them all.
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
	defer t.quiet.Reset(quietAfter)
	work()
	if t.timed != nil {
		t.timed(ctx, asked, waited)
	}
	return nil
}

// full says whether a caller would be refused now.
func (t *turns) full() bool { return len(t.places) == cap(t.places) }

func (t *turns) stats() Stats {
	running := int(t.running.Load())
	return Stats{
		Running:  running,
		Waiting:  max(len(t.places)-running, 0),
		Rejected: t.refused.Load(),
	}
}
