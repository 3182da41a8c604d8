package guildhall

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	longestWait = 15 * time.Second // that Guildhall holds a request
	// slack is how much longer than it asked to wait a Verifier waits for an answer. A second
	// is left to connect again before its knowledge is stale.
	slack       = time.Second
	bodyTimeout = 30 * time.Second
	shortPause  = 100 * time.Millisecond
	longPause   = time.Second
	// keepMarks is how long a mark is kept at least: longer than tokens of APIs live.
	keepMarks  = 24 * time.Hour
	sweepEvery = 10 * time.Minute
)

// verdict is what the feed says about a token.
type verdict int

const (
	unknown verdict = iota // ask Guildhall
	holds
	revoked
)

// subject is what a mark revokes. Empty ids match all.
type subject struct{ session, person, organization string }

// mark revokes the tokens of a subject that were issued until then.
type mark struct {
	At           time.Time `json:"at"`
	Session      string    `json:"session_id"`
	Person       string    `json:"user_id"`
	Organization string    `json:"organization_id"`
}

// page is an answer of the feed.
type page struct {
	Items []mark    `json:"items"`
	Next  string    `json:"next"`
	AsOf  time.Time `json:"as_of"`
}

// moment is a time on this machine's clock, and on Guildhall's.
type moment struct{ here, there time.Time }

// feed knows what was revoked, and since when it knows nothing new.
type feed struct {
	api       *api
	log       *slog.Logger
	staleness time.Duration
	wait      time.Duration
	everybody func() // told when every token is revoked

	// Of the goroutine that follows.
	cursor  string
	asOf    time.Time
	clock   moment
	swept   time.Time
	failing bool

	mu         sync.RWMutex
	marks      map[subject]int64 // the second until which tokens are revoked
	kinds      [8]bool           // which ids marks have: few of the combinations exist
	freshUntil time.Time
	longest    time.Duration // of the lives of tokens seen
	forgotten  int64         // marks until this second may be forgotten
}

func newFeed(a *api, staleness time.Duration, log *slog.Logger, everybody func()) *feed {
	wait := min(max((staleness-2*time.Second).Truncate(time.Second), time.Second), longestWait)
	return &feed{api: a, log: log, everybody: everybody, staleness: staleness, wait: wait, marks: map[subject]int64{}, longest: keepMarks}
}

// follow reads the feed until ctx ends.
func (f *feed) follow(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		began, waits := time.Now(), f.cursor != ""
		p, err := f.read(ctx)
		if err == nil {
			err = f.learn(p, began, time.Now())
		}
		f.report(ctx, err)
		var pause time.Duration
		var refused *statusError
		switch {
		case errors.As(err, &refused):
			pause = longPause
		case err != nil:
			pause = min(shortPause<<min(failures, 10), longPause)
			failures++
		case waits && len(p.Items) == 0 && time.Since(began) < shortPause:
			pause = longPause // Guildhall did not wait: it shuts down
		default:
			failures = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// read asks for what is new.
func (f *feed) read(ctx context.Context) (p page, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	query := url.Values{"wait": {strconv.Itoa(int(f.wait / time.Second))}}
	timeout := f.wait + slack
	if f.cursor == "" {
		// The key of an organization would get only a part of the marks.
		if _, err := f.api.introspect(ctx, "-"); !errors.Is(err, ErrInvalidToken) {
			return p, errors.New("guildhall can't be reached, or the key is none of this API's account")
		}
		query.Del("wait") // everything, at once
		timeout = bodyTimeout
	} else {
		query.Set("after", f.cursor)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.api.base+"/api/v1/auth/revocations?"+query.Encode(), nil)
	if err != nil {
		return p, err
	}
	r.Header.Set("Authorization", "Bearer "+f.api.key)
	// A connection that stalls is given up early; a long answer may take longer.
	timer := time.AfterFunc(timeout, cancel)
	defer timer.Stop()
	err = f.api.call(r, &p, func() { timer.Reset(bodyTimeout) })
	var refused *statusError
	if errors.As(err, &refused) && (refused.status == http.StatusBadRequest || refused.status == http.StatusGone || refused.status == http.StatusUnprocessableEntity) {
		f.cursor = "" // it is unknown, after a restore for example: begin again
	}
	return p, err
}

var errReplayed = errors.New("the feed's answer is an old one")

// learn takes an answer. Marks are true however old it is, but only an answer that is newer
// than the last one shows that nothing else was revoked meanwhile.
func (f *feed) learn(p page, began, arrived time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range p.Items {
		s := subject{m.Session, m.Person, m.Organization}
		f.kinds[s.kind()] = true
		if at := m.At.Unix(); at > f.marks[s] {
			f.marks[s] = at
			if s == (subject{}) {
				f.everybody()
			}
		}
	}
	newer := p.AsOf.After(f.asOf)
	if p.AsOf.Before(f.asOf) || !newer && p.Next == f.cursor {
		return errReplayed
	}
	f.cursor = p.Next
	if !newer {
		return nil // there was something new before Guildhall looked again
	}
	f.freshUntil = f.here(p.AsOf, began, arrived).Add(f.staleness)
	f.asOf = p.AsOf
	f.sweep()
	return nil
}

// here returns when an answer was true, on this machine's clock: between the question and the
// answer's arrival, and as long after former answers as Guildhall's clock says. So an answer
// that was under way for long is as old as it is, and the two clocks need not agree. Guildhall
// may have looked into its database before the question, by REVOCATION_POLL_MS at most.
func (f *feed) here(asOf, began, arrived time.Time) time.Time {
	then := f.clock.here.Add(asOf.Sub(f.clock.there))
	switch {
	case f.clock.there.IsZero(), then.Before(began):
		then = began
	case then.After(arrived):
		then = arrived
	default:
		return then
	}
	f.clock = moment{then, asOf}
	return then
}

// sweep forgets marks that no token outlives.
func (f *feed) sweep() {
	if f.asOf.Sub(f.swept) < sweepEvery {
		return
	}
	f.swept = f.asOf
	before := f.asOf.Add(-f.longest - time.Minute).Unix()
	for s, at := range f.marks {
		if at <= before {
			delete(f.marks, s)
			f.forgotten = max(f.forgotten, at)
		}
	}
}

// kind says which ids a mark has.
func (s subject) kind() (k int) {
	if s.session != "" {
		k |= 1
	}
	if s.person != "" {
		k |= 2
	}
	if s.organization != "" {
		k |= 4
	}
	return k
}

// judge says whether a token is revoked. A mark refuses even if it is old news.
func (f *feed) judge(c *claims, now time.Time) verdict {
	issued, life := c.IssuedAt.Unix(), c.ExpiresAt.Sub(c.IssuedAt.Time)
	f.mu.RLock()
	longer := life > f.longest
	result := unknown
	switch {
	case f.marked(c, issued):
		result = revoked
	case now.Before(f.freshUntil) && issued > f.forgotten:
		result = holds
	}
	f.mu.RUnlock()
	if longer {
		f.mu.Lock()
		f.longest = max(f.longest, life)
		f.mu.Unlock()
	}
	return result
}

// marked reports whether a mark with any of a token's ids is as new as the token.
func (f *feed) marked(c *claims, issued int64) bool {
	for kind, exists := range f.kinds {
		if !exists {
			continue
		}
		var s subject
		if kind&1 != 0 {
			s.session = c.Session
		}
		if kind&2 != 0 {
			s.person = c.Subject
		}
		if kind&4 != 0 {
			s.organization = c.Organization
		}
		if at, found := f.marks[s]; found && issued <= at {
			return true
		}
	}
	return false
}

func (f *feed) fresh(now time.Time) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return now.Before(f.freshUntil)
}

// report logs when the feed begins to fail, and when it works again.
func (f *feed) report(ctx context.Context, err error) {
	if ctx.Err() != nil || (err != nil) == f.failing {
		return
	}
	f.failing = err != nil
	if f.failing {
		f.log.Warn("guildhall: the revocation feed fails", "error", err)
	} else {
		f.log.Info("guildhall: the revocation feed works again")
	}
}
