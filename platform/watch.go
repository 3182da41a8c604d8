package platform

import (
	"context"
	"errors"
	"sync"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/mail"
	"guildhall/platform/module"
	"guildhall/platform/signing"
	"guildhall/platform/telemetry"
)

const (
	// watchInterval is the time between two checks of what may change outside of the
	// process.
	watchInterval = 10 * time.Second
	// restartDelay is the time between the failure of a worker and its next run.
	restartDelay = 10 * time.Second
)

// workers returns the background workers of the kernel and of the modules.
func (a *App) workers() []module.Worker {
	workers := []module.Worker{
		module.Every(sweepInterval, a.sweepAndLog),
		module.Every(watchInterval, a.watch()),
		module.Every(watchInterval, a.checkpointIdle),
		module.Every(signing.ReloadEvery, a.keepKeys),
		mail.NewWorker(a.kernel.Mail, a.kernel.Log, a.kernel.Telemetry),
	}
	if schedule := a.kernel.Inspector.Backups; schedule != nil {
		a.kernel.Telemetry.WatchBackups(schedule.Newest, schedule.Failures, schedule.Interval)
		workers = append(workers, schedule)
	}
	return append(workers, a.ofModules...)
}

// work starts the workers. stop cancels them and waits until they have returned.
func (a *App) work(ctx context.Context, workers ...module.Worker) (stop func()) {
	ctx, cancel := context.WithCancel(telemetry.Background(ctx))
	var all sync.WaitGroup
	for _, w := range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := w.Run(ctx); err != nil && ctx.Err() == nil {
					a.kernel.Log.ErrorContext(ctx, "a background worker failed", "cause", err)
				}
				select {
				case <-ctx.Done():
				case <-time.After(restartDelay):
				}
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// keepKeys makes the next signing key when it is time, and learns what other processes have
// done to the keys.
func (a *App) keepKeys(ctx context.Context) {
	ctx = database.ForAll(ctx)
	err := a.kernel.Keyset.Prepare(ctx)
	if err == nil {
		err = a.kernel.Keyset.RotateIfDue(ctx)
	}
	if err != nil && ctx.Err() == nil {
		a.kernel.Log.WarnContext(ctx, "could not read or make the signing keys", "cause", err)
	}
}

// watch logs an error when row-level security is turned on or off in the database, or
// when the SQLite file is replaced or takes no writes. So the log has it even if no
// monitor asks for /readyz. No request gets a wrong answer meanwhile.
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

func (a *App) checkpointIdle(ctx context.Context) {
	if err := a.kernel.DB.CheckpointIdle(ctx); err != nil && ctx.Err() == nil {
		a.kernel.Log.WarnContext(ctx, "could not truncate the write-ahead log", "cause", err)
	}
}
