package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The tests named TestTrust… run the attacks, faults and races that the service must
// survive against the running service: briefly in every run of the suite, and for long in
// scripts/trust, which collects their figures in a table.

// trustLong reports whether this is the long run.
func trustLong() bool { return os.Getenv("GUILDHALL_TRUST") == "long" }

// size returns the short or the long amount of something to try.
func size[T any](short, long T) T {
	if trustLong() {
		return long
	}
	return short
}

// trustSeed returns the seed that makes a run repeatable: GUILDHALL_TRUST_SEED, or else
// one from the clock.
func trustSeed(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("GUILDHALL_TRUST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("GUILDHALL_TRUST_SEED: %v", err)
		}
	}
	t.Logf("to repeat this: GUILDHALL_TRUST_SEED=%d", seed)
	return seed
}

// recordResult writes a line of the table: what was tried, how many times, on which database,
// and how many answers or rows were wrong. It fails the test if any was.
func recordResult(t testing.TB, what, database string, tried, wrong int, seed uint64, remarks string, args ...any) {
	t.Helper()
	remarks = fmt.Sprintf(remarks, args...)
	t.Logf("%s on %s: %d tried, %d wrong. %s", what, database, tried, wrong, remarks)
	if wrong > 0 {
		t.Errorf("%s: %d of %d wrong", what, wrong, tried)
	}
	if tried == 0 {
		t.Errorf("%s: nothing was tried", what)
	}
	name := os.Getenv("GUILDHALL_TRUST_FIGURES")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cell := strings.NewReplacer("|", "/", "\n", " ")
	if _, err := fmt.Fprintf(f, "| %s | %s | %d | %d | %d | %s |\n", cell.Replace(what), database, tried, wrong, seed, cell.Replace(remarks)); err != nil {
		t.Fatal(err)
	}
}
