package main

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/process"
	"golang.org/x/sync/errgroup"
)

// step makes one request, or a few related ones, and checks the answers.
type step func(c *connection) error

const warmUp = 150 * time.Millisecond

// sample is the result of one measurement.
type sample struct {
	rate          float64 // answers per second
	p50, p95, p99 time.Duration
	generator     float64 // share of the cores that this process took
}

// drive runs the steps on that many connections for that long.
func drive(ctx context.Context, address string, connections int, lasting time.Duration, steps []step) (sample, error) {
	counted := window{from: time.Now().Add(warmUp)}
	counted.until = counted.from.Add(lasting)
	all := make([]*connection, connections)
	for i := range all {
		var err error
		if all[i], err = dial(ctx, address, counted); err != nil {
			return sample{}, err
		}
		defer func() { _ = all[i].Close() }()
	}
	before := processorTime()
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range all {
		group.Go(func() error {
			for ctx.Err() == nil && time.Now().Before(counted.until) {
				err := steps[i](c)
				if err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return sample{}, err
	}
	var latencies histogram
	for _, c := range all {
		latencies.merge(&c.latencies)
	}
	s := sample{
		p50: latencies.percentile(50), p95: latencies.percentile(95), p99: latencies.percentile(99),
		generator: (processorTime() - before).Seconds() / time.Since(counted.from.Add(-warmUp)).Seconds() / float64(runtime.NumCPU()),
	}
	s.rate = float64(latencies.count()) / lasting.Seconds()
	return s, nil
}

func processorTime() time.Duration {
	self, err := process.NewProcess(int32(os.Getpid())) //nolint:gosec // ids of processes are small
	if err != nil {
		return 0
	}
	used, err := self.Times()
	if err != nil {
		return 0
	}
	return time.Duration((used.User + used.System) * float64(time.Second))
}
