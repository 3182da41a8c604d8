package module

import (
	"context"
	"math/rand/v2"
	"time"
)

// Worker does background work in each server process. If only one replica may do the
// work at a time, the worker must take a lock that the replicas share.
type Worker interface {
	// Run runs until the context ends. After an error the kernel restarts it.
	Run(ctx context.Context) error
}

// WithWorkers is implemented by a module that has background work.
type WithWorkers interface {
	Workers() []Worker
}

// Every returns a worker that calls do about once per interval. The delay is random, so
// that replicas do not all work at once.
func Every(interval time.Duration, do func(context.Context)) Worker {
	return periodic{interval, do}
}

type periodic struct {
	interval time.Duration
	do       func(context.Context)
}

// WorkingOff returns a worker that calls do until it returns false, because nothing is left to
// do, and again about once per interval.
func WorkingOff(interval time.Duration, do func(context.Context) (more bool, err error)) Worker {
	return backlog{interval, do}
}

type backlog struct {
	interval time.Duration
	do       func(context.Context) (more bool, err error)
}

// Run implements Worker.
func (b backlog) Run(ctx context.Context) error {
	for {
		more, err := b.do(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the worker was told to stop
		case err != nil:
			return err
		case more:
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(b.interval/2 + rand.N(b.interval)): //nolint:gosec // only spreads the work
		}
	}
}

// Run implements Worker.
func (p periodic) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(p.interval/2 + rand.N(p.interval)): //nolint:gosec // only spreads the work
			p.do(ctx)
		}
	}
}
