package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// findPages requests cursors around the middle of the largest organization.
func (s *server) findPages(ctx context.Context) error {
	for i := range int64(8) {
		path := fmt.Sprintf("%s/members?limit=1&offset=%d", largest(), s.middle()+10*i)
		_, link, err := s.askForLink(ctx, http.MethodGet, path, s.people.readers[0].access, nil)
		if err != nil {
			return err
		}
		_, rest, found := strings.Cut(link, "cursor=")
		if !found {
			return fmt.Errorf("%s: no cursor in the Link %q", path, link)
		}
		cursor := rest[:strings.IndexAny(rest, "&>")]
		s.pages = append(s.pages, largest()+"/members?limit=100&cursor="+cursor)
	}
	return nil
}

// compare compares the answers of two servers on the same data, to make sure that both do
// the same work.
func compare(ctx context.Context, a, b *server) error {
	for worker := range min(4, len(a.people.readers)) {
		for _, path := range []func(*server, int) string{mePath, organizationPath, firstPage, deepPage, offsetPage, organizationsPath} {
			of := func(s *server) ([]byte, error) { return s.reference(ctx, s.people.readers[worker], path(s, worker)) }
			if err := equal(path(a, worker), of, a, b); err != nil {
				return err
			}
		}
	}
	write := func(name, method, path string, who func(*server) *person, body func(*server) []byte, random ...string) error {
		return equal(name, func(s *server) ([]byte, error) {
			token := ""
			if p := who(s); p != nil {
				token = p.access
			}
			answer, err := s.ask(ctx, method, path, token, body(s))
			if err == nil && path == refreshPath {
				err = s.people.readers[0].take(answer)
			}
			return answer, err
		}, a, b, random...)
	}
	nobody := func(*server) *person { return nil }
	admin := func(s *server) *person { return s.people.adders[0].person }
	added := a.people.adders[0].added.id
	members := api + "/organizations/" + a.people.adders[0].organization + "/members"
	newcomer := []byte(`{"email":"first@example.org","password":"correct horse battery staple","name":"First"}`)
	for _, err := range []error{
		write("log-in", http.MethodPost, logInPath, nobody, func(*server) []byte { return logInBody(0) }, "access_token", "refresh_token"),
		write("refresh", http.MethodPost, refreshPath, nobody, func(s *server) []byte { return refreshBody(s.people.readers[0].refresh) }, "access_token", "refresh_token"),
		write("registration", http.MethodPost, registerPath, nobody, func(*server) []byte { return newcomer }, "access_token", "refresh_token", "user_id", "organization_id"),
		write("add a member", http.MethodPost, members, admin, func(*server) []byte { return fmt.Appendf(nil, `{"user_id":%q}`, added) }, "joined_at"),
		write("remove a member", http.MethodDelete, members+"/"+added, admin, func(*server) []byte { return nil }),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// equal compares the JSON answers of two servers, except the members in random, which both
// must have.
func equal(name string, answer func(*server) ([]byte, error), a, b *server, random ...string) error {
	var decoded [2]any
	for i, s := range []*server{a, b} {
		body, err := answer(s)
		if err != nil {
			return err
		}
		if len(body) == 0 {
			continue
		}
		if err := json.Unmarshal(body, &decoded[i]); err != nil {
			return fmt.Errorf("%s of %s: %w", name, s.name, err)
		}
		for _, r := range random {
			object, _ := decoded[i].(map[string]any)
			if object[r] == nil {
				return fmt.Errorf("%s of %s has no %s", name, s.name, r)
			}
			object[r] = "random"
		}
	}
	if !reflect.DeepEqual(decoded[0], decoded[1]) {
		return fmt.Errorf("%s differs:\n%s: %v\n%s: %v", name, a.name, decoded[0], b.name, decoded[1])
	}
	return nil
}
