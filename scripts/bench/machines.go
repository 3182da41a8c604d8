package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// resource is the API that each guildhall has.
const resource = "https://bench.example.com"

// registerAPI registers the API by guildhall's command, and keeps its key.
func (s *server) registerAPI(ctx context.Context) error {
	cmd := command(ctx, s.binary, "api", "create", resource, "--json")
	cmd.Dir, cmd.Env = s.dir, environment(s.url, "HOME="+s.dir)
	output, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("guildhall api create: %w", err)
	}
	var made struct{ Key string }
	if err := json.Unmarshal(output, &made); err != nil {
		return err
	}
	s.apiKey = made.Key
	return nil
}

// byKey asks who one is with an API key of the worker's reader.
func byKey(ctx context.Context, s *server, worker, _ int) (step, error) {
	p := s.people.readers[worker]
	answer, err := s.ask(ctx, http.MethodPost, largest()+"/api-keys", p.access, []byte(`{"name":"bench"}`))
	if err != nil {
		return nil, err
	}
	return fixed(request(http.MethodGet, api+"/auth/me", member(answer, "key"), nil), p.id), nil
}

// turnOf is how many people ask in turn. A process remembers all of them.
const turnOf = 20_000

// inTurn asks who one is as each of many people, one after the other. Their first two requests
// are not measured: with the second, the gate remembers them.
func inTurn(ctx context.Context, s *server, worker, of int) (step, error) {
	requests := s.strangers.requests[:min(turnOf, len(s.strangers.requests))]
	if worker == 0 {
		group, ctx := errgroup.WithContext(ctx)
		for part := range of {
			group.Go(func() error { return s.askTwice(ctx, requests[part*len(requests)/of:(part+1)*len(requests)/of]) })
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
	}
	return func(c *connection) error {
		status, body, err := c.do(requests[int(s.strangers.turn.Add(1))%len(requests)])
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return wrong("who am I", status, body)
		}
		return nil
	}, nil
}

// tokenFor is a token of the worker's reader for the API.
func (s *server) tokenFor(ctx context.Context, worker int) (string, error) {
	answer, err := s.ask(ctx, http.MethodPost, api+"/auth/api-token", s.people.readers[worker].access, []byte(`{"resource":"`+resource+`"}`))
	return member(answer, "access_token"), err
}

func introspecting(ctx context.Context, s *server, worker, _ int) (step, error) {
	token, err := s.tokenFor(ctx, worker)
	if err != nil {
		return nil, err
	}
	return fixed(request(http.MethodPost, "/oauth/introspect", s.apiKey, []byte(`{"token":"`+token+`"}`)), `"active":true`), nil
}

func forwarding(ctx context.Context, s *server, worker, _ int) (step, error) {
	token, err := s.tokenFor(ctx, worker)
	if err != nil {
		return nil, err
	}
	asked := request(http.MethodGet, "/forward-auth?resource="+resource, token, nil)
	return func(c *connection) error {
		status, body, err := c.do(asked)
		if err != nil {
			return err
		}
		if status != http.StatusNoContent {
			return wrong("forward-auth", status, body)
		}
		return nil
	}, nil
}

// askTwice makes each request twice, on a connection of its own.
func (s *server) askTwice(ctx context.Context, requests [][]byte) error {
	c, err := dial(ctx, s.address, window{until: time.Now().Add(time.Minute)})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for _, asked := range append(slices.Clone(requests), requests...) {
		if status, body, err := c.do(asked); err != nil || status != http.StatusOK {
			return errors.Join(err, wrong("who am I", status, body))
		}
	}
	return nil
}
