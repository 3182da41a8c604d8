package access

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/database"
)

// AdmitCommandLine authorizes a command on the server as a platform administrator without
// an account: a user who can run commands can also write to the database directly. The
// rule is that of the corresponding route, with the same refusals. The audit log records
// the actor as command_line. No HTTP request uses it.
func (g *Gate) AdmitCommandLine(ctx context.Context, rule Rule, request Request) (context.Context, error) {
	standing, err := g.atCommandLine(ctx, request.Organization)
	if err != nil {
		return ctx, err
	}
	caller := Caller{
		PlatformAdmin: true, commandLine: true, OrganizationID: request.Organization, Standing: standing, rule: rule, request: request,
	}
	if err := g.decide(ctx, &caller, standing, request.Organization.Valid); err != nil {
		return ctx, err
	}
	return With(ctx, caller), nil
}

// atCommandLine returns the standing of the command line: a good account, with the
// standing of the organization.
func (g *Gate) atCommandLine(ctx context.Context, organizationID uuid.NullUUID) (Standing, error) {
	var bits Bits
	if organizationID.Valid {
		ctx = database.For(database.OnPrimary(ctx), database.Tenant{OrganizationID: organizationID})
		query := fmt.Sprintf("SELECT %s FROM (SELECT %s AS organization_id, %s AS now) k%s",
			organizationBits, g.db.Param("uuid"), g.db.Param("timestamptz"), organizationJoins)
		if err := g.db.Row(ctx, query, organizationID, g.now()).Scan(&bits); err != nil {
			return Standing{}, fmt.Errorf("read an organization's standing: %w", err)
		}
	}
	s := bits.Standing()
	s.AccountExists, s.SessionLive, s.AccountActive, s.PlatformAdmin = true, true, true, true
	return s, nil
}
