package main

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"guildhall/platform/platformtest"
)

// TestTrustSerializable runs sixteen clients that change three organizations and
// themselves on PostgreSQL at SERIALIZABLE. Transactions fail with 40001, also at the
// commit, as they do on CockroachDB and YugabyteDB. InTx repeats them. A client gets its
// answer, a refusal by the rules, or occasionally 503.
func TestTrustSerializable(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.PostgresURL(t)+"&default_transaction_isolation=serializable")
	seed := trustSeed(t)
	owners := []*actor{s.person("Ada"), s.person("Grace"), s.person("Mary")}
	var links []string
	for _, o := range owners {
		links = append(links, tokenOf(o.post(o.org("/invitation-links"), body()).is(201)))
	}
	var clients []*actor
	for i := range 13 {
		p := s.person("P")
		owners[i%3].post(owners[i%3].org("/members"), body("user_id", p.id)).is(201)
		clients = append(clients, p)
	}
	var tried, refused, wrong atomic.Int64
	var wg sync.WaitGroup
	for i, c := range slices.Concat(owners, clients) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for range size(20, 1000) {
				o, p := owners[r.IntN(3)], clients[r.IntN(len(clients))]
				var a answer
				switch r.IntN(10) {
				case 0:
					a = o.post(o.org("/members"), body("user_id", p.id))
				case 1:
					a = o.delete(o.org("/members/" + p.id))
				case 2:
					a = o.post(o.org("/admins"), body("user_id", p.id))
				case 3:
					a = o.patch(o.org(""), body("name", "x"))
				case 4:
					a = o.post("/users/"+p.id+"/suspend", because())
				case 5:
					a = o.post("/users/"+p.id+"/activate", nil)
				case 6:
					a = c.patch("/users/"+c.id+"/profile", body("bio", "x"))
				case 7:
					a = c.post("/organizations", body("name", "x"))
				case 8:
					a = c.accepts(links[r.IntN(3)])
				case 9:
					a = o.invites(p.email, "deliver", false)
				}
				tried.Add(1)
				switch {
				case a.status == 503:
					refused.Add(1)
				case a.status >= 300 && !slices.Contains([]int{403, 404, 409, 410}, a.status):
					wrong.Add(1)
					t.Errorf("%s: %d %s", a.request, a.status, a.body)
				}
			}
		})
	}
	wg.Wait()
	broken := invariants(t, s.kernel.DB)
	for _, b := range broken {
		t.Error(b)
	}
	if refused.Load()*20 > tried.Load() {
		t.Errorf("%d of %d requests were refused with 503", refused.Load(), tried.Load())
	}
	recordResult(t, "sixteen clients at SERIALIZABLE", "postgres", int(tried.Load()), int(wrong.Load())+len(broken), seed,
		"%d refused with 503; %d transactions rolled back", refused.Load(), s.count("SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"))
}
