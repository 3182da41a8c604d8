// Command portable type-checks the module and its tests for other systems than this one. It
// needs no C compiler for them: it does not check cgo's declarations, and checks only the
// declarations of dependencies, not their function bodies. Run it in the repository's root:
//
//	go run ./scripts/portable                    # every supported system
//	go run ./scripts/portable darwin/arm64 ...   # some
//
// It prints a line for each fault, and fails if there is one.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// supported are the systems that the README promises.
var supported = []string{
	"linux/amd64", "linux/arm64", "linux/arm", "linux/386",
	"darwin/arm64", "darwin/amd64", "windows/amd64", "freebsd/amd64",
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	faults, err := check(ctx, ".", os.Args[1:])
	stop()
	for _, f := range faults {
		fmt.Println(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "portable:", err)
	}
	if err != nil || len(faults) > 0 {
		os.Exit(1)
	}
}

// check returns a line for each fault on each system.
func check(ctx context.Context, dir string, systems []string) ([]string, error) {
	if len(systems) == 0 {
		systems = supported
	}
	found := make([][]string, len(systems))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i, name := range systems {
		goos, goarch, ok := strings.Cut(name, "/")
		if !ok {
			return nil, fmt.Errorf("%q is not a system such as linux/arm64", name)
		}
		group.Go(func() error {
			packages, err := list(ctx, dir, goos, goarch)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			for _, fault := range faults(packages, goarch) {
				found[i] = append(found[i], name+": "+fault)
			}
			return nil
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}
