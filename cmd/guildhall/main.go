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

	"guildhall/platform/fault"
)

// version is set by the linker for a release.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		var refusal *fault.Error
		if errors.As(err, &refusal) {
			err = errors.New(refusal.Detail)
		}
		fmt.Fprintln(os.Stderr, "guildhall:", err)
		os.Exit(1)
	}
}
