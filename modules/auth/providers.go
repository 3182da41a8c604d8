package auth

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"guildhall/platform/field"
	"guildhall/platform/keyring"
	"guildhall/platform/token"
)

// This file is all that is said to other services with which people log in: where to send a
// person, and who they are when they come back. github.go does it for GitHub, which is no OpenID
// provider, and apple.go has what Apple does in a way of its own. identities.go decides what it
// means for an account.

// ProviderKind is in which way a provider tells who a person is.
type ProviderKind string

const (
	oidcProvider      ProviderKind = "oidc"
	googleProvider    ProviderKind = "google"
	microsoftProvider ProviderKind = "microsoft"
	githubProvider    ProviderKind = "github"
	appleProvider     ProviderKind = "apple"
)

// Provider is another service with which people may log in.
type Provider struct {
	ID                     string
	Kind                   ProviderKind
	Name                   string
	Issuer                 string
	ClientID, ClientSecret string

	// Of Apple, instead of the secret: the key that signs one, its id, and whose it is.
	PrivateKey    *ecdsa.PrivateKey
	KeyID, TeamID string
}

// identity is who a person is at a provider. Its key is the issuer and the subject, and never the
// address, which may become somebody else's.
type identity struct {
	Provider string `json:"provider"`
	Issuer   string `json:"issuer"`
	Subject  string `json:"subject"`
	Email    string `json:"email"` // empty if the provider gave none
	Verified bool   `json:"verified"`
	Name     string `json:"name"`
}

func (i identity) canonical() string { return field.Email(i.Email).Canonical() }

// departure is what the service has to remember of a person whom it sent to a provider.
type departure struct {
	Provider    string `json:"provider"`
	RedirectURI string `json:"redirect_uri"`
	State       string `json:"state"`
	Nonce       string `json:"nonce"`
	Verifier    string `json:"verifier"` // of PKCE (RFC 7636)
}

// arrival is what the person's browser brought back.
type arrival struct{ code, state, issuer string }

const (
	answerTime    = 5 * time.Second // of one request to a provider
	answerSize    = 1 << 20
	discoveryLife = time.Hour       // after which it is read again
	failureLife   = 5 * time.Second // in which a provider that is down is not asked again
)

// notProvedError is why a provider does not confirm what a client sent: a code that is wrong or of
// somebody else, or an answer to another question.
type notProvedError struct{ why string }

func (e notProvedError) Error() string { return e.why }

// provider asks one service. It learns where that has its endpoints when it is first needed.
type provider struct {
	Provider
	client   *http.Client
	sealer   *keyring.Sealer
	callback string // where Apple posts its answers
	now      func() time.Time

	mu        sync.Mutex
	hub       *oauth2.Config // of GitHub, which says nothing about itself
	known     *discovered
	learned   time.Time
	failure   error
	failed    time.Time
	unlimited context.Context //nolint:containedctx // of the keys that are read again and again
}

// discovered is what a provider says about itself (OpenID Connect Discovery 1.0).
type discovered struct {
	provider    *oidc.Provider
	verifier    *oidc.IDTokenVerifier
	client      *oauth2.Config // it learns how the client's secret is sent
	issuer      string         // with {tenantid}, if it has one for each tenant
	tellsIssuer bool           // each answer says who gave it (RFC 9207)
}

func newProvider(p Provider, sealer *keyring.Sealer, callback string, now func() time.Time) *provider {
	client := &http.Client{
		Timeout: answerTime, Transport: bounded{clear: strings.HasPrefix(p.Issuer, "http:")},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	asks := &provider{Provider: p, client: client, sealer: sealer, callback: callback, now: now, unlimited: oidc.ClientContext(context.Background(), client)}
	if p.Kind == githubProvider {
		asks.hub = asks.config(asks.githubEndpoint(), githubScopes...)
	}
	return asks
}

// bounded limits what a provider may answer, and sends nothing unencrypted to one that is
// encrypted.
type bounded struct{ clear bool }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !b.clear {
		return nil, fmt.Errorf("%s is not https", r.URL.Redacted())
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		answer.Body = limited{io.LimitReader(answer.Body, answerSize), answer.Body}
	}
	return answer, err
}

type limited struct {
	io.Reader
	io.Closer
}

// depart returns where to send a person, and what to remember until they come back.
func (p *provider) depart(redirectURI string) (to string, d departure, err error) {
	d = departure{Provider: p.ID, RedirectURI: redirectURI, State: token.NewSecret(), Nonce: token.NewSecret(), Verifier: oauth2.GenerateVerifier()}
	var options []oauth2.AuthCodeOption
	if p.Kind == appleProvider {
		if err := p.departByForm(&d); err != nil {
			return "", d, err
		}
		options = append(options, oauth2.SetAuthURLParam("response_mode", "form_post"))
	}
	client, options := p.hub, append(options, oauth2.S256ChallengeOption(d.Verifier), d.back())
	if client == nil {
		known, err := p.discover()
		if err != nil {
			return "", d, err
		}
		client, options = known.client, append(options, oidc.Nonce(d.Nonce))
	}
	return client.AuthCodeURL(d.State, options...), d, nil
}

// back is where the provider sends the person. It compares that when it gets the code.
func (d departure) back() oauth2.AuthCodeOption {
	return oauth2.SetAuthURLParam("redirect_uri", d.RedirectURI)
}

func (p *provider) config(endpoint oauth2.Endpoint, scopes ...string) *oauth2.Config {
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: endpoint, Scopes: scopes}
}

// arrive returns who the person is. Its error is a notProvedError, or why the provider did not
// answer.
func (p *provider) arrive(ctx context.Context, d departure, a arrival) (identity, error) {
	ctx = oidc.ClientContext(ctx, p.client)
	if p.Kind == githubProvider {
		return p.arriveFromGitHub(ctx, d, a)
	}
	known, err := p.discover()
	if err != nil {
		return identity{}, err
	}
	switch {
	case known.tellsIssuer && a.issuer == "": // mutant: provider-issuer-missing
		return identity{}, notProvedError{"the answer does not say which provider gave it"}
	case a.issuer != "" && a.issuer != known.issuer && !strings.Contains(known.issuer, anyTenant): // mutant: provider-issuer
		return identity{}, notProvedError{fmt.Sprintf("the answer is of %q", a.issuer)}
	}
	client, name := known.client, ""
	if p.Kind == appleProvider {
		if name, err = p.unpack(&a); err != nil {
			return identity{}, err
		}
		if client, err = p.withSignedSecret(client); err != nil {
			return identity{}, err
		}
	}
	tokens, err := exchange(ctx, client, d, a)
	if err != nil {
		return identity{}, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return identity{}, errors.New("the provider gave no ID token")
	}
	told, err := known.verifier.Verify(ctx, raw)
	if err != nil {
		return identity{}, err
	}
	if told.Nonce != d.Nonce { // mutant: provider-nonce
		return identity{}, notProvedError{"the ID token answers another question: its nonce differs"}
	}
	var c claims
	if err := told.Claims(&c); err != nil {
		return identity{}, fmt.Errorf("read the ID token: %w", err)
	}
	if c.Email == "" && known.provider.UserInfoEndpoint() != "" {
		if err := p.addUserInfo(ctx, known, tokens, told.Subject, &c); err != nil {
			return identity{}, err
		}
	}
	c.Name = cmp.Or(c.Name, name)
	return p.identityOf(known, told, c)
}

// exchange turns the code into tokens.
func exchange(ctx context.Context, client *oauth2.Config, d departure, a arrival) (*oauth2.Token, error) {
	tokens, err := client.Exchange(ctx, a.code, oauth2.VerifierOption(d.Verifier), d.back())
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && (refused.ErrorCode == "invalid_grant" || refused.ErrorCode == "bad_verification_code") {
		return nil, notProvedError{"the provider refused the code: " + refused.ErrorCode}
	}
	if err != nil {
		return nil, fmt.Errorf("exchange the code: %w", err)
	}
	return tokens, nil
}

// addUserInfo asks for what the ID token lacks: many providers tell the address only so.
func (p *provider) addUserInfo(ctx context.Context, known *discovered, tokens *oauth2.Token, subject string, c *claims) error {
	info, err := known.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return fmt.Errorf("read the user info: %w", err)
	}
	if info.Subject != subject { // OpenID Connect Core 1.0 §5.3.2 // mutant: provider-userinfo
		return errors.New("the user info is about somebody else")
	}
	return info.Claims(c)
}

// claims are what a provider says about a person.
type claims struct {
	Email    string `json:"email"`
	Verified truth  `json:"email_verified"`
	Name     string `json:"name"`
	Username string `json:"preferred_username"`

	// Of Microsoft: the tenant, the person in it, and whether the tenant owns the domain of the
	// address.
	Tenant      string `json:"tid"`
	Object      string `json:"oid"`
	DomainOwned truth  `json:"xms_edov"`
}

// truth is a claim that some providers give as a text or a number. Everything else is no.
type truth bool

func (t *truth) UnmarshalJSON(text []byte) error {
	*t = truth(slices.Contains([]string{"true", `"true"`, "1", `"1"`}, string(text))) // mutant: provider-truth
	return nil
}

// anyTenant is in the issuer of Microsoft, where people of all tenants log in.
const anyTenant = "{tenantid}"

// identityOf judges what an ID token says.
func (p *provider) identityOf(known *discovered, told *oidc.IDToken, c claims) (identity, error) {
	i := identity{Provider: p.ID, Issuer: told.Issuer, Subject: told.Subject, Email: c.Email, Verified: bool(c.Verified), Name: c.Name}
	if i.Name == "" {
		i.Name = c.Username
	}
	if p.Kind == googleProvider {
		i.Issuer = known.issuer // which it sometimes gives without its scheme
	}
	if p.Kind == microsoftProvider {
		if c.Tenant == "" || c.Object == "" {
			return i, errors.New("the ID token has no tid or no oid")
		}
		if want := strings.ReplaceAll(known.issuer, anyTenant, c.Tenant); told.Issuer != want { // mutant: microsoft-issuer
			return i, fmt.Errorf("the ID token is of %q, not of %q", told.Issuer, want)
		}
		// The subject differs from application to application. An administrator of any tenant
		// may give its people any address.
		i.Subject, i.Verified = c.Tenant+"/"+c.Object, bool(c.DomainOwned) // mutant: microsoft-verified
	}
	return i.storable()
}

// storable leaves out an address and a name that an account here can't have.
func (i identity) storable() (identity, error) {
	if i.Issuer == "" || i.Subject == "" || len(i.Issuer)+len(i.Subject) > 2000 {
		return i, errors.New("the provider does not say who the person is")
	}
	var email field.Email
	if email.UnmarshalText([]byte(i.Email)) != nil || email.IsService() {
		email, i.Verified = "", false
	}
	i.Email = string(email)
	var name field.Name
	if name.UnmarshalText([]byte(i.Name)) != nil {
		local, _, _ := strings.Cut(i.Email, "@")
		name = field.Name(local)
	}
	i.Name = string(name)
	return i, nil
}

// discover returns what the provider says about itself. It is asked when a person needs it, and
// not at the start, so that a provider that is down stops nothing else. What was known before
// holds until it answers again.
func (p *provider) discover() (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now() // after those who asked before
	switch {
	case p.known != nil && now.Sub(p.learned) < discoveryLife:
		return p.known, nil
	case p.failure != nil && now.Sub(p.failed) < failureLife:
		return p.known, p.failure
	}
	known, err := p.ask()
	switch {
	case err == nil:
		p.known, p.learned, p.failure = known, now, nil
	case p.known != nil:
		p.learned = p.now().Add(failureLife - discoveryLife)
	default:
		// Since it failed, and not since it was asked: it may have been slow, and others wait.
		p.failure, p.failed = fmt.Errorf("discover %s: %w", p.Issuer, err), p.now() // mutant: slow-provider
		return nil, p.failure
	}
	return p.known, nil
}

func (p *provider) ask() (*discovered, error) {
	ctx, issuer := p.unlimited, p.Issuer
	if p.Kind == microsoftProvider {
		for _, everybody := range []string{"/common/", "/organizations/"} {
			issuer = strings.Replace(issuer, everybody, "/"+anyTenant+"/", 1)
		}
	}
	if issuer != p.Issuer {
		ctx = oidc.InsecureIssuerURLContext(ctx, issuer) // identityOf compares it
	}
	asked, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return nil, err
	}
	var more struct {
		Issuer       string   `json:"issuer"`
		TellsIssuer  bool     `json:"authorization_response_iss_parameter_supported"`
		TokenMethods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := asked.Claims(&more); err != nil {
		return nil, err
	}
	endpoint := asked.Endpoint()
	if more.Issuer != issuer {
		return nil, fmt.Errorf("it calls itself %q", more.Issuer)
	}
	if u, err := url.Parse(endpoint.AuthURL); err != nil || u.Host == "" || u.Scheme != "https" && !strings.HasPrefix(p.Issuer, "http:") {
		return nil, fmt.Errorf("its authorization_endpoint is %q", endpoint.AuthURL)
	}
	// A provider may allow several ways to send the secret, and each client only one of them. So
	// both are tried, unless there is no choice.
	byHeader, byForm := slices.Contains(more.TokenMethods, "client_secret_basic"), slices.Contains(more.TokenMethods, "client_secret_post")
	switch {
	case p.ClientSecret == "" || byForm && !byHeader: // Apple has no constant secret, and takes the signed one in the form
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	case byHeader && !byForm:
		endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	scopes := []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail}
	if p.Kind == appleProvider {
		scopes = appleScopes
	}
	return &discovered{
		provider: asked, issuer: issuer, tellsIssuer: more.TellsIssuer,
		client:   p.config(endpoint, scopes...),
		verifier: asked.Verifier(&oidc.Config{ClientID: p.ClientID, SkipIssuerCheck: strings.Contains(issuer, anyTenant), Now: p.now}),
	}, nil
}
