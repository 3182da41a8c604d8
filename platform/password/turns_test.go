package password

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"guildhall/platform/fault"
)

func TestNoMoreRunAndWaitThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(2, 3)
		var now, most, done, refused atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				err := turns.take(t.Context(), 1, func() {
					most.Store(max(most.Load(), now.Add(1)))
					time.Sleep(time.Second)
					now.Add(-1)
				})
				if errors.Is(err, ErrBusy) {
					refused.Add(1)
				} else if err == nil {
					done.Add(1)
				}
			})
		}
		synctest.Wait()
		if got := turns.stats(); got != (Stats{Running: 2, Waiting: 3, Rejected: 15}) {
			t.Errorf("while full: %+v", got)
		}
		all.Wait()
		if most.Load() != 2 || done.Load() != 5 || refused.Load() != 15 {
			t.Errorf("%d at once, %d done, %d refused", most.Load(), done.Load(), refused.Load())
		}
		if got := turns.stats(); got != (Stats{Rejected: 15}) {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

func TestRefusalComesAtOnceAndSaysWhenToTryAgain(t *testing.T) {
	h := New(Options{Concurrency: 1, Queue: -1})
	stop := occupy(t, h)
	defer stop()

	start := time.Now()
	_, errHash := h.Hash(t.Context(), "whatever")
	_, _, errVerify := h.Verify(t.Context(), h.absent, "whatever")
	errAbsent := h.VerifyAbsent(t.Context(), "whatever")
	if d := time.Since(start); d > 50*time.Millisecond {
		t.Errorf("took %v to refuse", d)
	}
	for _, err := range []error{errHash, errVerify, errAbsent} {
		var refusal *fault.Error
		if !errors.As(err, &refusal) || refusal.Kind != fault.Unavailable ||
			refusal.Code != "hashing_busy" || refusal.RetryAfter != time.Second {
			t.Errorf("got %#v", err)
		}
	}
	if got := h.Stats(); got != (Stats{Running: 1, Rejected: 3}) {
		t.Errorf("stats: %+v", got)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	h := New(Options{Concurrency: 1, Queue: 1})
	stop := occupy(t, h)
	defer stop()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := h.Hash(ctx, "whatever"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if got := h.Stats(); got != (Stats{Running: 1}) {
		t.Errorf("the place in the queue is not given back: %+v", got)
	}
}

func TestHeavyHashTakesTheTurnsItIsWorth(t *testing.T) {
	heavy := argon2idHash{Parameters: Parameters{Memory: 64 << 10, Passes: 3, Lanes: 4}}
	if got := heavy.turns(); got != 4 {
		t.Fatalf("64 MiB in 4 lanes are worth %d", got)
	}
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(4, 4)
		go turns.take(t.Context(), heavy.turns(), func() { time.Sleep(time.Second) })
		synctest.Wait()
		go turns.take(t.Context(), 1, func() { time.Sleep(time.Second) })
		synctest.Wait()
		if got := turns.stats(); got.Running != 1 || got.Waiting != 1 {
			t.Errorf("an ordinary one beside it: %+v", got)
		}
		time.Sleep(3 * time.Second)
	})
	ran := false
	if err := newTurns(1, 0).take(t.Context(), heavy.turns(), func() { ran = true }); err != nil || !ran {
		t.Errorf("a hash that needs more turns than exist: %v", err)
	}
}

func TestTurnIsGivenBackAfterAPanic(t *testing.T) {
	turns := newTurns(1, 0)
	func() {
		defer func() { _ = recover() }()
		_ = turns.take(t.Context(), 1, func() { panic("out of memory") })
	}()
	if got := turns.stats(); got != (Stats{}) {
		t.Errorf("after a panic: %+v", got)
	}
	if err := turns.take(t.Context(), 1, func() {}); err != nil {
		t.Error(err)
	}
}

// TestMemoryStaysBounded: a flood of requests uses at most the memory of the turns, and as
// much garbage.
func TestMemoryStaysBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := New(Options{Concurrency: 2, Queue: 1000})
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	var most uint64
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { _ = h.VerifyAbsent(t.Context(), "whatever") })
	}
	flood := make(chan struct{})
	go func() { defer close(flood); all.Wait() }()
	for over := false; !over; {
		select {
		case <-flood:
			over = true
		case <-time.After(2 * time.Millisecond):
		}
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapInuse-min(before.HeapInuse, now.HeapInuse))
	}
	t.Logf("40 verifications, 2 at once: at most %d MiB of heap", most>>20)
	if most > 160<<20 {
		t.Errorf("%d MiB of heap", most>>20)
	}
}

// occupy takes every turn until stop is called.
func occupy(t testing.TB, h *Hasher) (stop func()) {
	t.Helper()
	taken, free := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		err := h.turns.take(context.Background(), int(h.turns.size), func() { close(taken); <-free })
		if err != nil {
			t.Error(err)
		}
	})
	<-taken
	return func() { close(free); done.Wait() }
}

// TestFewerHashesAtOnceInLittleMemory: at least one can always run.
func TestFewerHashesAtOnceInLittleMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cores int
		limit int64
		want  int
	}{
		{2, math.MaxInt64, 2}, {64, math.MaxInt64, 64}, {64, 8 << 30, 64},
		{2, 128 << 20, 2}, {2, 96 << 20, 1}, {16, 96 << 20, 1}, {16, 512 << 20, 8}, {2, 1, 1},
	} {
		if got := affordable(c.cores, c.limit); got != c.want {
			t.Errorf("%d cores and %d bytes: %d hashes at once, want %d", c.cores, c.limit, got, c.want)
		}
	}
}
