package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"

	"guildhall/platform/seed"
)

const (
	api          = "/api/v1"
	logInPath    = api + "/auth/token"
	registerPath = api + "/auth/register"
	refreshPath  = api + "/auth/refresh"
)

// operation is a kind of request to measure. Its function steps returns the step of one of
// several workers.
type operation struct {
	name    string
	target  float64 // minimum share of the limit's requests per second, with 16 connections; or of than's
	than    string  // the operation of the same server to compare it with, if it is measured on that alone
	hashing bool    // slow on purpose, and bounded by argon2id alone
	alone   string  // the only server to measure it on
	growth  bool    // whether the table of growth has it
	steps   func(ctx context.Context, s *server, worker, of int) (step, error)
}

const (
	whoAmI   = "who am I"
	argon2id = "argon2id alone"
	byOffset = "members, deep, by offset"
)

func operations() []operation {
	return []operation{
		{name: whoAmI, target: 0.70, growth: true, steps: reading(mePath)},
		{name: "who am I, of strangers", target: 0.90, steps: asStrangers},
		{name: "who am I, by API key", alone: guildhall, than: whoAmI, target: 0.90, steps: byKey},
		{name: "who am I, 20,000 in turn", alone: guildhall, than: whoAmI, target: 0.80, steps: inTurn},
		{name: "introspection", alone: guildhall, than: whoAmI, target: 0.80, steps: introspecting},
		{name: "forward-auth", alone: guildhall, than: whoAmI, target: 0.70, steps: forwarding},
		{name: "organization", target: 0.70, growth: true, steps: reading(organizationPath)},
		{name: "members, first 100", target: 0.70, growth: true, steps: reading(firstPage)},
		{name: "members, deep", target: 0.70, growth: true, steps: reading(deepPage)},
		{name: byOffset, alone: guildhall, growth: true, steps: reading(offsetPage)},
		{name: "list of organizations", growth: true, steps: reading(organizationsPath)},
		{name: "refresh", target: 0.70, growth: true, steps: refreshing},
		{name: "add and remove a member", target: 0.80, growth: true, steps: adding},
		{name: "found an organization", growth: true, steps: founding},
		{name: "log-in", target: 0.95, hashing: true, growth: true, steps: loggingIn},
		{name: argon2id, alone: limit, hashing: true, steps: hashing}, // between the two operations that are compared with it
		{name: "registration", target: 0.95, hashing: true, growth: true, steps: registering},
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

// reading compares every answer with the first one, byte for byte. compare has compared that
// one with the other server's.
func reading(path func(s *server, worker int) string) func(ctx context.Context, s *server, worker, of int) (step, error) {
	return func(ctx context.Context, s *server, worker, _ int) (step, error) {
		p, path := s.people.readers[worker], path(s, worker)
		want, err := s.reference(ctx, p, path)
		if err != nil {
			return nil, err
		}
		asked := request(http.MethodGet, path, p.access, nil)
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

// reference returns the first answer to a reader, and stores it for the whole run.
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
	return fixed(request(http.MethodPost, "/argon2id", "", []byte("{}")), `"ok"`), nil
}

func living(context.Context, *server, int, int) (step, error) {
	return fixed(request(http.MethodGet, "/livez", "", nil), `"status"`), nil
}

// mixing mixes requests: of twenty, sixteen read, two refresh, one adds a member and one
// removes them.
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
