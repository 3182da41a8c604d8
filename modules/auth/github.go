package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/oauth2"
)

// This file logs people in with GitHub: OAuth 2.0 and two endpoints of its API. The issuer is the
// address of GitHub itself, or of an installation of GitHub Enterprise.

var githubScopes = []string{"read:user", "user:email"}

func (p *provider) githubEndpoint() oauth2.Endpoint {
	base := strings.TrimSuffix(p.Issuer, "/")
	return oauth2.Endpoint{AuthURL: base + "/login/oauth/authorize", TokenURL: base + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams}
}

func (p *provider) githubAPI() string {
	base := strings.TrimSuffix(p.Issuer, "/")
	if base == "https://github.com" {
		return "https://api.github.com"
	}
	return base + "/api/v3"
}

// arriveFromGitHub is arrive. The name of a person can change and become somebody else's, so the
// number of their account is who they are.
func (p *provider) arriveFromGitHub(ctx context.Context, d departure, a arrival) (i identity, err error) {
	tokens, err := exchange(ctx, p.hub, d, a)
	if err != nil {
		return i, err
	}
	var user struct {
		ID          int64
		Login, Name string
	}
	if err := p.readGitHub(ctx, tokens, "/user", &user); err != nil {
		return i, err
	}
	var addresses []struct {
		Email             string
		Primary, Verified bool
	}
	if err := p.readGitHub(ctx, tokens, "/user/emails", &addresses); err != nil {
		return i, err
	}
	if user.ID == 0 {
		return i, errors.New("GitHub does not say who the person is")
	}
	i = identity{Provider: p.ID, Issuer: strings.TrimSuffix(p.Issuer, "/"), Subject: strconv.FormatInt(user.ID, 10), Name: user.Name}
	if i.Name == "" {
		i.Name = user.Login
	}
	for _, address := range addresses {
		if address.Primary { // mutant: github-primary
			i.Email, i.Verified = address.Email, address.Verified // mutant: github-verified
		}
	}
	return i.storable()
}

func (p *provider) readGitHub(ctx context.Context, tokens *oauth2.Token, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.githubAPI()+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/vnd.github+json")
	r.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	tokens.SetAuthHeader(r)
	answer, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", r.URL.Path, answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return fmt.Errorf("GET %s: %w", r.URL.Path, err)
	}
	return nil
}
