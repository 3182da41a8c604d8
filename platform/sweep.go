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

// sweepInterval is the approximate time between two sweeps: replicas take turns.
const sweepInterval = 10 * time.Minute

// Swept is the number of rows of one kind that a sweep deleted.
type Swept struct {
	Kind string `json:"kind"`
	Rows int64  `json:"forgotten"`
}

// Sweep deletes data whose retention period has ended. It deletes one batch at a time,
// so that no request waits for it long. If one kind fails, it still sweeps the others.
// It returns and logs what it deleted, also if it returns an error.
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

// sweepOut repeats the sweep until it finds nothing more to delete.
func sweepOut(ctx context.Context, sweep schema.Sweep) (rows int64, err error) {
	for {
		swept, err := sweep(ctx)
		rows += swept
		if err != nil || swept == 0 {
			return rows, err
		}
	}
}

func (a *App) sweepAndLog(ctx context.Context) {
	if _, err := a.Sweep(ctx); err != nil && ctx.Err() == nil {
		a.kernel.Log.WarnContext(ctx, "could not sweep", "cause", err)
	}
}
