package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/database"
)

// modelWorld is a service, its model, and sixteen clients.
type modelWorld struct {
	*model
	s       *service
	t       *testing.T
	counts  map[string]int
	good    int
	wrong   []string
	mu      sync.Mutex
	healthy *modelClient // the operator's, which restores what is needed
}

func newModelWorld(t *testing.T, s *service) *modelWorld {
	t.Helper()
	w := &modelWorld{t: t, s: s, counts: map[string]int{}, model: &model{now: s.kernel.Now, users: map[string]*modelUser{}, organizations: map[string]*modelOrganization{}}}
	var actors []*actor
	for range 6 {
		actors = append(actors, s.person("P"))
	}
	actors = append(actors, s.operator("Oz"))
	for i := range 18 {
		a := actors[i%7]
		if i >= 7 {
			a = s.actorOf(s.logIn(a.email, password).is(200))
		}
		u := w.users[a.id]
		if u == nil {
			u = &modelUser{id: a.id, email: a.email, operator: a == actors[6]}
			w.users[a.id] = u
		}
		w.clients = append(w.clients, &modelClient{user: u, access: a.access, refresh: a.refresh, organization: a.organization, live: true})
	}
	w.healthy = w.clients[6]
	w.clients = append(w.clients[:17:17], w.clients[17]) // two of the operator's are 6 and 13
	w.read(w.model)
	return w
}

// read sets a model to the state of the database.
func (w *modelWorld) read(m *model) {
	w.t.Helper()
	db := w.s.kernel.DB
	each := func(query string, width int, take func(v []string)) {
		rows, err := db.Conn(everything).Raw(query).Rows()
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := database.Collect(rows, func(scan func(...any) error) (int, error) {
			values, into := make([]string, width), make([]any, width)
			for i := range values {
				into[i] = &values[i]
			}
			if err := scan(into...); err != nil {
				return 0, err
			}
			take(values)
			return 0, nil
		}); err != nil {
			w.t.Fatalf("%s: %v", query, err)
		}
	}
	suspended := func(until, byOperator string) *modelSuspension {
		s := &modelSuspension{byOperator: byOperator == "1" || byOperator == "true"}
		if until != "" {
			at, err := time.Parse(time.RFC3339Nano, strings.Replace(strings.Replace(until, " ", "T", 1), "+00", "+00:00", 1))
			if err != nil {
				at, err = time.Parse("2006-01-02T15:04:05.999999-07:00", strings.Replace(until, " ", "T", 1))
			}
			if err != nil {
				w.t.Fatal(err)
			}
			s.until = at.UTC()
		}
		return s
	}
	for _, u := range m.users {
		u.account, u.archived = modelStanding{}, false
	}
	m.organizations = map[string]*modelOrganization{}
	each("SELECT id FROM organizations", 1, func(v []string) {
		m.organizations[v[0]] = &modelOrganization{id: v[0], roles: map[string]int{}, standing: map[string]*modelStanding{}}
	})
	each("SELECT organization_id FROM organization_archives WHERE restored_at IS NULL", 1, func(v []string) { m.organizations[v[0]].archived = true })
	text := "COALESCE(CAST(suspended_until AS text), '')"
	each("SELECT organization_id, "+text+", CAST(by_operator AS text) FROM organization_suspensions WHERE lifted_at IS NULL", 3, func(v []string) {
		m.organizations[v[0]].suspended = suspended(v[1], v[2])
	})
	for role, table := range []string{"", "organization_members", "organization_admins", "organization_owners"} {
		if table != "" {
			each("SELECT organization_id, user_id FROM "+table, 2, func(v []string) { m.organizations[v[0]].roles[v[1]] = role })
		}
	}
	each("SELECT user_id, COALESCE(CAST(organization_id AS text), ''), CASE WHEN deactivated_at IS NULL THEN '1' ELSE '' END FROM user_active_status", 3, func(v []string) {
		if v[1] == "" {
			m.users[v[0]].account.active = m.users[v[0]].account.active || v[2] == "1"
			return
		}
		o := m.organizations[v[1]]
		if o.standing[v[0]] == nil {
			o.standing[v[0]] = &modelStanding{}
		}
		o.standing[v[0]].active = o.standing[v[0]].active || v[2] == "1"
	})
	each("SELECT user_id, COALESCE(CAST(organization_id AS text), ''), "+text+" FROM user_suspensions WHERE lifted_at IS NULL", 3, func(v []string) {
		if v[1] == "" {
			m.users[v[0]].account.suspended = suspended(v[2], "")
		} else {
			m.organizations[v[1]].standing[v[0]].suspended = suspended(v[2], "")
		}
	})
	each("SELECT user_id FROM user_archives WHERE restored_at IS NULL", 1, func(v []string) { m.users[v[0]].archived = true })
}

// describe returns the whole state of a model as text, for comparison.
func (m *model) describe() []string {
	var all []string
	state := func(s *modelSuspension) string {
		if !m.open(s) {
			return "-"
		}
		return s.until.UTC().Format(time.RFC3339Nano) + fmt.Sprint(s.byOperator)
	}
	for id, u := range m.users {
		all = append(all, fmt.Sprint("user ", id, " ", u.account.active, " ", state(u.account.suspended), " ", u.archived))
	}
	for id, o := range m.organizations {
		all = append(all, fmt.Sprint("organization ", id, " ", o.archived, " ", state(o.suspended)))
		for user, role := range o.roles {
			all = append(all, fmt.Sprint("member ", id, " ", user, " ", role))
		}
		for user, s := range o.standing {
			all = append(all, fmt.Sprint("standing ", id, " ", user, " ", s.active, " ", state(s.suspended)))
		}
	}
	slices.Sort(all)
	return all
}

func (w *modelWorld) send(c *modelClient, op operation) answer {
	return w.s.do(op.method, "/api/v1"+op.path, c.access, op.body)
}

func (w *modelWorld) note(op operation, a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[op.name]++
	if a.status < 300 {
		w.good++
	}
	if a.status >= 500 {
		w.wrong = append(w.wrong, fmt.Sprintf("%s %s: %d %s", op.method, op.path, a.status, a.body))
	}
}

// oneByOne sends requests one after the other, and compares each answer with the model:
// status and code.
func (w *modelWorld) oneByOne(r *rand.Rand, n int) {
	for i := 0; i < n && len(w.wrong) < 10; i++ {
		c := w.clients[r.IntN(len(w.clients))]
		if r.IntN(100) == 0 {
			w.s.later(time.Duration(r.IntN(120)) * time.Minute)
		}
		op := w.random(r, c)
		a := w.send(c, op)
		want := op.expect()
		if got := (verdict{a.status, a.code()}); got != want {
			w.wrong = append(w.wrong, fmt.Sprintf("operation %d, %s as %s: %s %s %v: got %s, want %s", w.total(), op.name, c.user.id, op.method, op.path, op.body, got, want))
			w.read(w.model)
		} else if a.status < 300 && op.after != nil {
			op.after(a)
		}
		w.note(op, a)
	}
	inDatabase := &model{now: w.now, users: map[string]*modelUser{}}
	for id, u := range w.users {
		inDatabase.users[id] = &modelUser{id: id, operator: u.operator}
	}
	w.read(inDatabase)
	want, got := w.describe(), inDatabase.describe()
	if !slices.Equal(want, got) {
		for _, line := range want {
			if !slices.Contains(got, line) {
				w.wrong = append(w.wrong, "the model, not the database, says "+line)
			}
		}
		for _, line := range got {
			if !slices.Contains(want, line) {
				w.wrong = append(w.wrong, "the database, not the model, says "+line)
			}
		}
	}
}

// atOnce sends the requests of sixteen clients concurrently. The harness checks that the
// document lists each answer for its operation. Afterwards the invariants must hold, and
// the model continues from the resulting state.
func (w *modelWorld) atOnce(seed uint64, n int) {
	frozen := &model{now: w.now, users: w.users, organizations: maps.Clone(w.organizations)}
	var wg sync.WaitGroup
	for i, c := range w.clients[:16] {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for range n / 16 {
				op := frozen.random(r, c)
				a := w.send(c, op)
				if a.status < 300 && op.after != nil && op.name != "found an organization" { // the model is read from the database again
					op.after(a)
				}
				w.note(op, a)
			}
		})
	}
	wg.Wait()
	w.read(w.model)
}

func (w *modelWorld) total() (n int) {
	for _, c := range w.counts {
		n += c
	}
	return n
}

// repair restores what a useful run needs: users who may act and are logged in, and
// organizations that are not archived.
func (w *modelWorld) repair(r *rand.Rand) {
	w.t.Helper()
	if a := w.s.do("GET", "/api/v1/auth/me", w.healthy.access, nil); a.status != 200 {
		w.logIn(w.healthy)
	}
	oz := w.healthy.access
	for _, id := range slices.Sorted(maps.Keys(w.users)) {
		u := w.users[id]
		if u.archived {
			w.s.do("POST", "/api/v1/users/"+id+"/unarchive", oz, nil)
		}
		if !w.accountGood(u) && id != w.healthy.user.id {
			w.s.do("POST", "/api/v1/users/"+id+"/activate", oz, body("scope", "account")).is(200)
		}
	}
	for i, id := range slices.Sorted(maps.Keys(w.organizations)) {
		o := w.organizations[id]
		if o.archived {
			w.s.do("POST", "/api/v1/organizations/"+id+"/unarchive", oz, nil).is(200)
		}
		if w.open(o.suspended) && r.IntN(2) == 0 {
			w.s.do("POST", "/api/v1/organizations/"+id+"/activate", oz, nil).is(200)
		}
		if i >= 3 {
			continue
		}
		for _, user := range slices.Sorted(maps.Keys(w.users)) {
			switch {
			case w.role(o, user) == none && r.IntN(2) == 0:
				w.s.do("POST", "/api/v1/organizations/"+id+"/members", oz, body("user_id", user))
			case w.role(o, user) != none && !w.memberGood(o, user) && r.IntN(2) == 0 && user != w.healthy.user.id:
				w.s.do("POST", "/api/v1/users/"+user+"/activate", oz, body(), "X-Organization-ID", id).is(200)
			}
		}
	}
	w.read(w.model)
	for _, c := range w.clients {
		a := w.s.do("GET", "/api/v1/auth/me", c.access, nil)
		c.live = a.status == 200
		if c.live && r.IntN(4) == 0 {
			b := w.s.refresh(c.refresh).is(200)
			c.access, c.refresh, c.organization = b.str("access_token"), b.str("refresh_token"), b.str("organization_id")
		}
		if !c.live {
			w.logIn(c)
		}
	}
}

func (w *modelWorld) logIn(c *modelClient) {
	w.t.Helper()
	a := w.s.logIn(c.user.email, password).is(200)
	c.access, c.refresh, c.organization, c.live = a.str("access_token"), a.str("refresh_token"), a.str("organization_id"), true
}

// TestTrustModel runs sixteen clients over all operations on a few organizations and
// users. It compares each answer with the model, and checks the invariants throughout.
func TestTrustModel(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		seed := trustSeed(t)
		r := rand.New(rand.NewPCG(seed, 0))
		w := newModelWorld(t, s)
		total, oneByOne := size(2000, 100_000), size(200, 500)
		phases := 0
		for w.total() < total && len(w.wrong) < 10 {
			phases++
			w.repair(r)
			w.oneByOne(r, oneByOne)
			w.repair(r)
			w.atOnce(r.Uint64(), oneByOne)
			w.wrong = append(w.wrong, invariants(t, s.kernel.DB)...)
		}
		for _, wrong := range w.wrong[:min(10, len(w.wrong))] {
			t.Errorf("seed %d: %s", seed, wrong)
		}
		for _, name := range []string{"transfer", "suspend", "add member", "remove member", "grant admin", "archive user", "switch"} {
			if w.counts[name] == 0 {
				t.Errorf("%s was never tried", name)
			}
		}
		recordResult(t, "model test: operations judged", string(s.kernel.DB.Driver()), w.total(), len(w.wrong), seed,
			"%d kinds, half of them 16 at once; %d %% carried out; %d checks of I1–I11", len(w.counts), 100*w.good/w.total(), phases)
	}, func(c *config.Config) {
		c.AccessTokenTTL, c.RefreshTokenTTL, c.RefreshGrace = 10*365*24*time.Hour, 20*365*24*time.Hour, time.Hour
		c.MigrateOnStart = true
	})
}
