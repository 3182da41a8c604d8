package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/config"
	"guildhall/platform/platformtest"
	"guildhall/platform/revocation"
)

// revocations reads an organization's feed with the actor's credential.
func (a *actor) revocations(query string) answer {
	a.s.t.Helper()
	return a.get("/auth/revocations" + query)
}

// waits is a request for revocations that is held.
type waiting struct {
	answer chan answer
	began  time.Time
}

func (a *actor) awaits(next string, seconds int) *waiting {
	w := &waiting{make(chan answer, 1), time.Now()}
	before := a.s.kernel.Feed.Stats().Waiting
	go func() { w.answer <- a.revocations(fmt.Sprint("?after=", next, "&wait=", seconds)) }()
	for a.s.kernel.Feed.Stats().Waiting == before && len(w.answer) == 0 && time.Since(w.began) < 5*time.Second {
		time.Sleep(time.Millisecond)
	}
	return w
}

// answered returns the answer, which must come at once.
func (w *waiting) answered(t testing.TB) answer {
	t.Helper()
	select {
	case a := <-w.answer:
		return a
	case <-time.After(5 * time.Second):
		t.Fatal("the request is still held")
		return answer{}
	}
}

func TestRevocationsAreRead(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, true)
		key := ada.byKey(ada.makesKey())
		first := key.revocations("").is(200)
		if f := first.feed(); len(f.Items) != 0 || f.AsOf.After(s.kernel.Now()) || s.kernel.Now().Sub(f.AsOf) > time.Minute || !strings.Contains(string(first.body), `"items":[]`) {
			t.Errorf("%s", first.body)
		}
		if got := first.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control: %s", got)
		}
		// 119: nothing may answer for the gate from a cache.
		for _, path := range []string{"/auth/me", ada.org(""), ada.org("/permissions/me")} {
			if got := ada.get(path).is(200).header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s: Cache-Control: %s", path, got)
			}
		}
		next := first.feed().Next
		if f := key.revocations("?after=" + next + "&wait=0").is(200).feed(); len(f.Items) != 0 {
			t.Errorf("%+v", f)
		}
		held := key.awaits(next, 15)
		before := s.kernel.Now()
		ada.delete(ada.org("/admins/" + grace.id)).is(204)
		told := held.answered(t).is(200).feed()
		if len(told.Items) != 1 || told.Items[0].UserID != grace.id || told.Items[0].OrganizationID != ada.organization || told.Items[0].SessionID != "" ||
			told.Items[0].At.Before(before) || told.Items[0].At.Sub(before) > 2*time.Second || told.Items[0].At.Nanosecond() != 0 {
			t.Errorf("%+v", told)
		}
		// The same again is not news, and a program that begins gets all of it.
		if f := key.revocations("?after=" + told.Next).is(200).feed(); len(f.Items) != 0 {
			t.Errorf("%+v", f)
		}
		if f := key.revocations("").is(200).feed(); len(f.Items) != 1 {
			t.Errorf("%+v", f)
		}
		// Nothing happens: the answer says that it is complete until now.
		began := time.Now()
		f := key.revocations("?after=" + told.Next + "&wait=1").is(200).feed()
		if took := time.Since(began); len(f.Items) != 0 || took < time.Second || s.kernel.Now().Sub(f.AsOf) > took {
			t.Errorf("%+v after %s", f, took)
		}
		if n := s.kernel.Feed.Stats().Waiting; n != 0 {
			t.Errorf("%d wait", n)
		}
		// A cursor is read long afterwards, and by the clock of a replica that is behind.
		s.later(20 * time.Minute)
		ada = s.logInAgain(ada)
		ada.post(ada.org("/members/"+grace.id+"/suspend"), because()).is(200)
		for _, skew := range []time.Duration{0, -25 * time.Minute} {
			s.later(skew)
			if f := key.revocations("?after=" + f.Next).is(200).feed(); len(f.Items) == 0 || f.Items[len(f.Items)-1].At.Before(s.kernel.Now().Add(-skew)) {
				t.Errorf("%s: %+v", skew, f)
			}
			s.later(-skew)
		}

		for _, bad := range []string{"after=x", "after=" + nowhere, "after=" + base64.RawURLEncoding.EncodeToString(make([]byte, 17)), "after=", "after=" + next + "%0A", "wait=16", "wait=-1", "wait=%2B1", "wait=1.5", "wait=x", "since=1"} {
			key.revocations("?"+bad).is(422, "validation_failed")
		}
		s.do("GET", "/api/v1/auth/revocations", "", nil).is(401, "authentication_required")
		ada.revocations("").is(403, "api_key_required")
		key.get("/auth/revocations", "X-Organization-ID", grace.organization).is(404, "organization_not_found")
		member := s.person("Member").joins(ada, false).of(ada)
		member.byKey(member.makesKey()).revocations("").is(403, "insufficient_role")
		ada.byKey(ada.makesKey("scopes", []string{"manage"})).revocations("").is(403, "insufficient_scope")
		ada.post(ada.org("/suspend"), because()).is(200)
		key.revocations("").is(403, "organization_suspended")
	})
}

// TestRevocationsOfOthers: an organization learns nothing about others, and of its members
// what concerns their tokens for it.
func TestRevocationsOfOthers(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve, root := s.person("Ada"), s.person("Eve"), s.operator("Root")
		grace, foreign := s.person("Grace"), s.person("Foreign").joins(eve, true)
		here, there := grace.joins(ada, true), grace.joins(eve, true)
		key := ada.byKey(ada.makesKey())
		next := key.revocations("").is(200).feed().Next
		held := key.awaits(next, 2)
		// What others do.
		s.logInAgain(foreign).post("/auth/logout", nil).is(204)
		eve.delete(eve.org("/admins/" + there.id)).is(204)
		eve.post(eve.org("/members/"+foreign.id+"/suspend"), because()).is(200)
		root.post("/users/"+foreign.id+"/suspend", body("reason", "because", "scope", "account")).is(200)
		eve.delete(eve.org("/members/" + grace.id)).is(204)
		eve.post(eve.org("/suspend"), because()).is(200)
		s.person("Alone").post("/auth/logout", nil).is(204)
		if a := held.answered(t).is(200); time.Since(held.began) < 2*time.Second || len(a.feed().Items) != 0 {
			t.Errorf("after %s: %s", time.Since(held.began), a.body)
		}
		if a := key.revocations("").is(200); len(a.feed().Items) != 0 {
			t.Errorf("%s", a.body)
		}
		// What members do.
		_, c := claims(t, here.access)
		held = key.awaits(next, 15)
		here.post("/auth/logout", nil).is(204)
		items := held.answered(t).is(200).feed().Items
		key.revocations("").is(200)
		found := false
		for _, m := range items {
			found = found || m.SessionID == c["sid"]
			if m.OrganizationID != ada.organization || m.UserID != "" {
				t.Errorf("%+v", m)
			}
		}
		if !found {
			t.Errorf("%+v", items)
		}
		root.post("/users/"+grace.id+"/suspend", body("reason", "because", "scope", "account")).is(200)
		items = key.revocations("").is(200).feed().Items
		if last := items[len(items)-1]; last.UserID != grace.id || last.OrganizationID != ada.organization {
			t.Errorf("%+v", items)
		}
		// What is about everybody's tokens.
		if _, err := s.kernel.Keyset.Rotate(everything, "", true); err != nil {
			t.Fatal(err)
		}
		items = key.revocations("").is(200).feed().Items
		if last := items[len(items)-1]; last.UserID+last.OrganizationID+last.SessionID != "" {
			t.Errorf("%+v", items)
		}
	})
}

// TestAnAPIReadsAllRevocations: those of every organization, and of a session only one.
func TestAnAPIReadsAllRevocations(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		v := s.verifierOf("api")
		ada, eve := s.person("Ada"), s.person("Eve")
		grace, bob := s.person("Grace").joins(ada, false), s.person("Bob").joins(eve, true)
		v.read()
		held := v.key.awaits(v.next, 15)
		grace.post("/auth/logout", nil).is(204)
		_, c := claims(t, grace.access)
		ended := map[any]bool{}
		for _, m := range held.answered(t).is(200).feed().Items {
			ended[m.SessionID] = true
			if m.UserID+m.OrganizationID != "" {
				t.Errorf("%+v", m)
			}
		}
		if !ended[c["sid"]] || len(ended) != 2 { // her log-in and its branch
			t.Errorf("%v", ended)
		}
		eve.delete(eve.org("/admins/" + bob.id)).is(204)
		v.read()
		if last := v.marks[len(v.marks)-1]; last.UserID != bob.id || last.OrganizationID != eve.organization {
			t.Errorf("%+v", v.marks)
		}
		// Its key is none of an organization's, and stops at once.
		v.key.get("/auth/revocations", "X-Organization-ID", eve.organization).is(200)
		v.key.get(eve.org("")).is(403, "key_not_allowed")
	})
}

// TestRevocationsOfTwoReplicas: either replica tells what the other one has committed, and a
// cursor of one means the same to the other, in whichever order transactions committed.
func TestRevocationsOfTwoReplicas(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		one := start(t, databaseURL)
		two := start(t, databaseURL)
		ada := one.person("Ada")
		elsewhere := *ada.byKey(ada.makesKey())
		elsewhere.s = two
		remove := func() string {
			grace := one.person("Grace").joins(ada, false)
			ada.delete(ada.org("/members/" + grace.id)).is(204)
			return grace.id
		}
		next := elsewhere.revocations("").is(200).feed().Next
		for range 3 {
			held := elsewhere.awaits(next, 15)
			id := remove()
			f := held.answered(t).is(200).feed()
			if len(f.Items) == 0 || f.Items[len(f.Items)-1].UserID != id {
				t.Errorf("%+v", f)
			}
			// The other replica knows as much, and is not asked again and again.
			key := elsewhere
			key.s = one
			held = key.awaits(f.Next, 1)
			if a := held.answered(t).is(200).feed(); len(a.Items) != 0 || time.Since(held.began) < time.Second {
				t.Errorf("after %s: %+v", time.Since(held.began), a)
			}
			next = f.Next
		}
		// A transaction that takes long commits marks of an earlier time.
		held := elsewhere.awaits(next, 15)
		late := uuid.Must(uuid.NewV7())
		one.exec("INSERT INTO revocations (id, at, user_id, organization_id) VALUES (?, ?, ?, ?)", late, one.kernel.Now().Add(-25*time.Second), late, ada.organization)
		f := held.answered(t).is(200).feed()
		if n := len(f.Items); n == 0 || !strings.Contains(fmt.Sprint(f.Items), late.String()) {
			t.Errorf("%+v", f)
		}
		// A reader of a replica that lags is told nothing twice.
		id := remove()
		key := elsewhere
		key.s = one
		f = key.revocations("?after=" + f.Next).is(200).feed()
		if !strings.Contains(fmt.Sprint(f.Items), id) {
			t.Errorf("%+v", f)
		}
		if a := elsewhere.revocations("?after=" + f.Next).is(200).feed(); len(a.Items) != 0 {
			t.Errorf("%+v", a)
		}
	})
}

// TestWaitingReaders: they are limited, use no connection, and end at once when the service
// shuts down.
func TestWaitingReaders(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, eve := s.person("Ada"), s.person("Eve")
		key, other := ada.byKey(ada.makesKey()), eve.byKey(eve.makesKey())
		next := key.revocations("").is(200).feed().Next
		var held []*waiting
		for range 20 {
			held = append(held, key.awaits(next, 15))
		}
		a := key.revocations("?wait=1&after="+next).is(429, "too_many_own_readers")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		key.revocations("?after=" + next).is(200) // without waiting
		held = append(held, other.awaits(other.revocations("").is(200).feed().Next, 15))
		ada.get("/auth/me").is(200) // of two connections
		if s := s.kernel.Feed.Stats(); s.Waiting != 21 || s.Refused != 1 || s.Failures != 0 {
			t.Errorf("%+v", s)
		}
		ctx, cancel := context.WithCancel(context.Background())
		gone := &service{t: s.t, kernel: s.kernel, app: s.app, ctx: ctx, address: s.address}
		left := *other
		left.s = gone
		leaves := left.awaits(other.revocations("").is(200).feed().Next, 15)
		cancel()
		leaves.answered(t).is(503, "timeout")

		full, err := s.kernel.Feed.Read(everything, uuid.NullUUID{}, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		var many sync.WaitGroup
		for range 1000 - 21 {
			many.Go(func() { _, _ = s.kernel.Feed.Read(everything, uuid.NullUUID{}, &full.Next, 15*time.Second) })
		}
		for s.kernel.Feed.Stats().Waiting < 1000 {
			time.Sleep(time.Millisecond)
		}
		other.revocations("?wait=1&after="+next).is(503, "too_many_readers")
		began := time.Now()
		s.kernel.Feed.Close()
		s.kernel.Feed.Close()
		many.Wait()
		for _, w := range held {
			if f := w.answered(t).is(200).feed(); len(f.Items) != 0 || f.Next == "" {
				t.Errorf("%+v", f)
			}
		}
		key.revocations("?wait=15&after=" + next).is(200)
		if took := time.Since(began); took > 2*time.Second || s.kernel.Feed.Stats().Waiting != 0 {
			t.Errorf("%s, %+v", took, s.kernel.Feed.Stats())
		}
	}, func(c *config.Config) { c.DatabaseMaxConnections = 2 })
}

// TestTheFeedSaysHowFarItLagsBehind: while its looks into the database fail, and readers want
// them to.
func TestTheFeedSaysHowFarItLagsBehind(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.asOwner()
		ada := s.person("Ada")
		key := ada.byKey(ada.makesKey())
		lags := func(when string, least, most time.Duration) {
			t.Helper()
			if lag := s.kernel.Feed.Stats().Lag; lag < least || lag > most {
				t.Errorf("%s, it lags by %s, want %s to %s", when, lag, least, most)
			}
		}
		lags("before the first reader", 0, 0)
		next := key.revocations("").is(200).feed().Next
		s.later(time.Hour)
		lags("without a reader", 0, 0)
		s.exec("ALTER TABLE revocations RENAME TO lost")
		if _, err := s.kernel.Feed.Read(everything, uuid.NullUUID{}, nil, 0); err == nil {
			t.Error("no failure")
		}
		s.later(30 * time.Second)
		lags("after a failure", time.Hour+30*time.Second, time.Hour+time.Minute)
		s.later(time.Minute)
		lags("when the reader has gone", 0, 0)
		if n := s.kernel.Feed.Stats().Failures; n != 1 {
			t.Errorf("%d failures", n)
		}
		s.exec("ALTER TABLE lost RENAME TO revocations")
		held := key.awaits(next, 15)
		lags("with a reader", 0, 5*time.Second)
		s.exec("ALTER TABLE revocations RENAME TO lost")
		s.later(time.Hour)
		lags("while a reader waits", time.Hour, time.Hour+time.Minute)
		s.kernel.Feed.Close()
		held.answered(t).is(200)
	})
}

// TestAShutdownEndsWaiting: nobody has to wait for the readers.
func TestAShutdownEndsWaiting(t *testing.T) {
	t.Parallel()
	p := serveProcess(t, t.TempDir(), "PORT=0")
	ada := p.do("POST", "/api/v1/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada")).is(201)
	key := p.do("POST", "/api/v1/organizations/"+ada.str("organization_id")+"/api-keys", ada.str("access_token"), body("name", "CI")).is(201).str("key")
	next := p.do("GET", "/api/v1/auth/revocations", key, nil).is(200).feed().Next
	answered := make(chan answer, 1)
	go func() { answered <- p.do("GET", "/api/v1/auth/revocations?wait=15&after="+next, key, nil) }()
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	p.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it stopped after %s", took)
	}
	if f := (<-answered).is(200).feed(); len(f.Items) != 0 || f.Next == "" {
		t.Errorf("%+v", f)
	}
}

// TestOldRevocationsAreForgotten: once no token can be left that they are about.
func TestOldRevocationsAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		key := ada.byKey(ada.makesKey())
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		key.revocations("").is(200)
		for _, c := range []struct {
			later time.Duration
			marks int
		}{{2 * time.Hour, 1}, {50 * time.Second, 1}, {20 * time.Second, 0}} {
			s.later(c.later)
			if _, err := s.app.Sweep(everything); err != nil {
				t.Fatal(err)
			}
			stored, read := s.count("SELECT COUNT(*) FROM revocations"), len(key.revocations("").is(200).feed().Items)
			if stored != c.marks || read != c.marks {
				t.Errorf("%s later: %d are stored, %d are read", c.later, stored, read)
			}
		}
	}, func(c *config.Config) { c.AccessTokenTTL = 2 * time.Hour })
}

// TestMarksOfSlowCommits: a token that was issued while the transaction committed does not
// outlive it.
func TestMarksOfSlowCommits(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		var once sync.Once
		s.kernel.DB.BeforeCommit(func(context.Context) error {
			once.Do(func() { s.later(5 * time.Second) }) // as if the commit took that long
			return nil
		})
		id := uuid.Must(uuid.NewV7())
		if err := s.kernel.Trail.Revocations().Add(everything, revocation.OfPerson(id)); err != nil {
			t.Fatal(err)
		}
		a, err := s.kernel.Feed.Read(everything, uuid.NullUUID{}, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		issued := s.kernel.Now()
		if len(a.Marks) != 2 || a.Marks[1].Until().Before(issued.Truncate(time.Second)) || a.Marks[1].UserID.UUID != id {
			t.Errorf("at %s: %+v", issued, a.Marks)
		}
	})
}

// TestTokensOfSlowRequests: a token whose rights were read long before it is signed is not later
// than a removal meanwhile.
func TestTokensOfSlowRequests(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		var slow atomic.Bool
		s.kernel.DB.BeforeCommit(func(context.Context) error {
			if slow.Swap(false) { // of the refresh, which has read her rights
				s.later(5 * time.Second)
			}
			return nil
		})
		began := s.kernel.Now()
		slow.Store(true)
		a := s.refresh(grace.refresh).is(200)
		_, c := claims(t, a.str("access_token"))
		if issued := time.Unix(int64(c["iat"].(float64)), 0); slow.Load() || issued.After(began) {
			t.Errorf("a request of %s has a token of %s", began, issued)
		}
	}, func(c *config.Config) { c.RefreshRotation = false })
}

// TestTooManyMarks: beyond what a process keeps, a mark about everybody stands for the oldest.
func TestTooManyMarks(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		const most = 100_000
		var first, last time.Time
		ids := make([]any, 0, 3*500)
		for i := range most/500 + 1 {
			at := s.kernel.Now().Add(time.Duration(i)*time.Millisecond - 20*time.Minute)
			if i == 0 {
				first = at
			}
			last = at
			ids = ids[:0]
			for range 500 {
				id := uuid.Must(uuid.NewV7())
				ids = append(ids, id, at, id)
			}
			s.exec("INSERT INTO revocations (id, at, user_id) VALUES "+strings.Repeat("(?, ?, ?), ", 499)+"(?, ?, ?)", ids...)
		}
		a, err := s.kernel.Feed.Read(everything, uuid.NullUUID{}, nil, 0)
		if err != nil || len(a.Marks) != most+1 || a.Marks[0].UserID.Valid || a.Marks[0].At.Before(first) || !a.Marks[most].At.Equal(last) {
			t.Fatalf("%v: %d marks", err, len(a.Marks))
		}
		// And it goes on, one by one.
		grace := s.person("Grace")
		grace.post("/auth/logout", nil).is(204)
		b, err := s.kernel.Feed.Read(everything, uuid.NullUUID{}, &a.Next, 0)
		if err != nil || len(b.Marks) != 1 || !b.Marks[0].SessionID.Valid {
			t.Errorf("%v: %+v", err, b)
		}
		if c, err := s.kernel.Feed.Read(everything, uuid.NullUUID{}, nil, 0); err != nil || len(c.Marks) > most+1 || !c.Marks[0].At.After(a.Marks[0].At) {
			t.Errorf("%v: %d marks", err, len(c.Marks))
		}
	})
}
