package invitation

import (
	"context"
	"fmt"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/schema"
)

// retention is how long invitations and links are kept after they were closed or expired.
const retention = 30 * 24 * time.Hour

const sweepBatch = 500

// Tables implements module.Module.
func (m *Module) Tables() []schema.Table {
	return []schema.Table{{
		Name: "organization_invitations", Owner: schema.OfOrganization("organization_id"), Tenants: schema.Isolated(), Standing: schema.Unread(),
		Archive: schema.NotExported("a link in a mail leads to the server that sent it: invite the people again"),
		Erasure: schema.RowsGo("organization_invitations", "email_canonical = "+schema.OwnAddress),
		Copy: schema.Copied("invitations", "email_canonical = "+schema.OwnAddress, "organization_id", "email", "role", "delivered", "created_at", "expires_at", "closed_at", "closed_as").
			Omitting("a secret, and the id of who invited the person", "id", "email_canonical", "token_hash", "invited_by"),
		Retention: schema.Swept("invitations", "30 days after they were closed or expired", m.sweepInvitations),
		Sample:    schema.NoSample("nobody would have its link"),
		Invariants: schema.Require(schema.OneOpen("I17 an address has one open invitation to an organization",
			"organization_invitations", "closed_at", "organization_id", "email_canonical")),
	}, {
		Name: "invitation_links", Owner: schema.OfOrganization("organization_id"), Tenants: schema.Isolated(), Standing: schema.Unread(),
		Archive:    schema.NotExported("a link leads to the server that made it: make new ones"),
		Erasure:    schema.Remains("of a person it has only an id, and links end with the account"),
		Copy:       schema.NotCopied("a link is the organization's, and its URL a secret"),
		Retention:  schema.Swept("invitation links", "30 days after they were revoked or expired", m.sweepLinks),
		Sample:     schema.NoSample("nobody would have its URL"),
		Invariants: schema.ByConstraints(),
	}}
}

func (m *Module) sweepInvitations(ctx context.Context) (int64, error) {
	return m.sweep(ctx, "organization_invitations")
}

func (m *Module) sweepLinks(ctx context.Context) (int64, error) {
	return m.sweep(ctx, "invitation_links")
}

func (m *Module) sweep(ctx context.Context, table string) (swept int64, err error) {
	err = m.db.InTx(database.ForAll(ctx), func(ctx context.Context) error {
		swept, err = m.db.Exec(ctx, fmt.Sprintf(`DELETE FROM %[1]s WHERE (organization_id, id) IN (SELECT organization_id, id FROM %[1]s
			WHERE COALESCE(closed_at, expires_at) < ? ORDER BY COALESCE(closed_at, expires_at) LIMIT ?)`, table), m.now().Add(-retention), sweepBatch)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("sweep %s: %w", table, err)
	}
	return swept, nil
}
