package platform

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"guildhall/platform/database"
)

// sweepInterval is between two sweeps, more or less: replicas take turns.
const sweepInterval = 10 * time.Minute

// Sweep forgets what is no longer needed: a batch at a time, so that nobody
// waits for it for long.
func (a *App) Sweep(ctx context.Context) error {
	for _, s := range a.sweepers {
		for {
			swept, err := s.Sweep(ctx)
			if err != nil {
				return err
			}
			if swept == 0 {
				break
			}
		}
	}
	return nil
}

// sweepEvery sweeps until the context ends or stop is called, which waits for it.
func (a *App) sweepEvery(ctx context.Context, interval time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(database.ForAll(ctx))
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(interval/2 + rand.N(interval)): //nolint:gosec // only spreads the work
			}
			if err := a.Sweep(ctx); err != nil && ctx.Err() == nil {
				a.kernel.Log.WarnContext(ctx, "could not sweep", "cause", err)
			}
		}
	})
	return func() { cancel(); done.Wait() }
}
