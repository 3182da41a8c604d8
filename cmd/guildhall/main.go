// Guildhall keeps users, organizations and the roles between them, as one
// self-hosted binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"guildhall/platform/fault"
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

// execute runs a command, reports what it failed with, and returns the exit status.
func execute(ctx context.Context, cmd *cobra.Command) int {
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var refusal *fault.Error
	if errors.As(err, &refusal) {
		err = errors.New(refusal.Detail)
	}
	fmt.Fprintln(os.Stderr, "guildhall:", err)
	return 1
}
