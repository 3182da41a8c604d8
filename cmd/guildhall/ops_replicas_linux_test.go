package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/databaseurl"
	"guildhall/platform/platformtest"
)

// replicated is a primary with a standby, and two processes that read from both.
type replicated struct {
	t                *testing.T
	primary, standby *platformtest.Server
	processes        [2]*process
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	r := &replicated{t: t, primary: platformtest.NewServer(t, "", "max_wal_senders=4")}
	r.standby = r.primary.Standby()
	for i := range r.processes {
		r.processes[i] = serveProcess(t, t.TempDir(), inProduction(r.primary.URL("postgres"), append(crashEnvironment,
			fmt.Sprintf("DATABASE_REPLICA_URLS=[%q]", r.standby.URL("postgres")))...)...)
	}
	return r
}

func (r *replicated) do(method, path, token string, b map[string]any) answer {
	r.t.Helper()
	return r.processes[0].do(method, "/api/v1"+path, token, b)
}

// eventually waits until a condition holds.
func (r *replicated) eventually(what string, so func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s\n%s", what, r.processes[1].out)
		}
	}
}

func (r *replicated) replay(does string) {
	r.t.Helper()
	r.standby.Exec("postgres", "SELECT pg_wal_replay_"+does+"()")
}

func TestTrustStandby(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	ada, grace := r.processes[0].client("ada@example.com"), r.processes[0].client("grace@example.com")
	id := r.do("POST", "/organizations", ada.access, body("name", "0")).is(201).str("id")
	r.do("POST", "/organizations/"+id+"/members", ada.access, body("user_id", grace.id)).is(201)
	organization := "/organizations/" + id
	// Ada's name, as a member of the list sees it.
	name := func(c client) string {
		t.Helper()
		list := r.processes[1].do("GET", "/api/v1"+organization+"/members", c.access, nil).is(200).list()
		return list[0]["name"].(string)
	}
	rename := func(to string) {
		t.Helper()
		r.do("PATCH", "/users/"+ada.id+"/profile", ada.access, body("name", to)).is(200)
	}

	// Another client's change may lag, and appears later.
	tries, seen := 0, ""
	r.eventually("nothing is read from the standby", func() bool {
		tries++
		before := name(ada)
		r.replay("pause")
		rename(fmt.Sprint(tries))
		if seen = name(grace); seen == before {
			return true
		}
		r.replay("resume")
		time.Sleep(200 * time.Millisecond)
		return false
	})
	// A client reads its own writes through another process, however far the standby is
	// behind; new sessions and accounts are visible at once.
	wrong, logIns := 0, 1
	for i := range size(20, 500) {
		want := fmt.Sprint("n", i)
		rename(want)
		if got := name(ada); got != want {
			wrong++
			t.Errorf("Ada wrote %s and reads %s", want, got)
		}
		if i%10 == 0 {
			joan := r.processes[0].client(fmt.Sprintf("joan%d@example.com", i))
			r.processes[1].do("GET", "/api/v1/users/"+joan.id, joan.access, nil).is(200)
			logIns++
			again := r.do("POST", "/auth/token", "", body("username", "ada@example.com", "password", password)).is(200).str("access_token")
			a := r.processes[1].do("GET", "/api/v1/users/"+ada.id+"/audit-events?action=session.started", again, nil).is(200)
			if len(a.list()) != logIns {
				wrong++
				t.Errorf("Ada sees %d of her %d log-ins", len(a.list()), logIns)
			}
			r.do("POST", organization+"/members", ada.access, body("user_id", joan.id)).is(201)
			// Joan did not write the change, but the gate applies it to her at once.
			r.processes[1].do("GET", "/api/v1"+organization, joan.access, nil).is(200)
			r.do("DELETE", organization+"/members/"+joan.id, ada.access, nil).is(204)
			r.processes[1].do("GET", "/api/v1"+organization, joan.access, nil).is(404, "organization_not_found")
		}
	}
	recordResult(t, "a session reads what it wrote, beside a standby that stands still", "postgres", size(20, 500), wrong, 0, "through another process")
	began := time.Now()
	r.eventually("what another session wrote does not come", func() bool { return name(grace) != seen })
	t.Logf("a standby that stands still was left out after %s more", time.Since(began))
	said := func(text string) int { return strings.Count(r.processes[1].out.String(), text) }
	const isUsed = "a standby is used for reads"
	r.eventually("that it lags is not said", func() bool { return said("it lags more than 5s behind") > 0 })
	before := said(isUsed)
	r.replay("resume")
	r.eventually("the standby is not used again", func() bool { return said(isUsed) > before })

	r.guarded()

	// The standby dies, restarts, hangs, and is promoted; no request fails.
	counts := r.underLoad(ada, grace, organization, func() {
		before := said(isUsed)
		r.standby.Kill()
		r.eventually("that it died is not noticed", func() bool { return said("a standby is excluded from reads") > 1 })
		r.standby.Start()
		r.eventually("the standby is not used again", func() bool { return said(isUsed) > before })
		if trustLong() {
			r.standby.Hang()
			r.eventually("that it hangs is not noticed", func() bool { return said("a standby is excluded from reads") > 2 })
			r.standby.Kill()
			r.standby.Start()
			r.eventually("the standby is not used again", func() bool { return said(isUsed) > before+1 })
		}
		r.standby.Promote()
		r.eventually("the promoted one is not noticed", func() bool { return said("the server is not a standby") > 0 })
	})
	if counts.refused.Load() > 0 {
		t.Errorf("%d requests were refused", counts.refused.Load())
	}
	counts.report(t, "a standby is killed, starts, hangs, is promoted", "postgres", "the primary answers instead")
}

// guarded starts a service on the same servers as a role that row-level security binds,
// on the standby as well.
func (r *replicated) guarded() {
	t := r.t
	t.Helper()
	r.primary.Exec("postgres", "CREATE DATABASE guarded")
	s := start(t, r.primary.URL("guarded"), func(c *config.Config) {
		underRowSecurity(t, c)
		replica := strings.Replace(c.DatabaseURL.Reveal(), r.primary.Address(), r.standby.Address(), 1)
		c.DatabaseReplicaURLs = []databaseurl.URL{databaseurl.Must(replica)}
	})
	ada, eve := s.person("Ada"), s.person("Eve")
	grace := s.person("Grace").joins(ada, false)
	tries := 0
	r.eventually("nothing is read from the standby under row-level security", func() bool {
		tries++
		before := ada.get(ada.org("/members")).is(200).list()[0]["name"]
		r.replay("pause")
		defer r.replay("resume")
		ada.patch("/users/"+ada.id+"/profile", body("name", fmt.Sprint(tries))).is(200)
		members := grace.get(ada.org("/members")).is(200).list()
		if len(members) != 2 {
			t.Fatalf("a member sees %d members", len(members))
		}
		seen := members[0]["name"]
		eve.get(ada.org("/members")).is(404, "organization_not_found")
		return seen == before
	})
}

// underLoad reads and writes at both processes while something happens to the standby. A
// client that wrote must read its own write.
func (r *replicated) underLoad(writer, reader client, organization string, during func()) *tally {
	var counts tally
	var stop atomic.Bool
	var busy sync.WaitGroup
	for i := range size(3, 6) {
		busy.Go(func() {
			for n := 0; !stop.Load(); n++ {
				p, another := r.processes[n%2], r.processes[(n+1)%2]
				if i > 0 {
					counts.note(p.try("GET", "/api/v1"+organization+"/members", reader.access, nil))
					counts.note(p.try("GET", "/api/v1"+organization, reader.access, nil))
					continue
				}
				want := fmt.Sprint("load", n)
				counts.note(p.try("PATCH", "/api/v1/users/"+writer.id+"/profile", writer.access, body("name", want)))
				a := another.try("GET", "/api/v1"+organization+"/members", writer.access, nil)
				if a.status == 200 && a.list()[0]["name"] != want {
					a.status = 0 // not what was written
				}
				counts.note(a)
			}
		})
	}
	during()
	stop.Store(true)
	busy.Wait()
	return &counts
}
