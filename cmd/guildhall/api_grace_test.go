package main

import (
	"slices"
	"testing"
	"time"
)

// TestEveryGenerationWithinTheGrace checks that each generation that was superseded within
// the grace period gives the current one.
func TestEveryGenerationWithinTheGrace(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		generations := []string{ada.refresh}
		for range 5 {
			generations = append(generations, s.refresh(generations[len(generations)-1]).is(200).str("refresh_token"))
		}
		for i, old := range generations[:5] {
			if got := s.refresh(old).is(200).str("refresh_token"); got != generations[5] {
				t.Errorf("generation %d gives another successor", i+1)
			}
		}
		// The oldest ends the session after its own grace period.
		s.later(11 * time.Second)
		generations = append(generations, s.refresh(generations[5]).is(200).str("refresh_token"))
		if got := s.refresh(generations[5]).is(200).str("refresh_token"); got != generations[6] {
			t.Error("the parent gives another successor")
		}
		s.refresh(generations[4]).is(401, "refresh_token_reused")
		s.refresh(generations[6]).is(401, "invalid_refresh_token")
	})
}

// TestEachGenerationHasItsOwnGrace rotates every 4 seconds, and presents one generation
// shortly before and after the end of its grace period of 10 seconds.
func TestEachGenerationHasItsOwnGrace(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for generation := range 4 {
			tokens := []string{s.person("Ada").refresh}
			for second := 0; ; second++ {
				current := tokens[len(tokens)-1]
				if second%4 == 0 {
					tokens = append(tokens, s.refresh(current).is(200).str("refresh_token"))
					current = tokens[len(tokens)-1]
				}
				superseded := 4 * generation
				if second == superseded+8 { // the machine may be slow
					if got := s.refresh(tokens[generation]).is(200).str("refresh_token"); got != current {
						t.Errorf("generation %d gives another successor", generation+1)
					}
				}
				if second == superseded+11 {
					s.refresh(tokens[generation]).is(401, "refresh_token_reused")
					s.refresh(current).is(401, "invalid_refresh_token")
					break
				}
				s.later(time.Second)
			}
		}
	})
}

// TestTabsThatRefreshAtOnce simulates two tabs with one stored refresh token and five
// requests each, every one of which refreshes. A tab may store an older answer last.
func TestTabsThatRefreshAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		tabs := slices.Repeat([]string{s.person("Ada").refresh}, 2)
		for round := range 5 {
			var asks []func() answer
			for i := range 10 {
				asks = append(asks, func() answer { return s.refresh(tabs[i%2]) })
			}
			answers := concurrently(asks...)
			for _, a := range answers {
				a.is(200)
			}
			tabs = []string{answers[round].str("refresh_token"), s.refresh(answers[round+5].str("refresh_token")).is(200).str("refresh_token")}
		}
		s.refresh(tabs[0]).is(200)
		s.refresh(tabs[1]).is(200)
	})
}

// TestManyRotationsWithinTheGrace checks that a session stores a limited number of
// superseded generations, and none for longer than needed.
func TestManyRotationsWithinTheGrace(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		current, tokens := ada.refresh, []string{}
		for range 130 {
			tokens = append(tokens, current)
			current = s.refresh(current).is(200).str("refresh_token")
		}
		length := func() int { return s.count("SELECT length(superseded) FROM sessions") }
		if n := length(); n != 13*121 {
			t.Errorf("%d characters", n)
		}
		s.refresh(tokens[len(tokens)-72]).is(200) // 72 is what the limit allows within the default grace period
		s.later(11 * time.Second)
		current = s.refresh(current).is(200).str("refresh_token")
		if n := length(); n != 13 {
			t.Errorf("%d characters", n)
		}
		s.refresh(tokens[129]).is(401, "refresh_token_reused")
		s.refresh(current).is(401, "invalid_refresh_token")
	})
}

// TestGraceOfRowsThatThePreviousReleaseRotated checks sessions that a release without
// the list of superseded generations has rotated: their parents keep their grace, and no
// generation gets a longer one.
func TestGraceOfRowsThatThePreviousReleaseRotated(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		rotate := func(current string, release int) string {
			t.Helper()
			before := s.text("SELECT superseded FROM sessions WHERE revoked_at IS NULL")
			next := s.refresh(current).is(200).str("refresh_token")
			if release < 2 {
				s.exec("UPDATE sessions SET superseded = ? WHERE revoked_at IS NULL", before)
			}
			return next
		}
		for _, c := range []struct {
			releases string // that rotated, a second apart
			after    time.Duration
			alive    string // the generations that give the successor, one or zero for each, the oldest first
		}{
			{"1", 8 * time.Second, "1"},
			{"1", 10 * time.Second, "0"},
			{"11", 8 * time.Second, "01"},
			{"12", 8 * time.Second, "01"},   // the first generation's time is unknown
			{"21", 8 * time.Second, "01"},   // the entry is the first generation's, but counts as the second's
			{"212", 7 * time.Second, "011"}, // the second generation has the first one's time
			{"212", 9 * time.Second, "001"},
		} {
			for i := range c.alive {
				tokens := []string{s.person("Ada").refresh}
				for _, release := range c.releases {
					tokens = append(tokens, rotate(tokens[len(tokens)-1], int(release-'0')))
					s.later(time.Second)
				}
				s.later(c.after - time.Second)
				want := 401
				if c.alive[i] == '1' {
					want = 200
				}
				if a := s.refresh(tokens[i]); a.status != want {
					t.Errorf("rotated by %s, generation %d after %s: %d, want %d", c.releases, i+1, c.after, a.status, want)
				}
				s.exec("UPDATE sessions SET revoked_at = ?, revoked_reason = 'x' WHERE revoked_at IS NULL", s.kernel.Now())
			}
		}
	})
}

// text returns the one text that a query selects.
func (s *service) text(query string, args ...any) (text string) {
	s.t.Helper()
	if err := s.kernel.DB.Row(everything, query, args...).Scan(&text); err != nil {
		s.t.Fatal(err)
	}
	return text
}
