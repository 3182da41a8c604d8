package auth

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/token"
)

// SetUpPage is the path of the page that creates the first account.
const SetUpPage = "/account/welcome"

// SetUpLink returns a link with which one person creates their account and becomes the first
// platform administrator, within a day. It refuses to once there is one (already_set_up).
func (c CommandLine) SetUpLink(ctx context.Context, base string) (string, error) {
	svc := c.svc
	exists, err := svc.admins.Exist(ctx)
	if err != nil {
		return "", err
	}
	if exists {
		return "", errAlreadySetUp
	}
	secret, now := token.NewSecret(), svc.now()
	err = svc.db.InTx(ctx, func(ctx context.Context) error {
		err := svc.db.Queue(ctx, `INSERT INTO challenges (id, purpose, email_canonical, link_hash, attempts, created_at, expires_at) VALUES (?, ?, '', ?, 0, ?, ?)`,
			uuid.Must(uuid.NewV7()), forSetUp, token.HashSecret(secret), now, now.Add(lifetimes[forSetUp]))
		if err != nil {
			return fmt.Errorf("store a set-up link: %w", err)
		}
		return nil
	})
	return token.Link(base+SetUpPage, secret), err
}

// setUp makes the person of a new account the first platform administrator, within the
// caller's transaction. Of several requests with the same link, one succeeds.
func (svc *Service) setUp(ctx context.Context, c challenge, userID uuid.UUID) error {
	if err := svc.consume(ctx, c); err != nil {
		return err
	}
	first, err := svc.admins.GrantFirst(ctx, userID)
	if err == nil && !first { // mutant: first-administrator
		return errAlreadySetUp
	}
	return err
}
