package guildhall

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestMarksMatch(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 999, time.UTC)
	for _, c := range []struct {
		mark    mark
		issued  int64
		revoked bool
	}{
		{mark{Session: "s1"}, 0, true}, {mark{Session: "s2"}, 0, false},
		{mark{Person: "ada"}, 0, true}, {mark{Person: "grace"}, 0, false},
		{mark{Organization: "engines"}, 0, true}, {mark{Organization: "looms"}, 0, false},
		{mark{Person: "ada", Organization: "engines"}, 0, true}, {mark{Person: "ada", Organization: "looms"}, 0, false}, {mark{Person: "grace", Organization: "engines"}, 0, false},
		{mark{Session: "s1", Person: "ada", Organization: "engines"}, 0, true}, {mark{Session: "s1", Person: "ada", Organization: "looms"}, 0, false},
		{mark{Session: "s1"}, -1, true}, {mark{Session: "s1"}, 1, false},
		{mark{}, 0, true}, {mark{}, 1, false}, // of a kind that is unknown here: all
	} {
		f := newFeed(nil, defaultStaleness, slog.New(slog.DiscardHandler), func() {})
		now := time.Now()
		c.mark.At = at
		if err := f.learn(page{Items: []mark{c.mark, {Session: "s1", At: at.Add(-time.Hour)}}, AsOf: at}, now, now); err != nil {
			t.Fatal(err)
		}
		token := &claims{Session: "s1", Organization: "engines"}
		token.Subject = "ada"
		issued := at.Truncate(time.Second).Add(time.Duration(c.issued) * time.Second)
		token.IssuedAt, token.ExpiresAt = jwt.NewNumericDate(issued), jwt.NewNumericDate(issued.Add(time.Hour))
		if got := f.judge(token, now); got != map[bool]verdict{true: revoked, false: holds}[c.revoked] {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// An answer is fresh from when it was true, whatever the clocks of the two machines say.
func TestFreshnessCountsFromWhenAnAnswerWasTrue(t *testing.T) {
	f := newFeed(nil, 5*time.Second, slog.New(slog.DiscardHandler), func() {})
	here, there := time.Now(), time.Now().Add(-time.Hour)
	second := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for _, c := range []struct{ began, true, arrived, until float64 }{
		{0, 0.01, 0.02, 5},       // from the question, as nothing else is known
		{0.1, 3.1, 3.11, 8.09},   // held for 3 s
		{3.2, 3.3, 9, 8.29},      // under way for 6 s
		{9, 12, 12.01, 16.99},    // held
		{12.1, 13.2, 13.1, 18.1}, // Guildhall's clock has leapt: not later than it came
		{13.2, 13.21, 13.3, 18.2},
	} {
		at := func(s float64) time.Time { return here.Add(second(s)) }
		if err := f.learn(page{AsOf: there.Add(second(c.true))}, at(c.began), at(c.arrived)); err != nil {
			t.Fatal(err)
		}
		if until := f.freshUntil.Sub(here); until.Round(10*time.Millisecond) != second(c.until).Round(10*time.Millisecond) {
			t.Errorf("%+v: fresh until %s", c, until)
		}
	}
	before := f.freshUntil
	if err := f.learn(page{AsOf: f.asOf, Items: []mark{{Session: "s1", At: there}}}, here.Add(second(14)), here.Add(second(14))); !errors.Is(err, errReplayed) || f.freshUntil != before {
		t.Errorf("an old answer: %v", err)
	}
	if len(f.marks) != 1 {
		t.Error("its marks are true, however")
	}
	if err := f.learn(page{AsOf: f.asOf, Next: "another"}, here.Add(second(14)), here.Add(second(14))); err != nil || f.freshUntil != before || f.cursor != "another" {
		t.Errorf("something new before Guildhall looked again: %v", err)
	}
}

func TestForgottenMarksAreAskedAbout(t *testing.T) {
	f := newFeed(nil, defaultStaleness, slog.New(slog.DiscardHandler), func() {})
	now := time.Now()
	token := func(age, life time.Duration) *claims {
		c := &claims{Session: "s1"}
		c.Subject, c.IssuedAt, c.ExpiresAt = "ada", jwt.NewNumericDate(now.Add(-age)), jwt.NewNumericDate(now.Add(life-age))
		return c
	}
	_ = f.learn(page{AsOf: now, Items: []mark{{Session: "s1", At: now.Add(-25 * time.Hour)}}}, now, now)
	if len(f.marks) != 0 {
		t.Fatal("the mark is still there")
	}
	if got := f.judge(token(26*time.Hour, 48*time.Hour), now); got != unknown {
		t.Errorf("a token from before it: %d", got)
	}
	if got := f.judge(token(time.Hour, 48*time.Hour), now); got != holds {
		t.Errorf("a token from after it: %d", got)
	}
	// Now longer lives are known.
	later := now.Add(time.Hour)
	_ = f.learn(page{AsOf: later, Items: []mark{{Session: "s1", At: now.Add(-24 * time.Hour)}}}, later, later)
	if got := f.judge(token(25*time.Hour, 48*time.Hour), later); got != revoked {
		t.Errorf("a token of a long life: %d", got)
	}
}

func TestARevocationShowsAtOnce(t *testing.T) {
	s := newStub(t)
	v := s.verifier(defaultStaleness)
	token := s.token(nil, nil)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	s.revoke(mark{At: time.Now(), Person: "ada", Organization: "engines"})
	began := time.Now()
	eventually(t, func() bool { _, err := v.Verify(t.Context(), token); return errors.Is(err, ErrInvalidToken) })
	if took := time.Since(began); took > time.Second {
		t.Errorf("after %s", took)
	}
	if n := s.introspections.Load(); n != 0 {
		t.Errorf("asked about %d tokens", n)
	}
}

// Whatever happens to the feed, a revoked token is refused at most MaxStaleness later.
func TestAFeedThatFails(t *testing.T) {
	for what, fault := range map[string]func(s *stub) http.HandlerFunc{
		"cut":     func(*stub) http.HandlerFunc { return cut },
		"stalled": func(*stub) http.HandlerFunc { return stall },
		"refused": func(*stub) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
		},
		"junk": func(*stub) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }
		},
		"half": func(*stub) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte(`{"items": [`))
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}
		},
		"replayed": func(*stub) http.HandlerFunc {
			old := page{Items: []mark{}, Next: "0", AsOf: time.Now()}
			return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(old) }
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			v := s.verifier(leastStaleness)
			token := s.token(nil, nil)
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			s.breaks("/api/v1/auth/revocations", fault(s))
			s.mu.Lock()
			s.live = false
			s.mu.Unlock()
			began := time.Now()
			eventually(t, func() bool { _, err := v.Verify(t.Context(), token); return errors.Is(err, ErrInvalidToken) })
			if took := time.Since(began); took > leastStaleness+time.Second {
				t.Errorf("refused after %s", took)
			}
			s.mu.Lock()
			s.live = true
			s.mu.Unlock()
			if i, err := v.Verify(t.Context(), token); err != nil || i.Role != "owner" {
				t.Errorf("introspection: %+v %v", i, err)
			}
			for _, h := range []http.HandlerFunc{cut, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }} {
				s.breaks("/oauth/introspect", h)
				if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrUnavailable) {
					t.Errorf("without introspection: %v", err)
				}
			}
			s.breaks("/oauth/introspect", nil)
			s.breaks("/api/v1/auth/revocations", nil)
			if what != "half" { // which it gives up after 30 s
				eventually(t, v.Fresh)
			}
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnUnknownCursorBeginsAgain(t *testing.T) {
	s := newStub(t)
	v := s.verifier(leastStaleness)
	s.breaks("/api/v1/auth/revocations", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("after") {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		s.feed(w, r)
	})
	s.revoke(mark{At: time.Now(), Session: "s1"})
	token := s.token(nil, nil)
	eventually(t, func() bool { _, err := v.Verify(t.Context(), token); return errors.Is(err, ErrInvalidToken) })
	if !v.Fresh() {
		t.Error("it does not know what is new")
	}
}

func BenchmarkVerify(b *testing.B) {
	f := newFeed(nil, defaultStaleness, slog.New(slog.DiscardHandler), func() {})
	now := time.Now()
	p := page{AsOf: now}
	for i := range 100_000 {
		id := time.Duration(i).String()
		p.Items = append(p.Items, []mark{{Session: id, At: now}, {Person: id, Organization: id, At: now}, {Organization: id, At: now}}[i%3])
	}
	_ = f.learn(p, now, now)
	c := &claims{Session: "s1", Organization: "engines"}
	c.Subject, c.IssuedAt, c.ExpiresAt = "ada", jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(time.Hour))
	for b.Loop() {
		if f.judge(c, now) != holds {
			b.Fatal("it does not hold")
		}
	}
}
