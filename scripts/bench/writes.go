package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"

	"guildhall/platform/seed"
)

// share returns one worker's part of a list, so that no two workers use an item at once.
func share[T any](all []T, worker, of int) (own []T) {
	for i := worker; i < len(all); i += of {
		own = append(own, all[i])
	}
	return own
}

// wholeEvery is how often the answer to a write is decoded completely: the others are only
// searched for the important members.
const wholeEvery = 64

// refreshing rotates the tokens of one user after the other.
func refreshing(_ context.Context, s *server, worker, of int) (step, error) {
	own, n := share(s.people.all(), worker, of), 0
	return func(c *connection) error {
		p := own[n%len(own)]
		n++
		status, body, err := c.do(request(http.MethodPost, refreshPath, "", refreshBody(p.refresh)))
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
	}, nil
}

// recognise decodes a token response and checks all of it against the user.
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

// adding makes admins add and remove a member, which are two requests.
func adding(_ context.Context, s *server, worker, of int) (step, error) {
	own, n := share(s.people.adders, worker, of), 0
	return func(c *connection) error {
		a := own[n%len(own)]
		n++
		path := api + "/organizations/" + a.organization + "/members"
		status, body, err := c.do(request(http.MethodPost, path, a.access, fmt.Appendf(nil, `{"user_id":%q}`, a.added.id)))
		if err != nil {
			return err
		}
		if status != http.StatusCreated || member(body, "organization_id") != a.organization || member(body, "user_id") != a.added.id || member(body, "role") != "member" {
			return wrong(path, status, body)
		}
		path += "/" + a.added.id
		if status, body, err = c.do(request(http.MethodDelete, path, a.access, nil)); err != nil {
			return err
		}
		if status != http.StatusNoContent {
			return wrong(path, status, body)
		}
		return nil
	}, nil
}

func founding(_ context.Context, s *server, worker, of int) (step, error) {
	const path = api + "/organizations"
	founder := share(s.people.others, worker, of)[0] // a reader's list of organizations stays as it is
	asked := request(http.MethodPost, path, founder.access, []byte(`{"name":"New Foundry"}`))
	return func(c *connection) error {
		status, body, err := c.do(asked)
		if err != nil {
			return err
		}
		if status != http.StatusCreated || member(body, "id") == "" || member(body, "name") != "New Foundry" {
			return wrong(path, status, body)
		}
		return nil
	}, nil
}

func logInBody(number int64) []byte {
	return fmt.Appendf(nil, `{"username":%q,"password":%q}`, seed.Email(number), seed.Password)
}

func refreshBody(token string) []byte { return fmt.Appendf(nil, `{"refresh_token":%q}`, token) }

func loggingIn(_ context.Context, s *server, worker, _ int) (step, error) {
	p := s.people.readers[worker]
	return func(c *connection) error {
		status, body, err := c.do(request(http.MethodPost, logInPath, "", logInBody(p.number)))
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
		status, body, err := c.do(request(http.MethodPost, registerPath, "", body))
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
