package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/platformtest"
)

// try is do for a service that may die during the request: status 0 means no answer.
func (p *process) try(method, path, token string, b any) answer {
	encoded, err := json.Marshal(b)
	if err != nil {
		p.t.Error(err)
	}
	r, err := http.NewRequest(method, p.base+path, bytes.NewReader(encoded))
	if err != nil {
		p.t.Error(err)
		return answer{t: p.t}
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{t: p.t, request: method + " " + path}
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{t: p.t, request: method + " " + path}
	}
	return answer{t: p.t, request: method + " " + path, status: resp.StatusCode, header: resp.Header, body: content}
}

// fact is a value that only one client writes: the last acknowledged one, and the one
// that it requested since without an answer.
type fact struct{ acknowledged, asked string }

func (f fact) matches(found string) bool {
	return found == f.acknowledged || f.asked != "" && found == f.asked
}

// writer is a client that records what was acknowledged.
type writer struct {
	id, access, refresh, organization, friend string
	name, bio, member                         fact
	organizations                             []string
	writes                                    int
}

// write makes random changes until one is not answered.
func (w *writer) write(p *process, r *rand.Rand, stop *atomic.Bool) {
	for n := 0; !stop.Load(); n++ {
		value := fmt.Sprintf("%d-%d", w.writes, n)
		change := func(f *fact, value, method, path string, b any) bool {
			f.asked = value
			a := p.try(method, "/api/v1"+path, w.access, b)
			if a.status < 200 || a.status >= 300 {
				return false
			}
			*f = fact{acknowledged: value}
			return true
		}
		members := "/organizations/" + w.organization + "/members"
		ok := false
		switch r.IntN(6) {
		case 0, 1:
			ok = change(&w.name, value, "PATCH", "/organizations/"+w.organization, body("name", value))
		case 2:
			ok = change(&w.bio, value, "PATCH", "/users/"+w.id+"/profile", body("bio", value))
		case 3:
			if w.member.asked != "" { // it is unknown whether they are a member
				continue
			}
			if w.member.acknowledged == "member" {
				ok = change(&w.member, "none", "DELETE", members+"/"+w.friend, nil)
			} else {
				ok = change(&w.member, "member", "POST", members, body("user_id", w.friend))
			}
		case 4:
			a := p.try("POST", "/api/v1/organizations", w.access, body("name", value))
			if ok = a.status == 201; ok {
				w.organizations = append(w.organizations, a.str("id"))
			}
		case 5:
			a := p.try("POST", "/api/v1/auth/refresh", "", body("refresh_token", w.refresh))
			if ok = a.status == 200; ok {
				w.access, w.refresh = a.str("access_token"), a.str("refresh_token")
			}
		}
		if !ok {
			return
		}
		w.writes++
	}
}

// check compares the recorded values with the service's, and starts a new record.
func (w *writer) check(p *process) (lost []string) {
	miss := func(format string, args ...any) { lost = append(lost, fmt.Sprintf(format, args...)) }
	a := p.try("POST", "/api/v1/auth/refresh", "", body("refresh_token", w.refresh))
	if a.status != 200 {
		miss("the last refresh token is answered %d %s", a.status, a.body)
		return lost
	}
	w.access, w.refresh = a.str("access_token"), a.str("refresh_token")
	name := p.try("GET", "/api/v1/organizations/"+w.organization, w.access, nil).str("name")
	if !w.name.matches(name) {
		miss("the name is %q, acknowledged was %q, asked for %q", name, w.name.acknowledged, w.name.asked)
	}
	bio := p.try("GET", "/api/v1/users/"+w.id, w.access, nil).str("bio")
	if !w.bio.matches(bio) {
		miss("the bio is %q, acknowledged was %q, asked for %q", bio, w.bio.acknowledged, w.bio.asked)
	}
	member := "none"
	if p.try("GET", "/api/v1/organizations/"+w.organization+"/permissions/"+w.friend, w.access, nil).status == 200 {
		member = "member"
	}
	if !w.member.matches(member) {
		miss("the friend is %s, acknowledged was %s, asked for %s", member, w.member.acknowledged, w.member.asked)
	}
	text := string(p.try("GET", "/api/v1/auth/me/organizations", w.access, nil).body)
	for _, id := range w.organizations {
		if !strings.Contains(text, id) {
			miss("organization %s is gone", id)
		}
	}
	w.name, w.bio, w.member = fact{acknowledged: name}, fact{acknowledged: bio}, fact{acknowledged: member}
	if len(w.organizations) > 50 { // keep the list short, so that reading it is not most of the load
		w.organizations = nil
	}
	return lost
}

const crashPeople = 8

func newWriters(t *testing.T, p *process) []*writer {
	t.Helper()
	writers := make([]*writer, crashPeople)
	for i := range writers {
		a := p.do("POST", "/api/v1/auth/register", "", body("email", fmt.Sprintf("w%d@example.com", i), "password", password, "name", "W")).is(201)
		writers[i] = &writer{
			id: a.str("user_id"), access: a.str("access_token"), refresh: a.str("refresh_token"), organization: a.str("organization_id"),
			name: fact{acknowledged: "W's Organization"}, member: fact{acknowledged: "none"},
		}
	}
	for i, w := range writers {
		w.friend = writers[(i+1)%len(writers)].id
	}
	return writers
}

// crashRepeatedly runs writers, causes crashes while they write, and checks everything
// afterwards.
func crashRepeatedly(t *testing.T, what, databaseURL string, kills int, p *process, crash func() *process) {
	t.Helper()
	seed := trustSeed(t)
	writers := newWriters(t, p)
	var lost []string
	driver := ""
	var recoveries []time.Duration
	for kill := range kills {
		var stop atomic.Bool
		var busy sync.WaitGroup
		for i, w := range writers {
			own := rand.New(rand.NewPCG(seed, uint64(kill*crashPeople+i+1)))
			at := p
			busy.Go(func() { w.write(at, own, &stop) })
		}
		time.Sleep(20*time.Millisecond + rand.N(200*time.Millisecond)) // crash at a random moment
		began := time.Now()
		p = crash()
		stop.Store(true)
		busy.Wait()
		// It has recovered when it accepts writes again, without intervention.
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if p.try("PATCH", "/api/v1/users/"+writers[0].id+"/profile", writers[0].access, body("name", "W")).status == 200 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("it does not recover:\n%s", p.out)
			}
		}
		recoveries = append(recoveries, time.Since(began))
		for _, w := range writers {
			lost = append(lost, w.check(p)...)
		}
		db, err := database.Open(context.Background(), database.Options{URL: databaseurl.Must(databaseURL)})
		if err != nil {
			t.Fatal(err)
		}
		driver = string(db.Driver())
		lost = append(lost, invariants(t, db)...)
		_ = db.Close()
	}
	for _, l := range lost[:min(10, len(lost))] {
		t.Errorf("%s", l)
	}
	writes := 0
	for _, w := range writers {
		writes += w.writes
	}
	slices.Sort(recoveries)
	recordResult(t, what, driver, writes, len(lost), seed, "acknowledged writes, lost or broken; %d kills; writing again after %d ms (median), %d ms (longest)",
		kills, recoveries[len(recoveries)/2].Milliseconds(), recoveries[len(recoveries)-1].Milliseconds())
}

var crashEnvironment = []string{"MIGRATE_ON_START=true", "ENABLE_REGISTRATION=true", "RATE_LIMIT_ENABLED=false", "JWT_REFRESH_GRACE_SECONDS=60"}

// TestTrustKilled kills guildhall with SIGKILL while it writes. That detects writes that
// the process had acknowledged too early, but not those that only the kernel had: only a
// power failure would distinguish synchronous=FULL from NORMAL.
func TestTrustKilled(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir, environ := t.TempDir(), inProduction(databaseURL, crashEnvironment...)
		p := serveProcess(t, dir, environ...)
		crashRepeatedly(t, "kill -9 of guildhall", databaseURL, size(3, 100), p, func() *process {
			_ = p.cmd.Process.Kill()
			<-p.done
			p = serveProcess(t, dir, environ...)
			return p
		})
	})
}
