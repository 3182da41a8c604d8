//go:build !windows

package supervise

import "context"

func supervised(ctx context.Context, run func(context.Context) int) int { return run(ctx) }
