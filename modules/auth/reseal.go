package auth

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/module"
)

// Workers implements module.WithWorkers.
func (m *Module) Workers() []module.Worker { return []module.Worker{resealing{m.Service}} }

// resealing encrypts the secrets of authenticator apps with the current secret of the service,
// once after each start with retired ones, so that these can be removed.
type resealing struct{ *Service }

// Run implements module.Worker.
func (r resealing) Run(ctx context.Context) error {
	if r.sealer.HasRetired() {
		if err := r.reseal(database.ForAll(ctx)); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

const resealBatch = 500

func (r resealing) reseal(ctx context.Context) error {
	var afterUser, after uuid.UUID
	for {
		batch, err := r.store.sealedSecrets(ctx, afterUser, after, resealBatch)
		if err != nil {
			return err
		}
		for _, s := range batch {
			renewed, changed, err := r.sealer.Renew(s.secret, totpPlace(s.id))
			if err != nil { // the secret that sealed it is gone: the next log-in with it says so
				r.log.WarnContext(ctx, "an authenticator app can't be used: its secret is encrypted with a secret that is not configured", "user_id", s.userID)
				continue
			}
			if !changed {
				continue
			}
			if err := r.store.replaceSecret(ctx, s, renewed); err != nil {
				return err
			}
		}
		if len(batch) < resealBatch {
			return nil
		}
		last := batch[len(batch)-1]
		afterUser, after = last.userID, last.id
	}
}

// sealedSecret is the secret of an authenticator app, as it is stored.
type sealedSecret struct {
	userID, id uuid.UUID
	secret     string
}

// sealedSecrets returns the next secrets in the order of their keys.
func (s *store) sealedSecrets(ctx context.Context, afterUser, after uuid.UUID, n int) ([]sealedSecret, error) {
	rows, err := s.db.Rows(ctx, "SELECT user_id, id, secret FROM user_totp WHERE user_id >= ? AND (user_id > ? OR id > ?) ORDER BY user_id, id LIMIT ?", afterUser, afterUser, after, n)
	if err != nil {
		return nil, fmt.Errorf("read the secrets of authenticators: %w", err)
	}
	list, err := database.Collect(rows, func(scan func(...any) error) (x sealedSecret, err error) { return x, scan(&x.userID, &x.id, &x.secret) })
	if err != nil {
		return nil, fmt.Errorf("read the secrets of authenticators: %w", err)
	}
	return list, nil
}

// replaceSecret stores the secret in another form, unless it changed meanwhile.
func (s *store) replaceSecret(ctx context.Context, x sealedSecret, renewed string) error {
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		return s.db.Queue(ctx, "UPDATE user_totp SET secret = ? WHERE user_id = ? AND id = ? AND secret = ?", renewed, x.userID, x.id, x.secret)
	})
	if err != nil {
		return fmt.Errorf("encrypt the secret of an authenticator again: %w", err)
	}
	return nil
}
