package httpapi

import (
	"context"
	"time"

	"guildhall/platform/access"
)

// standbyTimeout is how long a standby may take to answer. Then the primary is used.
const standbyTimeout = 2 * time.Second

// mayLag runs the handler on a standby first, if there is one. After any error it runs the
// handler on the primary. So a client never sees an error because a standby failed, hangs,
// or has not replayed a row yet.
func mayLag[I, O any](gate *access.Gate, h handler[I, O]) handler[I, O] {
	return func(ctx context.Context, in I) (O, error) {
		lagging, may := gate.MayLag(ctx)
		if !may {
			return h(ctx, in)
		}
		lagging, cancel := context.WithTimeout(lagging, standbyTimeout)
		defer cancel()
		out, err := h(lagging, in) // mutant: standby-fallback
		if err == nil {
			return out, nil
		}
		return h(ctx, in)
	}
}
