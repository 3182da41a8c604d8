package httpapi

import (
	"context"
	"time"

	"guildhall/platform/access"
)

// standbyPatience is how long a standby gets to answer before the primary is
// asked instead.
const standbyPatience = 2 * time.Second

// mayLag lets a standby answer first, where there is one. Whatever comes of it
// but an answer, the primary is asked: a client never hears of a standby that
// dies or hangs, nor that something is unknown because it has not come there yet.
func mayLag[I, O any](gate *access.Gate, h handler[I, O]) handler[I, O] {
	return func(ctx context.Context, in I) (O, error) {
		lagging, may := gate.MayLag(ctx)
		if !may {
			return h(ctx, in)
		}
		lagging, cancel := context.WithTimeout(lagging, standbyPatience)
		defer cancel()
		out, err := h(lagging, in) // mutant: standby-fallback
		if err == nil {
			return out, nil
		}
		return h(ctx, in)
	}
}
