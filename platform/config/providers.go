package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Kinds of providers. Each tells who a person is in its own way.
const (
	OIDC      = "oidc"      // OpenID Connect, as specified
	Google    = "google"    // as specified
	Microsoft = "microsoft" // whose addresses are verified only in domains that it knows
	GitHub    = "github"    // OAuth 2.0, and an API of its own
	Apple     = "apple"     // which posts its answer to the service, and knows no secrets
)

// Provider is another service with which people may log in.
type Provider struct {
	ID           string `json:"id"` // in the API and in stored rows
	Kind         string `json:"kind"`
	Name         string `json:"name"` // on the buttons
	Issuer       string `json:"issuer"`
	ClientID     string `json:"client_id"`
	ClientSecret Secret `json:"client_secret,omitempty"`

	// Of Apple, instead of the secret.
	TeamID     string `json:"team_id,omitempty"`
	KeyID      string `json:"key_id,omitempty"`
	PrivateKey Secret `json:"private_key,omitempty"` // PEM, as in the file that Apple gives
}

// Key returns the private key.
func (p Provider) Key() (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(p.PrivateKey))
	if block == nil {
		return nil, errors.New("is no PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("is no private key (PKCS #8)") // the error could quote it
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("is not of P-256")
	}
	return key, nil
}

// presets are what these ids imply.
var presets = map[string]Provider{
	Google:    {Kind: Google, Name: "Google", Issuer: "https://accounts.google.com"},
	Microsoft: {Kind: Microsoft, Name: "Microsoft", Issuer: "https://login.microsoftonline.com/common/v2.0"},
	GitHub:    {Kind: GitHub, Name: "GitHub", Issuer: "https://github.com"},
	Apple:     {Kind: Apple, Name: "Apple", Issuer: "https://appleid.apple.com"},
}

var providerKinds = []string{OIDC, Google, Microsoft, GitHub, Apple}

// objects is the kind of a setting that is a JSON array of objects. In the YAML file it may be a
// list, too.
const objects = "objects"

// providers are a JSON array of objects.
type providers struct{ target *[]Provider }

func (p providers) kind() string { return objects }

func (p providers) masked() string {
	if len(*p.target) == 0 {
		return "[]"
	}
	return jsonText(*p.target)
}

func (p providers) parse(text string) error {
	var all []Provider
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&all) != nil || decoder.More() { // the error could quote a secret
		return errors.New("is not a JSON array of objects with the texts id, client_id, client_secret, and perhaps kind, name, issuer, team_id, key_id, private_key")
	}
	for i := range all {
		if err := all[i].complete(); err != nil {
			return fmt.Errorf("has as number %d a provider that %w", i+1, err)
		}
		if slices.ContainsFunc(all[:i], func(other Provider) bool { return other.ID == all[i].ID }) {
			return fmt.Errorf("has the provider %s twice", all[i].ID)
		}
	}
	*p.target = all
	return nil
}

// complete adds what the id of a provider implies. Its error is what is wrong with the provider.
func (p *Provider) complete() error {
	if p.ID == "" || len(p.ID) > 32 || !onlyContains(p.ID, "abcdefghijklmnopqrstuvwxyz0123456789-_") {
		return errors.New("has no id of 1 to 32 lower-case letters, digits, - and _")
	}
	preset, known := presets[p.ID]
	if p.Kind == "" {
		if p.Kind = OIDC; known {
			p.Kind = preset.Kind
		}
	}
	if !slices.Contains(providerKinds, p.Kind) {
		return fmt.Errorf("has a kind that is not one of %s (%s)", strings.Join(providerKinds, ", "), p.ID)
	}
	if p.Issuer == "" {
		if preset, known = presets[p.Kind]; !known {
			return fmt.Errorf("has no issuer (%s)", p.ID)
		}
		p.Issuer = preset.Issuer
	}
	if p.Name == "" {
		if p.Name = p.ID; preset.Name != "" {
			p.Name = preset.Name
		}
	}
	switch {
	case !isIssuer(p.Issuer):
		return fmt.Errorf("has an issuer that is not a URL such as https://login.example.com (%s)", p.ID)
	case p.ClientID == "" || strings.ContainsFunc(p.ClientID+p.Name, unicode.IsControl):
		return fmt.Errorf("has no client_id, or a control character (%s)", p.ID)
	case p.Kind == Apple:
		return p.checkSigning()
	case p.TeamID != "" || p.KeyID != "" || p.PrivateKey != "":
		return fmt.Errorf("has a team_id, key_id or private_key, and is not of the kind apple (%s)", p.ID)
	case p.ClientSecret == "" && p.Kind != OIDC:
		return fmt.Errorf("has no client_secret (%s)", p.ID)
	}
	return nil
}

// checkSigning checks what Apple wants instead of a secret.
func (p *Provider) checkSigning() error {
	if p.ClientSecret != "" {
		return fmt.Errorf("has a client_secret, which the service signs itself with the private_key (%s)", p.ID)
	}
	if p.TeamID == "" || p.KeyID == "" {
		return fmt.Errorf("has no team_id or no key_id (%s)", p.ID)
	}
	if _, err := p.Key(); err != nil {
		return fmt.Errorf("has a private_key that %w (%s)", err, p.ID)
	}
	return nil
}

func isIssuer(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(s, "?")
}

// redirectURI checks a URL of a client. Programs on a phone or a desktop have schemes of their
// own (RFC 8252 §7.1).
func redirectURI(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Fragment != "" || strings.Contains(s, "#") || u.User != nil:
		return errors.New("is not a URL without a fragment, such as https://app.example.com/callback")
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host == "":
		return errors.New("has no host")
	case slices.Contains([]string{"javascript", "data", "file", "vbscript", "about", "blob"}, u.Scheme):
		return errors.New("is not a place to send people to")
	case strings.Contains(s, "*"):
		return errors.New("has a wildcard: each URL has to be listed exactly")
	}
	return nil
}

// CallbackPath is the page of accounts to which providers send people back.
const CallbackPath = "/account/callback"

// Callbacks returns the URLs to which providers may send people back: those of clients, and that
// of the pages of accounts.
func (c *Config) Callbacks() []string {
	list := slices.Clone(c.RedirectURIs)
	if base := c.PageBase(); base != "" {
		list = append(list, base+CallbackPath)
	}
	return list
}

// clearRedirect reports whether a result of a provider would be transferred without encryption.
func clearRedirect(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "http" && isClearOrigin(originOf(u))
}

// AppleCallback returns the URL of the API to which Apple sends people back.
func (c *Config) AppleCallback() string {
	return c.PageBase() + "/api/v1/auth/providers/apple/callback"
}

func (c *Config) hasApple() bool {
	return slices.ContainsFunc(c.Providers, func(p Provider) bool { return p.Kind == Apple })
}

// validateProviders reports what an attacker on the network could read or forge, and what no
// provider could answer.
func (c *Config) validateProviders(problems *Problems, weak func(name, format string, args ...any)) {
	if c.hasApple() && c.PageBase() == "" {
		problems.add("PUBLIC_URL", "has to be set for a provider of the kind apple, which sends people back to it")
	}
	for _, p := range c.Providers {
		if isClearOrigin(p.Issuer) {
			weak("PROVIDERS", "the issuer of %s is not https: anybody on the network could log in as anybody", p.ID)
		}
	}
	for _, uri := range c.RedirectURIs {
		if clearRedirect(uri) {
			weak("AUTH_REDIRECT_URIS", "%q is not https", uri)
		}
	}
}

// checkProviders tells what is to be registered at the providers.
func (c *Config) checkProviders() Finding {
	const name = "PROVIDERS"
	if len(c.Providers) == 0 {
		return Finding{OK: true, Name: name, Message: "is none: people log in with this service's accounts only"}
	}
	var ids []string
	for _, p := range c.Providers {
		ids = append(ids, p.ID)
	}
	told, back := "people may log in with "+strings.Join(ids, ", "), c.Callbacks()
	if len(back) == 0 {
		return Finding{Name: name, Message: told + ", but neither PUBLIC_URL nor AUTH_REDIRECT_URIS is set: no provider could send them back"}
	}
	told += "; register there as redirect URIs: " + strings.Join(back, ", ")
	if c.hasApple() {
		told += "; at Apple only " + c.AppleCallback()
	}
	return Finding{OK: true, Name: name, Message: told}
}
