package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"

	"guildhall/platform/seed"
)

const (
	api          = "/api/v1"
	logInPath    = api + "/auth/token"
	registerPath = api + "/auth/register"
	refreshPath  = api + "/auth/refresh"
)

// operation is what is measured. Its steps are those of one of so many workers.
type operation struct {
	name    string
	target  float64 // least part of the limit's requests a second, with 16 connections
	hashing bool    // slow on purpose, and bounded by argon2id alone
	alone   string  // the only server that it is measured on
	growth  bool    // whether its table of growth has it
	steps   func(ctx context.Context, s *server, worker, of int) (step, error)
}

const (
	argon2id = "argon2id alone"
	byOffset = "members, deep, by offset"
)

func operations() []operation {
	return []operation{
		{name: "who am I", target: 0.70, growth: true, steps: reading(mePath)},
		{name: "organization", target: 0.70, growth: true, steps: reading(organizationPath)},
		{name: "members, first 100", target: 0.70, growth: true, steps: reading(firstPage)},
		{name: "members, deep", target: 0.70, growth: true, steps: reading(deepPage)},
		{name: byOffset, alone: guildhall, growth: true, steps: reading(offsetPage)},
		{name: "list of organizations", growth: true, steps: reading(organizationsPath)},
		{name: "refresh", target: 0.70, growth: true, steps: refreshing},
		{name: "add and remove a member", target: 0.60, growth: true, steps: adding},
		{name: "log-in", target: 0.95, hashing: true, growth: true, steps: loggingIn},
		{name: "registration", target: 0.95, hashing: true, growth: true, steps: registering},
		{name: argon2id, alone: limit, hashing: true, steps: hashing},
		{name: "mix, 80 % reads", growth: true, steps: mixing},
		{name: "/livez", steps: living},
	}
}

// Paths of reads, for each worker.

func mePath(*server, int) string { return api + "/auth/me" }

func largest() string { return api + "/organizations/" + seed.OrganizationID(0).String() }

func organizationPath(*server, int) string { return largest() }

func firstPage(*server, int) string { return largest() + "/members?limit=100" }

func deepPage(s *server, worker int) string { return s.pages[worker%len(s.pages)] }

func offsetPage(s *server, _ int) string {
	return fmt.Sprintf("%s/members?limit=100&offset=%d", largest(), s.middle())
}

func organizationsPath(*server, int) string { return api + "/organizations" }

func (s *server) middle() int64 {
	_, n := s.size.MembersOf(0)
	return n / 2
}

// reading holds every answer to the first, byte for byte; compare holds that to
// the other server's.
func reading(path func(s *server, worker int) string) func(ctx context.Context, s *server, worker, of int) (step, error) {
	return func(ctx context.Context, s *server, worker, _ int) (step, error) {
		p, path := s.people.readers[worker], path(s, worker)
		want, err := s.reference(ctx, p, path)
		if err != nil {
			return nil, err
		}
		asked := request(http.MethodGet, path, p.access, "", nil)
		return func(c *connection) error {
			status, body, err := c.do(asked)
			if err != nil {
				return err
			}
			if status != http.StatusOK || !bytes.Equal(body, want) {
				return wrong(path, status, body)
			}
			return nil
		}, nil
	}
}

func wrong(path string, status int, body []byte) error {
	return fmt.Errorf("%s: wrong answer: %d %s", path, status, body[:min(len(body), 1000)])
}

// reference is the answer to a reader, kept for the whole run.
func (s *server) reference(ctx context.Context, p *person, path string) ([]byte, error) {
	key := p.id + path
	if kept, ok := s.references[key]; ok {
		return kept, nil
	}
	body, err := s.ask(ctx, http.MethodGet, path, p.access, nil)
	if err == nil {
		s.references[key] = body
	}
	return body, err
}

// share is what each worker has of something, so that no two use one at once.
func share[T any](all []T, worker, of int) (own []T) {
	for i := worker; i < len(all); i += of {
		own = append(own, all[i])
	}
	return own
}

// wholeEvery is how many answers of writes are looked at in part for each that is
// decoded.
const wholeEvery = 64

// refreshing rotates the tokens of each person until their limit is reached.
func refreshing(_ context.Context, s *server, worker, of int) (step, error) {
	own, n := share(s.people.all(), worker, of), 0
	return func(c *connection) error {
		for range own {
			p := own[n%len(own)]
			n++
			if !p.refreshes.Allow() {
				continue
			}
			status, body, err := c.do(request(http.MethodPost, refreshPath, "", "", refreshBody(p.refresh)))
			if err != nil {
				return err
			}
			if status != http.StatusOK {
				return wrong(refreshPath, status, body)
			}
			if err := p.take(body); err != nil {
				return err
			}
			if n%wholeEvery == 0 {
				return p.recognise(body)
			}
			return nil
		}
		return errSpent
	}, nil
}

// recognise decodes a token response and holds all of it to the person.
func (p *person) recognise(body []byte) error {
	var t tokens
	if err := json.Unmarshal(body, &t); err != nil {
		return err
	}
	if t.UserID != p.id || t.Email != seed.Email(p.number) || t.TokenType != "bearer" || t.ExpiresIn <= 0 || t.ExpiresIn > 1800 {
		return fmt.Errorf("wrong tokens for %s: %s", p.id, body)
	}
	return nil
}

// adding has admins add somebody and remove them, which are two answers.
func adding(_ context.Context, s *server, worker, of int) (step, error) {
	own, n := share(s.people.adders, worker, of), 0
	return func(c *connection) error {
		for range own {
			a := own[n%len(own)]
			n++
			if !a.adds.Allow() {
				continue
			}
			path := api + "/organizations/" + a.organization + "/members"
			status, body, err := c.do(request(http.MethodPost, path, a.access, "", fmt.Appendf(nil, `{"user_id":%q}`, a.added.id)))
			if err != nil {
				return err
			}
			if status != http.StatusCreated || member(body, "organization_id") != a.organization || member(body, "user_id") != a.added.id || member(body, "role") != "member" {
				return wrong(path, status, body)
			}
			path += "/" + a.added.id
			if status, body, err = c.do(request(http.MethodDelete, path, a.access, "", nil)); err != nil {
				return err
			}
			if status != http.StatusNoContent {
				return wrong(path, status, body)
			}
			return nil
		}
		return errSpent
	}, nil
}

var clients atomic.Int64 // that have been pretended to ask

// otherAddress is another client's each time, in 10.0.0.0/8.
func otherAddress() string {
	n := clients.Add(1)
	return fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)
}

func logInBody(number int64) []byte {
	return fmt.Appendf(nil, `{"username":%q,"password":%q}`, seed.Email(number), seed.Password)
}

func refreshBody(token string) []byte { return fmt.Appendf(nil, `{"refresh_token":%q}`, token) }

func loggingIn(_ context.Context, s *server, worker, _ int) (step, error) {
	p := s.people.readers[worker]
	return func(c *connection) error {
		status, body, err := c.do(request(http.MethodPost, logInPath, "", otherAddress(), logInBody(p.number)))
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return wrong(logInPath, status, body)
		}
		return p.recognise(body)
	}, nil
}

var registered atomic.Int64

func registering(context.Context, *server, int, int) (step, error) {
	return func(c *connection) error {
		email := fmt.Sprintf("newcomer%d@example.org", registered.Add(1))
		body := fmt.Appendf(nil, `{"email":%q,"password":"correct horse battery staple","name":"Newcomer"}`, email)
		status, body, err := c.do(request(http.MethodPost, registerPath, "", otherAddress(), body))
		if err != nil {
			return err
		}
		var t tokens
		if status != http.StatusCreated || json.Unmarshal(body, &t) != nil || t.Email != email || t.AccessToken == "" || t.RefreshToken == "" {
			return wrong(registerPath, status, body)
		}
		return nil
	}, nil
}

func fixed(asked []byte, want string) step {
	return func(c *connection) error {
		status, body, err := c.do(asked)
		if err != nil {
			return err
		}
		if status != http.StatusOK || !bytes.Contains(body, []byte(want)) {
			return wrong(want, status, body)
		}
		return nil
	}
}

func hashing(context.Context, *server, int, int) (step, error) {
	return fixed(request(http.MethodPost, "/argon2id", "", "", []byte("{}")), `"ok"`), nil
}

func living(context.Context, *server, int, int) (step, error) {
	return fixed(request(http.MethodGet, "/livez", "", "", nil), `"status"`), nil
}

// mixing takes, of twenty requests, sixteen that read, two that refresh, one that
// adds and one that removes.
func mixing(ctx context.Context, s *server, worker, of int) (step, error) {
	var reads []step
	for _, path := range []func(*server, int) string{mePath, organizationPath, firstPage, deepPage, organizationsPath} {
		read, err := reading(path)(ctx, s, worker, of)
		if err != nil {
			return nil, err
		}
		reads = append(reads, read)
	}
	refresh, err := refreshing(ctx, s, worker, of)
	if err != nil {
		return nil, err
	}
	add, err := adding(ctx, s, worker, of)
	if err != nil {
		return nil, err
	}
	chance := rand.New(rand.NewPCG(1, uint64(worker))) //nolint:gosec // the same in each run
	return func(c *connection) error {
		switch n := chance.IntN(19); {
		case n < 16:
			return reads[chance.IntN(len(reads))](c)
		case n < 18:
			return refresh(c)
		default:
			return add(c)
		}
	}, nil
}

// member finds a string in JSON without decoding it: enough for ids and tokens,
// which hold nothing that would be escaped.
func member(body []byte, name string) string {
	_, rest, found := bytes.Cut(body, []byte(`"`+name+`":"`))
	value, _, closed := bytes.Cut(rest, []byte(`"`))
	if !found || !closed {
		return ""
	}
	return string(value)
}
