package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"guildhall/platform/config"
	"guildhall/platform/platformtest"
)

func limited(c *config.Config) { c.RateLimitEnabled = true }

// guess logs in from an address.
func (s *service) guess(email, password, address string) answer {
	s.t.Helper()
	return s.from(address+":1", "POST", "/api/v1/auth/token", body("username", email, "password", password))
}

func retryAfter(a answer) int {
	a.t.Helper()
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		a.t.Errorf("%s: Retry-After is %q", a.request, a.header.Get("Retry-After"))
	}
	return seconds
}

func TestGuessingIsSlowedDownForTheGuesserAlone(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for range 5 {
			s.guess(ada.email, "a wrong guess", "192.0.2.1").is(401, "invalid_credentials")
			s.guess("unknown@example.com", "a wrong guess", "192.0.2.1").is(401, "invalid_credentials")
		}
		for _, email := range []string{ada.email, "unknown@example.com"} {
			refused := s.guess(email, "a wrong guess", "192.0.2.1").is(429, "too_many_requests")
			if seconds := retryAfter(refused); seconds > 30 {
				t.Errorf("Retry-After: %d", seconds)
			}
			if got := refused.header.Get("RateLimit") + " " + refused.header.Get("RateLimit-Policy"); !regexp.MustCompile(`^"log-in";r=0;t=\d+ "log-in";q=5;w=150$`).MatchString(got) {
				t.Errorf("RateLimit: %s", got)
			}
		}
		s.guess(ada.email, password, "192.0.2.1").is(429, "too_many_requests")
		s.guess(ada.email, password, "192.0.2.2").is(200) // the victim, from elsewhere
		for range 12 {                                    // as often as they like
			s.guess(ada.email, password, "192.0.2.2").is(200)
		}
		ada.get("/auth/me").is(200)
		s.later(31 * time.Second)
		s.guess(ada.email, password, "192.0.2.1").is(200)
	}, limited)
}

// TestSpellingsShareALimit checks that case, space and the alphabet of the domain do not
// make another email address with its own rate limit.
func TestSpellingsShareALimit(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		for _, email := range []string{strings.ToUpper(ada.email), "  " + ada.email, ada.email + "\t", "Ada" + ada.email[3:], strings.Replace(ada.email, ".com", "。ｃｏｍ", 1)} {
			s.guess(email, "a wrong guess", "192.0.2.1").is(401)
		}
		s.guess(ada.email, "a wrong guess", "192.0.2.1").is(429)
		for _, nobodys := range []string{"ada@bücher.example", "ada@BÜCHER.example", "ada@xn--bcher-kva.example", "ADA@XN--BCHER-KVA.EXAMPLE", " ada@bu\u0308cher.example"} {
			s.guess(nobodys, "a wrong guess", "192.0.2.1").is(401)
		}
		s.guess("ada@bücher。example", "a wrong guess", "192.0.2.1").is(429)
	}, limited)
}

// TestGuessingFromEverywhere guesses two hundred times from as many addresses: only a
// hundred are checked. The victim keeps their sessions, and can log in from addresses
// where they logged in before.
func TestGuessingFromEverywhere(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.actorOf(s.from("203.0.113.50:1", "POST", "/api/v1/auth/register", body("email", "ada@example.com", "password", password, "name", "Ada")).is(201))
		for _, email := range size([]string{ada.email}, []string{ada.email, "ghost@example.com"}) { // a hash each
			looked := 0
			for i := range size(105, 200) {
				a := s.guess(email, "a wrong guess", fmt.Sprintf("198.51.100.%d", i))
				switch a.status {
				case 401:
					looked++
				case 429:
					retryAfter(a)
				default:
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
			if looked != 100 {
				t.Errorf("%d guesses at %s were checked", looked, email)
			}
		}
		ada.get("/auth/me").is(200)
		s.from("203.0.113.50:1", "POST", "/api/v1/auth/refresh", body("refresh_token", ada.refresh)).is(200)
		s.guess(ada.email, password, "198.51.100.250").is(429)
		s.guess(ada.email, password, "203.0.113.50").is(200)
		s.guess(ada.email, password, "198.51.100.250").is(200) // the successful log-in reset the limit
	}, limited)
}

// TestLimitsHoldInParallelAndUnderAFlood checks that a hundred concurrent attempts count
// as much as sequential ones, and that ten thousand other names evict no limit.
func TestLimitsHoldInParallelAndUnderAFlood(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		var looked atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 8 {
					if s.guess("ghost@example.com", "a wrong guess", "192.0.2.1").status == 401 {
						looked.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if looked.Load() != 5 {
			t.Errorf("%d guesses were checked", looked.Load())
		}
		s.exec("INSERT INTO rate_limits (key, tat, admitted) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT 'flood ' || i, 0, TRUE FROM n")
		if _, err := s.app.Sweep(s.ctx); err != nil || s.count("SELECT COUNT(*) FROM rate_limits WHERE tat = 0") != 0 {
			t.Errorf("not swept: %v", err)
		}
		s.guess("ghost@example.com", "a wrong guess", "192.0.2.1").is(429)
	}, limited)
}

// TestLimitsOutliveTheProcess checks that rate limits survive a restart and apply to all
// processes on one database.
func TestLimitsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir, environ := t.TempDir(), inProduction(databaseURL, "MIGRATE_ON_START=true", "DATA_DIR="+filepath.Join(t.TempDir(), "data"))
		guess := body("username", "ghost@example.com", "password", "a wrong guess")
		p := serveProcess(t, dir, environ...)
		for range 5 {
			p.do("POST", "/api/v1/auth/token", "", guess).is(401)
		}
		other := serveProcess(t, dir, environ...)
		other.do("POST", "/api/v1/auth/token", "", guess).is(429)
		other.stop()
		_ = p.cmd.Process.Kill()
		<-p.done
		p = serveProcess(t, dir, environ...)
		p.do("POST", "/api/v1/auth/token", "", guess).is(429)
		p.stop()
	})
}

func TestAForwardedAddressIsBelievedOfTrustedProxiesOnly(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for i := range 7 {
			want := 401
			if i >= 5 {
				want = 429
			}
			s.from("192.0.2.1:1", "POST", "/api/v1/auth/token", map[string]any{"username": "a@example.com", "password": "x"},
				"X-Forwarded-For", "198.51.100."+strconv.Itoa(i), "X-Real-IP", "198.51.100."+strconv.Itoa(i), "Forwarded", "for=198.51.100."+strconv.Itoa(i)).is(want)
			s.from("10.0.0.1:1", "POST", "/api/v1/auth/token", map[string]any{"username": "a@example.com", "password": "x"},
				"X-Forwarded-For", "203.0.113."+strconv.Itoa(i)).is(401)
			// HAProxy adds its own field. If a field can't be parsed, the proxy's address counts.
			s.from("10.0.0.1:1", "POST", "/api/v1/auth/token", map[string]any{"username": "b@example.com", "password": "x"},
				"X-Forwarded-For", "203.0.113."+strconv.Itoa(i), "X-Forwarded-For", "198.51.100.9").is(want)
			s.from("10.0.0.2:1", "POST", "/api/v1/auth/token", map[string]any{"username": "c@example.com", "password": "x"},
				"X-Forwarded-For", "203.0.113.1:443", "X-Real-IP", "203.0.113."+strconv.Itoa(i)).is(want)
		}
	}, limited, func(c *config.Config) { c.TrustedProxies = []string{"10.0.0.0/8"} })
}

// TestAProxyThatIsNotTrustedIsNamedOnce checks that the log names an untrusted proxy only
// once.
func TestAProxyThatIsNotTrustedIsNamedOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		warnings := func() []string {
			return regexp.MustCompile(`"level":"WARN","msg":"a peer that TRUSTED_PROXIES [^\n]*`).FindAllString(s.log.String(), -1)
		}
		ask := func(peer string, headers ...string) { s.from(peer, "GET", "/livez", nil, headers...).is(200) }
		ask("192.0.2.1:1")
		ask("192.0.2.1:1", "X-Forwarded-Proto", "https")
		ask("10.0.0.1:1", "X-Forwarded-For", "203.0.113.1")
		ask("10.0.0.1:1", "X-Forwarded-For", "203.0.113.1", "Forwarded", "for=203.0.113.1", "X-Real-IP", "203.0.113.1")
		ask("[::ffff:10.0.0.1]:1", "X-Forwarded-For", "203.0.113.1")
		if found := warnings(); len(found) != 0 {
			t.Errorf("without a reason: %s", found)
		}
		for range 3 {
			ask("192.0.2.7:1234", "X-Forwarded-For", "203.0.113.1")
			ask("192.0.2.8:1", "Forwarded", "for=203.0.113.1")
		}
		if found := warnings(); len(found) != 1 || !strings.Contains(found[0], "does not name") || !strings.Contains(found[0], `"peer":"192.0.2.7"`) || !strings.Contains(found[0], "request_id") {
			t.Errorf("warnings: %s", found)
		}
	}, func(c *config.Config) { c.TrustedProxies = []string{"10.0.0.0/8"} })
}

func TestProxiesThatSayItInAnotherWay(t *testing.T) {
	for header, says := range map[string]string{"Forwarded": "does not name", "X-Real-IP": "does not name", "Forwarded from 10.0.0.1": "sends no X-Forwarded-For"} {
		t.Run(header, func(t *testing.T) {
			s := start(t, platformtest.SQLiteURL(t), func(c *config.Config) { c.TrustedProxies = []string{"10.0.0.1"} })
			name, peer, _ := strings.Cut(header, " from ")
			s.from(cmp.Or(peer, "192.0.2.7")+":1", "GET", "/livez", nil, name, "for=203.0.113.1").is(200)
			if n := strings.Count(s.log.String(), says); n != 1 {
				t.Errorf("%d warnings in\n%s", n, s.log)
			}
		})
	}
}

// TestOtherLimits checks the limits on registration by address, on password changes and
// member additions by user, and on refreshes by session. Each affects no others.
func TestOtherLimits(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		until429 := func(what string, allowed int, other func() answer, try func() answer) {
			t.Helper()
			for i := range allowed {
				if a := try(); a.status == 429 {
					t.Fatalf("%s: refused at attempt %d", what, i+1)
				}
			}
			refused := try()
			for more := 0; refused.status != 429 && more < allowed; more++ { // on a busy machine time passes meanwhile
				refused = try()
			}
			retryAfter(refused.is(429, "too_many_requests"))
			if other().status == 429 {
				t.Errorf("%s: others are refused as well", what)
			}
		}
		change := func(a *actor) func() answer {
			return func() answer {
				return a.patch("/users/"+a.id+"/password", body("old_password", "wrong password", "new_password", "five boxing wizards"))
			}
		}
		until429("password change", 5, change(grace), change(ada))
		add := func(a *actor) func() answer {
			return func() answer { return a.post(a.org("/members"), body("email", "nobody@example.com")) }
		}
		until429("member adding", 200, add(grace), add(ada))
		s.later(2 * time.Second)
		ada.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		register := func(address string) func() answer {
			return func() answer {
				return s.from(address+":1", "POST", "/api/v1/auth/register", body("email", grace.email, "password", "12345678", "name", "x"))
			}
		}
		until429("registration", 30, register("198.51.100.2"), register("198.51.100.1"))
		until429("refresh", 60, func() answer { return s.refresh(grace.refresh) }, func() answer { return s.refresh(ada.refresh) })
	}, limited)
}
