package platform

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"guildhall/platform/database"
	"guildhall/platform/schema"
)

// sweepInterval is between two sweeps, more or less: replicas take turns.
const sweepInterval = 10 * time.Minute

// Swept is how many rows of a kind were forgotten.
type Swept struct {
	Kind string `json:"kind"`
	Rows int64  `json:"forgotten"`
}

// Sweep forgets what is no longer needed: a batch at a time, so that nobody
// waits for it for long. Where one kind fails, the others are swept all the
// same; what was forgotten is returned and logged in any case.
func (a *App) Sweep(ctx context.Context) ([]Swept, error) {
	ctx = database.ForAll(ctx)
	var all []Swept
	var failed []error
	var took []slog.Attr
	for _, t := range a.tables {
		kind, sweep := t.Retention.Kind(), t.Retention.Sweep()
		if sweep == nil {
			continue
		}
		rows, err := sweepOut(ctx, sweep)
		all = append(all, Swept{kind, rows})
		if err != nil {
			failed = append(failed, err)
		}
		if rows > 0 {
			took = append(took, slog.Int64(strings.ReplaceAll(kind, " ", "_"), rows))
		}
	}
	if len(took) > 0 {
		a.kernel.Log.LogAttrs(ctx, slog.LevelInfo, "swept", took...)
	}
	return all, errors.Join(failed...)
}

// sweepOut comes back until there is no more.
func sweepOut(ctx context.Context, sweep schema.Sweep) (rows int64, err error) {
	for {
		swept, err := sweep(ctx)
		rows += swept
		if err != nil || swept == 0 {
			return rows, err
		}
	}
}

func (a *App) sweepAndTell(ctx context.Context) {
	if _, err := a.Sweep(ctx); err != nil && ctx.Err() == nil {
		a.kernel.Log.WarnContext(ctx, "could not sweep", "cause", err)
	}
}
