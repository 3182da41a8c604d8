package module

import (
	"context"
	"math/rand/v2"
	"time"
)

// Worker does background work in each process that serves. What only one replica may
// do at a time, the worker guards itself: with a lock that the replicas share.
type Worker interface {
	// Run works until the context ends. After an error the kernel runs it again.
	Run(ctx context.Context) error
}

// WithWorkers is a module that has background work.
type WithWorkers interface {
	Workers() []Worker
}

// Every is a worker that calls do at each interval, more or less, so that replicas do
// not all work at once.
func Every(interval time.Duration, do func(context.Context)) Worker {
	return periodic{interval, do}
}

type periodic struct {
	interval time.Duration
	do       func(context.Context)
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
