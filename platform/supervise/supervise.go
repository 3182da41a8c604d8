// Package supervise adapts the process to its supervisor. systemd, a container's
// runtime and a person at a terminal stop it by a signal, which main handles. Windows'
// service control manager works differently.
package supervise

import "context"

// Run calls run and returns its exit status. The context ends when a supervisor that
// does not send signals stops the process.
func Run(ctx context.Context, run func(context.Context) int) int { return supervised(ctx, run) }
