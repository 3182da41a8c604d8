package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPercentilesAreWithinABucket(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	for p, want := range map[float64]time.Duration{50: 500 * time.Microsecond, 95: 950 * time.Microsecond, 99: 990 * time.Microsecond} {
		got := h.percentile(p)
		if off := float64(got-want) / float64(want); off < -0.03 || off > 0.03 {
			t.Errorf("p%g is %s, want %s", p, got, want)
		}
	}
	if new(histogram).percentile(99) != 0 {
		t.Error("the percentile of no samples is not 0")
	}
}

// steady sends requests to a server during a short measurement.
func steady(t *testing.T, handler http.HandlerFunc, steps ...step) (sample, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return drive(context.Background(), strings.TrimPrefix(server.URL, "http://"), len(steps), 50*time.Millisecond, steps)
}

func TestAnswersOfEachLengthAreRead(t *testing.T) {
	long := strings.Repeat("x", 100_000) // chunked by net/http
	var asked []step
	for path, want := range map[string]string{"/short": "short", "/long": long, "/none": ""} {
		asked = append(asked, func(c *connection) error {
			if status, body, err := c.do(request(http.MethodGet, path, "", nil)); err != nil || status != 200 || string(body) != want {
				return fmt.Errorf("%s: %d, %d bytes, %w", path, status, len(body), err)
			}
			return nil
		})
	}
	found, err := steady(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/short":
			fmt.Fprint(w, "short")
		case "/long":
			for part := range slices.Chunk([]byte(long), 7777) {
				_, _ = w.Write(part)
				w.(http.Flusher).Flush()
			}
		}
	}, asked...)
	if err != nil {
		t.Fatal(err)
	}
	if found.rate == 0 || found.p50 == 0 || found.p99 < found.p50 {
		t.Errorf("found %+v", found)
	}
}

func TestAWrongAnswerVoidsTheRun(t *testing.T) {
	answers := 0
	_, err := steady(t, func(w http.ResponseWriter, _ *http.Request) {
		if answers++; answers > 10 {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, "fine")
	}, fixed(request(http.MethodGet, "/", "", nil), "fine"))
	if err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("got %v", err)
	}
}

func TestMoreThanBeforeIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	before := []count{{database: "sqlite", operation: "members, first 100", statements: 2, allocations: 100}}
	if err := writeCounts(before); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		statements, allocations float64
		fine                    bool
	}{{2, 100, true}, {1, 50, true}, {2, 108, true}, {2, 109, false}, {2.005, 100, false}} {
		now := []count{{database: "sqlite", operation: "members, first 100", statements: c.statements, allocations: c.allocations}}
		if err := checkCounts(now); (err == nil) != c.fine {
			t.Errorf("%g statements and %g allocations: %v", c.statements, c.allocations, err)
		}
	}
	if checkCounts(nil) == nil {
		t.Error("a missing count was accepted")
	}
}

func TestWhatWasUpdatedIsAccepted(t *testing.T) {
	t.Chdir(t.TempDir())
	// One query in two hundred requests: the others are answered from a cache.
	counted := []count{{database: "sqlite", operation: "who am I", statements: 0.005, allocations: 47}}
	if err := errors.Join(writeCounts(counted), checkCounts(counted)); err != nil {
		t.Error(err)
	}
}

func TestAServerThatNeverStartedIsStopped(t *testing.T) {
	s := &server{name: limit, binary: filepath.Join(t.TempDir(), "none"), dir: t.TempDir()}
	if s.start(context.Background()) == nil {
		t.Error("the server started")
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestFigures(t *testing.T) {
	for n, want := range map[float64]string{0: "", 1.234: "1.23", 56.78: "56.8", 999.6: "1,000", 1234567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("%g is shown as %q, want %q", n, got, want)
		}
	}
	ours := []sample{{rate: 60}, {rate: 90}, {rate: 70}}
	theirs := []sample{{rate: 100}, {rate: 100}, {rate: 100}}
	if got := percent(ratios(ours, theirs, perSecond)); got != "70 % (60–90)" {
		t.Errorf("got %q", got)
	}
}
