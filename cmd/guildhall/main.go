// Command guildhall is a self-hosted service for users, organizations and the roles
// between them, in one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"guildhall/platform/supervise"
)

// version is set by the linker for a release.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	status := supervise.Run(ctx, func(ctx context.Context) int { return execute(ctx, root()) })
	stop()
	os.Exit(status)
}
