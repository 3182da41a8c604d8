package main

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"guildhall/platform/platformtest"
)

// sweptAsOf runs the sweep as of some days ago, and returns how many events were
// deleted.
func (s *service) sweptAsOf(days time.Duration) int64 {
	s.t.Helper()
	s.later(-days * day)
	defer s.later(days * day)
	return s.swept()["audit events"]
}

// TestATrailWhoseBeginningIsForgotten exports an audit log whose first events were
// deleted by retention. The import continues it, and retention continues on the new
// server. The archive can be imported again, whichever events either side has deleted, as
// long as both can be compared.
func TestATrailWhoseBeginningIsForgotten(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		// Ada's organization has an event of 300, one of 200 and one of 100 days ago.
		source := start(t, platformtest.SQLiteURL(t), keepingEvents(90))
		source.later(-300 * day)
		ada := source.person("Ada")
		for i := range 2 {
			source.later(100 * day)
			ada = source.logInAgain(ada)
			ada.patch(ada.org(""), body("name", fmt.Sprint("name ", i))).is(200)
		}
		source.later(100 * day)
		whole := source.export(ada.organization)
		source.sweptAsOf(200)
		part := source.export(ada.organization)
		source.swept()
		none := source.export(ada.organization)

		again := func(s *service, status int, says string) {
			t.Helper()
			before := s.sizes()
			for _, archive := range []string{whole, part, none} {
				s.commandIs(status, says, "import", archive)
			}
			if after := s.sizes(); !maps.Equal(before, after) {
				t.Errorf("importing again changed %v to %v", before, after)
			}
		}
		into := func(s *service, archive string, events, forgotten int) {
			t.Helper()
			s.commandIs(0, "was imported", "import", archive)
			s.commandIs(0, fmt.Sprintf("%d events in 2 chains, %d deleted before them", events, forgotten), "audit", "verify")
			again(s, 0, "nothing was changed")
		}
		// The import is an event, and Ada's account has one.
		into(start(t, platformtest.SQLiteURL(t)), whole, 5, 0)
		next := start(t, platformtest.SQLiteURL(t))
		into(next, none, 2, 3)
		into(start(t, platformtest.SQLiteURL(t)), next.export(ada.organization), 3, 3)
		into(s, part, 4, 1)
		for _, s := range []*service{s, next} {
			if n := s.count(`SELECT COUNT(*) FROM audit_chains c JOIN audit_events e ON e.chain_id = c.id AND e.sequence = c.first_sequence
				WHERE c.id = ? AND c.oldest_at > '2000-01-01' AND c.oldest_at <= e.occurred_at`, ada.organization); n != 1 {
				t.Error("the chain has no age")
			}
		}

		for _, c := range []struct{ before, forgotten time.Duration }{{200, 0}, {105, 1}, {0, 1}} {
			if n := s.sweptAsOf(c.before); n != int64(c.forgotten) {
				t.Errorf("%d were deleted %d days ago", n, c.before)
			}
			again(s, 0, "nothing was changed")
		}
		s.later(91 * day)
		s.swept()
		again(s, 1, "can't be determined any more")
		s.operator("Oz").post(ada.org("/suspend"), because()).is(200)
		if v := s.verified(); v.Forgotten < 4 {
			t.Errorf("%+v", v)
		}
		if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
			t.Error(broken)
		}
	}, keepingEvents(90))
}
