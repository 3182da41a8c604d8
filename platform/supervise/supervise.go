// Package supervise runs the process the way its supervisor wants: systemd, a
// container's runtime and a person at a terminal stop it by a signal, which is
// main's work; Windows' service control manager has ways of its own.
package supervise

import "context"

// Run runs what the process is for and returns its exit status. The context ends
// when a supervisor that does not send signals wants the process to stop.
func Run(ctx context.Context, run func(context.Context) int) int { return supervised(ctx, run) }
