package machine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/httpapi"
	"guildhall/platform/request"
	"guildhall/platform/token"
)

// IdentityHeader has the signed identity of a request that a proxy may let pass.
const IdentityHeader = "Guildhall-Identity"

const (
	identityLife = time.Minute
	// identityKept is how long a minted identity is used again.
	identityKept = 30 * time.Second
)

// minted is an identity that was signed for a grant, at a time.
type minted struct {
	at   time.Time
	text string
}

// forwardAuth answers a proxy's question whether a request may pass to an API. It reads the
// credential and the organization of the request, and nothing else of it: the proxy's own
// configuration names the API, and what it needs.
func (svc *Service) forwardAuth(ctx context.Context, in forwardInput) (none httpapi.NoContent, err error) {
	api, known, err := svc.registry.identified(ctx, in.Resource.or(""))
	if err != nil {
		return none, err
	}
	if !known {
		return none, errUnknownResource
	}
	client := httpapi.ClientFrom(ctx)
	if client.Bearer == "" {
		return none, access.ErrAuthenticationRequired
	}
	var organizationID uuid.NullUUID
	if client.Organization != "" {
		if organizationID.UUID, err = uuid.Parse(client.Organization); err != nil {
			return none, access.ErrOrganizationNotFound
		}
		organizationID.Valid = true
	}
	a, err := svc.admit(ctx, api, client.Bearer, organizationID)
	if err != nil {
		return none, err
	}
	if in.Role != nil && !a.caller.Role.Includes(*in.Role) { // mutant: forward-role
		return none, access.ErrInsufficientRole
	}
	for _, s := range strings.Fields(string(in.Scope.or(""))) {
		if !slices.Contains(a.scopes, s) { // mutant: forward-scope
			return none, access.ErrInsufficientScope
		}
	}
	api.WantsRole = true // the proxy's upstream has no other way to learn it
	grant := forAPI(grantOf(a.caller), api, a.scopes, a.caller.Role)
	grant.Life = identityLife
	identity, err := svc.identity(grant)
	if err != nil {
		return none, err
	}
	request.SetHeader(ctx, IdentityHeader, identity)
	return none, nil
}

// identity signs an identity. The gate has decided already, so one that says the same and is
// young may be used again: signing costs more than the rest of the request.
func (svc *Service) identity(grant token.Grant) (string, error) {
	now := svc.now()
	if m, found := svc.identities.Find(grant); found && now.Sub(m.at) < identityKept && !now.Before(m.at) { // mutant: identity-kept
		return m.text, nil
	}
	text, _, err := svc.tokens.Issue(grant)
	if err == nil {
		svc.identities.Keep(grant, minted{now, text})
	}
	return text, err
}
