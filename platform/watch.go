package platform

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// watchInterval is between two looks at what an operator may change underneath.
const watchInterval = 10 * time.Second

// repeat calls do again and again, more or less every interval, until the context
// ends or stop is called, which waits for it.
func repeat(ctx context.Context, interval time.Duration, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(interval/2 + rand.N(interval)): //nolint:gosec // only spreads the work
				do(ctx)
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// watch tells the log when row-level security is turned on or off in the database,
// its file is replaced or it takes no writes, also where nobody asks for /readyz. No
// request is answered wrongly meanwhile.
func (a *App) watch() func(context.Context) {
	differed := false
	return func(ctx context.Context) {
		err := errors.Join(a.kernel.DB.RowSecurityAsSet(ctx), a.kernel.DB.Writable(ctx))
		if err != nil && !differed && ctx.Err() == nil {
			a.kernel.Log.ErrorContext(ctx, "not ready", "cause", err)
		}
		differed = err != nil
	}
}

func (a *App) foldQuietLog(ctx context.Context) {
	if err := a.kernel.DB.FoldQuietLog(ctx); err != nil && ctx.Err() == nil {
		a.kernel.Log.WarnContext(ctx, "the write-ahead log keeps its size", "cause", err)
	}
}
