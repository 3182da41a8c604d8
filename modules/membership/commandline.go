package membership

import (
	"context"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/httpapi"
)

// CommandLine is for commands on the server. It offers what the routes offer to platform
// administrators, by the same rules.
type CommandLine struct{ svc *Service }

// CommandLine returns the operations for the command line.
func (svc *Service) CommandLine() CommandLine { return CommandLine{svc} }

// View is a member as the API shows them. Transferred is the API's answer to a transfer.
type (
	View        = memberView
	Transferred = transferView
)

// Owner returns the owner of an organization and the number of its members.
func (c CommandLine) Owner(ctx context.Context, organizationID uuid.UUID) (owner View, members int64, err error) {
	if ctx, err = c.admit(ctx, access.Org(access.Member).WhileSuspended().WhileArchived(), organizationID); err != nil {
		return owner, 0, err
	}
	if owner, err = c.svc.store.owner(ctx, organizationID, c.svc.now()); err != nil {
		return owner, 0, err
	}
	page, err := c.svc.store.list(ctx, c.svc.store.membersSQL, "organization_members", organizationID, httpapi.Window{Limit: 1, Count: true}, c.svc.now())
	if err != nil {
		return owner, 0, err
	}
	return owner, *page.Total, nil
}

// Transfer makes a member the owner. It refuses what transferOwnership refuses.
func (c CommandLine) Transfer(ctx context.Context, organizationID, newOwnerID uuid.UUID) (Transferred, error) {
	ctx, err := c.admit(ctx, byOwner(), organizationID)
	if err != nil {
		return Transferred{}, err
	}
	return c.svc.transferOwnership(ctx, transferInput{organizationPath{organizationID}, newOwnerID})
}

func (c CommandLine) admit(ctx context.Context, rule access.Rule, id uuid.UUID) (context.Context, error) {
	return c.svc.gate.AdmitCommandLine(ctx, rule, access.Request{Organization: uuid.NullUUID{UUID: id, Valid: true}, OrganizationInPath: true})
}
