package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"guildhall/platform/seed"
)

// person is a user who is logged in on a server.
type person struct {
	number          int64
	id              string
	access, refresh string
}

// adder is an admin who adds another user to an organization repeatedly.
type adder struct {
	*person
	organization string
	added        *person
}

// people are the logged-in users of one server. The readers' own data never changes. The
// others are added to organizations.
type people struct {
	readers, others []*person
	adders          []*adder
	renewed         time.Time
}

// all returns the users whose tokens may be refreshed.
func (p *people) all() []*person { return append(append([]*person{}, p.readers...), p.others...) }

const (
	othersAtFirst = 96
	mostAdders    = 96
)

// admit logs in the readers, one for each connection, and the first of the others.
func (s *server) admit(ctx context.Context, readers int) error {
	numbers := make([]int64, readers)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	var err error
	s.people.renewed = time.Now()
	if s.people.readers, err = s.logIn(ctx, numbers); err != nil {
		return err
	}
	return s.admitOthers(ctx, othersAtFirst)
}

// admitOthers logs in n more users, spread over all of them.
func (s *server) admitOthers(ctx context.Context, n int) error {
	first := int64(len(s.people.readers))
	numbers := make([]int64, n)
	for i := range numbers {
		numbers[i] = first + int64(len(s.people.others)+i)*7919%(s.size.Users-first)
	}
	more, err := s.logIn(ctx, numbers)
	s.people.others = append(s.people.others, more...)
	return err
}

// admitAdders logs in owners and admins of organizations other than the largest,
// and finds for each a user to add who is not a member there.
func (s *server) admitAdders(ctx context.Context) error {
	var numbers, organizations []int64
	for place := range int64(3) { // the owner and two admins
		for o := s.size.Organizations - 1; o > 0 && len(numbers) < mostAdders; o-- {
			if first, n := s.size.MembersOf(o); place < n {
				numbers = append(numbers, (first+place)%s.size.Users)
				organizations = append(organizations, o)
			}
		}
	}
	admins, err := s.logIn(ctx, numbers)
	if err != nil {
		return err
	}
	// With few admins, each adds several users.
	for i, other := range s.people.others[:min(len(s.people.others), mostAdders)] {
		for j := range admins {
			k := (i + j) % len(admins)
			if !s.isMember(other.number, organizations[k]) {
				s.people.adders = append(s.people.adders, &adder{admins[k], seed.OrganizationID(organizations[k]).String(), other})
				break
			}
		}
	}
	if len(s.people.adders) == 0 {
		return fmt.Errorf("%d users in %d organizations: no user could be added anywhere", s.size.Users, s.size.Organizations)
	}
	return nil
}

func (s *server) isMember(number, organization int64) bool {
	first, n := s.size.MembersOf(organization)
	return (number-first%s.size.Users+s.size.Users)%s.size.Users < n
}

func (s *server) logIn(ctx context.Context, numbers []int64) ([]*person, error) {
	all := make([]*person, len(numbers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, number := range numbers {
		group.Go(func() (err error) {
			all[i], err = s.logInAs(ctx, number)
			return err
		})
	}
	return all, group.Wait()
}

type tokens struct {
	UserID       string `json:"user_id"`
	Email        string `json:"email"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
}

func (s *server) logInAs(ctx context.Context, number int64) (*person, error) {
	var t tokens
	body, err := s.ask(ctx, http.MethodPost, logInPath, "", logInBody(number))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	if t.UserID != seed.UserID(number).String() {
		return nil, fmt.Errorf("%s is logged in as %s", seed.Email(number), t.UserID)
	}
	return &person{number: number, id: t.UserID, access: t.AccessToken, refresh: t.RefreshToken}, nil
}

// renew gives all users new tokens every ten minutes, because an access token lives
// half an hour.
func (s *server) renew(ctx context.Context) error {
	if time.Since(s.people.renewed) < 10*time.Minute {
		return nil
	}
	s.people.renewed = time.Now()
	users := s.people.all()
	for _, a := range s.people.adders {
		if !slices.Contains(users, a.person) {
			users = append(users, a.person)
		}
	}
	for _, p := range users {
		body, err := s.ask(ctx, http.MethodPost, refreshPath, "", refreshBody(p.refresh))
		if err != nil {
			return err
		}
		if err := p.take(body); err != nil {
			return err
		}
	}
	return nil
}

// take stores the tokens of an answer. It refuses tokens that are missing, repeated, or
// another user's.
func (p *person) take(body []byte) error {
	access, refresh := member(body, "access_token"), member(body, "refresh_token")
	if access == "" || refresh == "" || refresh == p.refresh || member(body, "user_id") != p.id {
		return fmt.Errorf("wrong tokens for %s: %s", p.id, body)
	}
	p.access, p.refresh = access, refresh
	return nil
}
