package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"guildhall/platform/fault"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
	"guildhall/platform/token"
)

// This file has the two things that Apple does otherwise than other providers. First, its answer is
// a form, which the browser posts to one URL of this service (response_mode=form_post). From there
// the browser goes on to the client, with the parameters that other providers add. Second, the
// client's secret is not constant: it is a token that this service signs.

var appleScopes = []string{"openid", "name", "email"}

// sender is what the state of an answer of Apple holds: nothing else says which client asked. The
// nonce makes it one that nobody guesses.
type sender struct {
	Provider    string `json:"provider"`
	RedirectURI string `json:"redirect_uri"`
	Nonce       string `json:"nonce"`
}

// carried is what the client brings back as the code: only the form has the name, and only once.
type carried struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

const statePlace = "state for a provider"

func codePlace(state string) string { return "code of a provider " + state } // mutant: apple-code

// departByForm changes a departure so that the provider posts the answer to this service.
func (p *provider) departByForm(d *departure) error {
	text, err := json.Marshal(sender{p.ID, d.RedirectURI, token.NewSecret()})
	if err != nil {
		return err
	}
	d.RedirectURI = p.callback
	d.State, err = p.sealer.Seal(text, statePlace)
	return err
}

// passOn takes the form in which a provider posts its answer, and sends the browser on to the
// client that asked. It judges nothing: the client has the token of the challenge, and without it
// the code is worthless.
func (svc *Service) passOn(_ context.Context, in passOnInput) (to httpapi.SeeOther, err error) {
	text, err := svc.sealer.Open(string(in.State), statePlace)
	if err != nil {
		return to, errInvalidChallenge.WithCause(err)
	}
	var asked sender
	if err := json.Unmarshal(text, &asked); err != nil {
		return to, err
	}
	if !slices.Contains(svc.options.RedirectURIs, asked.RedirectURI) || svc.provider(asked.Provider) == nil { // removed since
		return to, errInvalidChallenge
	}
	answer := url.Values{"state": {string(in.State)}}
	switch {
	case in.Error != nil:
		answer.Set("error", string(*in.Error))
	case in.Code == nil:
		return to, httpapi.Invalid("body.code", fault.Required)
	default:
		text, err := json.Marshal(carried{string(*in.Code), appleName(in.User)})
		if err != nil {
			return to, err
		}
		sealed, err := svc.sealer.Seal(text, codePlace(string(in.State)))
		if err != nil {
			return to, err
		}
		answer.Set("code", sealed)
	}
	to.URL, err = withQuery(asked.RedirectURI, answer)
	return to, err
}

func withQuery(to string, more url.Values) (string, error) {
	u, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += more.Encode()
	return u.String(), nil
}

// unpack replaces the code of an arrival by the one that the provider gave, and returns the name
// that came with it.
func (p *provider) unpack(a *arrival) (name string, err error) {
	text, err := p.sealer.Open(a.code, codePlace(a.state))
	if err != nil {
		return "", notProvedError{"the code is not what was passed on: " + err.Error()}
	}
	var c carried
	if err := json.Unmarshal(text, &c); err != nil {
		return "", err
	}
	a.code = c.Code
	return c.Name, nil
}

// appleName returns the name in the member user of Apple's form. The browser could change it, so it
// proves nothing.
func appleName(user *field.Credential) string {
	if user == nil {
		return ""
	}
	var told struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	if json.Unmarshal([]byte(*user), &told) != nil {
		return ""
	}
	return strings.TrimSpace(told.Name.First + " " + told.Name.Last)
}

// signedSecretLife is how long a signed secret is valid: one request.
const signedSecretLife = 5 * time.Minute

// withSignedSecret returns the client with a secret that Apple accepts.
func (p *provider) withSignedSecret(client *oauth2.Config) (*oauth2.Config, error) {
	now := p.now()
	secret := token.ClientSecret{KeyID: p.KeyID, Issuer: p.TeamID, Subject: p.ClientID, Audience: p.Issuer, IssuedAt: now, ExpiresAt: now.Add(signedSecretLife)}
	text, err := secret.Sign(p.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("sign the client's secret: %w", err)
	}
	with := *client
	with.ClientSecret = text
	return &with, nil
}
