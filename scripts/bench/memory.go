package main

import (
	"context"
	"os"
	"slices"
	"time"
)

// memory of guildhall in MiB.
type memory struct {
	idle, mix, after float64
	ever             float64 // the peak during the whole run, including log-ins with 64 connections
}

// measureMemory restarts guildhall, because the memory of earlier log-ins would hide that
// of the mix.
func (b *bench) measureMemory(ctx context.Context, s *server) (m memory, err error) {
	_, m.ever = s.memory()
	if err := s.stop(); err != nil {
		return m, err
	}
	if err := s.start(ctx); err != nil {
		return m, err
	}
	if err := wait(ctx, 3*time.Second); err != nil {
		return m, err
	}
	m.idle, _ = s.memory()
	steps := make([]step, growthConnections)
	for i := range steps {
		if steps[i], err = mixing(ctx, s, i, len(steps)); err != nil {
			return m, err
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err = drive(ctx, s.address, len(steps), max(3*b.lasting, 3*time.Second), steps)
	}()
	for running := true; running; {
		now, _ := s.memory()
		m.mix = max(m.mix, now)
		select {
		case <-done:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err != nil {
		return m, err
	}
	if err := wait(ctx, 10*time.Second); err != nil {
		return m, err
	}
	m.after, _ = s.memory()
	return m, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// coldStarts returns times from the start of the process until /readyz succeeds, on a
// migrated SQLite database.
func (b *bench) coldStarts(ctx context.Context, n int) ([]time.Duration, error) {
	dir, err := os.MkdirTemp(b.dir, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	url, err := files{dir}.empty(ctx, "cold")
	if err != nil {
		return nil, err
	}
	migrate := command(ctx, b.guildhall, "migrate", "up")
	migrate.Dir, migrate.Env = dir, environment(url, "HOME="+dir)
	if err := migrate.Run(); err != nil {
		return nil, err
	}
	var all []time.Duration
	for range n {
		s := &server{name: guildhall, binary: b.guildhall, url: url, dir: dir}
		begun := time.Now()
		if err := s.start(ctx); err != nil {
			return nil, err
		}
		all = append(all, time.Since(begun))
		if err := s.stop(); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return all, nil
}
