package ratelimit

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"guildhall/platform/fault"
)

func TestABurstAndThenOneInEachInterval(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := NewLimiter(Policy{Name: "x", Burst: 3, Interval: time.Minute}, func() time.Time { return now })
	for i := range 3 {
		if err := l.Allow(t.Context(), "a"); err != nil {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
	}
	for range 5 { // refused attempts do not push the next one further away
		var refusal *fault.Error
		if err := l.Allow(t.Context(), "a"); !errors.As(err, &refusal) || refusal.Kind != fault.TooManyRequests || refusal.RetryAfter != time.Minute {
			t.Fatalf("beyond the burst: %v", err)
		}
	}
	if err := l.Allow(t.Context(), "b"); err != nil {
		t.Errorf("another key: %v", err)
	}
	now = now.Add(time.Minute)
	if l.Allow(t.Context(), "a") != nil || l.Allow(t.Context(), "a") == nil {
		t.Error("after an interval, not exactly one more attempt is allowed")
	}
}

func TestNilAllowsEverything(t *testing.T) {
	var l *Limiter
	if err := l.Allow(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := NewLimiter(Policy{Name: "x", Burst: 1, Interval: time.Second}, func() time.Time { return now })
	for i := range 2*maxKeys + 1 {
		_ = l.Allow(t.Context(), fmt.Sprint(i))
	}
	if len(l.keys) > maxKeys+sharedKeys {
		t.Errorf("%d keys", len(l.keys))
	}
	if l.Allow(t.Context(), "0") == nil {
		t.Error("a busy key was dropped for others")
	}
}

func TestAddress(t *testing.T) {
	for given, want := range map[string]string{
		"192.0.2.1":                "192.0.2.1",
		"::ffff:192.0.2.1":         "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":     "2001:db8:1:2::/64",
		"fe80::1%eth0":             "fe80::/64",
		"not an address":           "not an address",
		"2001:db8:1:2:ffff:4:5:66": "2001:db8:1:2::/64",
	} {
		if got := Address(given); got != want {
			t.Errorf("%s is counted as %s, want %s", given, got, want)
		}
	}
}
