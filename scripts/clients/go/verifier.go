// Package guildhall verifies access tokens of Guildhall in another program's API. It checks
// signatures with the published keys and follows the revocation feed, so that a request
// costs no call, and a removal, a suspension or a log-out shows at once.
package guildhall

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var (
	// ErrInvalidToken means that a token is forged, for somebody else, expired or revoked.
	ErrInvalidToken = errors.New("the access token is invalid, has expired or has been revoked")
	// ErrUnavailable means that nobody can say whether a token holds: Guildhall can't be
	// reached, or refuses this API's key.
	ErrUnavailable = errors.New("access tokens can't be verified at the moment")
)

const (
	defaultStaleness = 5 * time.Second
	leastStaleness   = 2 * time.Second
	// callTimeout bounds calls that a request waits for.
	callTimeout = 3 * time.Second
	// leeway is how far the clocks of this machine and Guildhall's may differ.
	leeway = 5 * time.Second
)

// Options say which tokens a Verifier takes, and whom it asks.
type Options struct {
	URL      string // of Guildhall: https://accounts.example.com
	Issuer   string // its JWT_ISSUER; default: guildhall
	Audience string // this API's identifier, as it is registered
	Key      string // an API key of this API's service account

	// MaxStaleness is how old the knowledge of revocations may be, 2 s or more. With older
	// knowledge, a Verifier asks Guildhall about each token. Default: 5 s.
	MaxStaleness time.Duration
	Client       *http.Client // default: one of its own
	Logger       *slog.Logger // default: slog.Default()
}

// Identity says who sends a request.
type Identity struct {
	Person       string   // or the service account of a program
	Organization string   // in which they act; empty if in none
	Session      string   // or the API key of a program
	Role         string   // in the organization, if this API's tokens have roles
	Scopes       []string // what they may do
	ClientID     string   // guildhall, or the API key of a program
}

// HasScope reports whether a token has a scope.
func (i *Identity) HasScope(scope string) bool { return slices.Contains(i.Scopes, scope) }

// HasRole reports whether somebody has a role or a higher one.
func (i *Identity) HasRole(role string) bool {
	return rank(role) >= 0 && rank(i.Role) >= rank(role)
}

func rank(role string) int { return slices.Index([]string{"member", "admin", "owner"}, role) }

// Verifier verifies access tokens. It may be used by many goroutines at once.
type Verifier struct {
	options Options
	api     *api
	keys    *keys
	feed    *feed
	parser  *jwt.Parser
}

// New returns a Verifier that follows the revocation feed until ctx ends. It does not wait
// for Guildhall: until the first answer, each token is asked about.
func New(ctx context.Context, o Options) (*Verifier, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" {
		return nil, errors.New("guildhall: URL must be the address of Guildhall")
	}
	if o.Audience == "" || o.Key == "" {
		return nil, errors.New("guildhall: Audience and Key are required")
	}
	if o.Issuer == "" {
		o.Issuer = "guildhall"
	}
	if o.MaxStaleness == 0 {
		o.MaxStaleness = defaultStaleness
	}
	if o.MaxStaleness < leastStaleness {
		return nil, errors.New("guildhall: MaxStaleness must be 2 s or more")
	}
	if o.Client == nil {
		o.Client = newClient()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	a := &api{base: strings.TrimRight(o.URL, "/"), key: o.Key, client: o.Client}
	k := &keys{api: a, log: o.Logger}
	v := &Verifier{
		options: o, api: a, keys: k, feed: newFeed(a, o.MaxStaleness, o.Logger, k.hurry),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg(), jwt.SigningMethodRS256.Alg()}),
			jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding(),
		),
	}
	go v.feed.follow(ctx)
	go v.keys.get(ctx, "") //nolint:errcheck // so that the first request need not wait; it tries again
	return v, nil
}

// newClient returns a client that notices soon when a connection of HTTP/2 is dead. It takes
// the key nowhere else.
func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: time.Second}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Fresh reports whether revocations are known up to now. If not, requests take longer,
// because each token is asked about.
func (v *Verifier) Fresh() bool { return v.feed.fresh(time.Now()) }

// Verify returns whose token it is. The error is ErrInvalidToken or ErrUnavailable.
func (v *Verifier) Verify(ctx context.Context, token string) (*Identity, error) {
	c, err := v.parse(ctx, token)
	if err != nil {
		if errors.Is(err, ErrUnavailable) {
			return nil, ErrUnavailable
		}
		return nil, ErrInvalidToken
	}
	switch v.feed.judge(c, time.Now()) {
	case holds:
		return c.identity(), nil
	case revoked:
		return nil, ErrInvalidToken
	default:
		return v.api.introspect(ctx, token)
	}
}

// claims are those of an access token (RFC 9068).
type claims struct {
	jwt.RegisteredClaims
	Session      string `json:"sid"`
	Organization string `json:"organization_id"`
	ClientID     string `json:"client_id"`
	Scope        string `json:"scope"`
	Role         string `json:"role"`
}

func (c *claims) identity() *Identity {
	return &Identity{
		Person: c.Subject, Organization: c.Organization, Session: c.Session,
		Role: c.Role, Scopes: strings.Fields(c.Scope), ClientID: c.ClientID,
	}
}

// parse verifies all that a token itself can show.
func (v *Verifier) parse(ctx context.Context, token string) (*claims, error) {
	c := new(claims)
	_, err := v.parser.ParseWithClaims(token, c, func(t *jwt.Token) (any, error) {
		typ, _ := t.Header["typ"].(string)
		if !strings.EqualFold(strings.TrimPrefix(typ, "application/"), "at+jwt") {
			return nil, errors.New("it is no access token")
		}
		if _, found := t.Header["crit"]; found {
			return nil, errors.New("it has extensions that are unknown here") // RFC 7515 §4.1.11
		}
		id, _ := t.Header["kid"].(string)
		if id == "" {
			return nil, errUnknownKey
		}
		k, err := v.keys.get(ctx, id)
		if err != nil {
			return nil, err
		}
		// The key decides which algorithm is right, never the token (RFC 8725 §3.1).
		if t.Method.Alg() != k.algorithm {
			return nil, errors.New("the key is for another algorithm")
		}
		return k.public, nil
	})
	if err != nil {
		return nil, err
	}
	// Without one of them, no mark would match.
	if c.Subject == "" || c.Session == "" || c.IssuedAt == nil {
		return nil, errors.New("sub, sid and iat are required")
	}
	return c, nil
}
