// Command bench compares guildhall with scripts/bench/limit, a program that does the same
// work as cheaply as the databases allow. It measures both on the same data at the same
// time, and prints tables in Markdown. It runs in its own directory:
//
//	go -C scripts/bench run .           # about 25 minutes on two cores
//	go -C scripts/bench run . -short    # a minute and a half
//	go -C scripts/bench run . -counts   # statements and allocations only, what CI runs
//
// It fails if an answer was wrong, or if a request takes more statements or allocations
// than counts.golden has. It never fails because something was slow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"guildhall/platform/platformtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// root is the root of the repository. The service is another Go module than this program.
const root = "../.."

type options struct {
	plan
	output     string
	countsOnly bool
	update     bool
}

func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	begun := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%5.0f s  "+format+"\n", append([]any{time.Since(begun).Seconds()}, args...)...)
	}
	dir, err := temporary()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	say("statements and allocations")
	counts, err := countRequests(ctx)
	if err != nil {
		return err
	}
	if o.update {
		return writeCounts(counts)
	}
	if err := checkCounts(counts); err != nil || o.countsOnly {
		return err
	}
	b := &bench{plan: o.plan, dir: dir, say: say}
	say("building")
	if err := b.build(ctx); err != nil {
		return err
	}
	rep := report{plan: o.plan, counts: counts}
	if rep.binary, err = sizeOf(b.guildhall); err != nil {
		return err
	}
	starts := 10
	if o.short {
		starts = 3
	}
	if rep.starts, err = b.coldStarts(ctx, starts); err != nil {
		return err
	}
	for _, database := range o.databases {
		found, err := b.on(ctx, database)
		if err != nil {
			return fmt.Errorf("the run is invalid: %w", err)
		}
		rep.results = append(rep.results, found)
	}
	rep.took = time.Since(begun)
	out := io.Writer(os.Stdout)
	if o.output != "" {
		file, err := os.Create(o.output)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	return rep.write(ctx, out)
}

// temporary creates the directory for all files of this program and its children;
// PostgreSQL's user must be able to enter it.
func temporary() (string, error) {
	dir, err := os.MkdirTemp("", "guildhall-bench-")
	if err != nil {
		return "", err
	}
	return dir, errors.Join(os.Chmod(dir, 0o711), os.Setenv("TMPDIR", dir)) //nolint:gosec // see above
}

// command returns a command that ends with ctx, together with all its children.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	platformtest.Apart(cmd)
	cmd.Cancel = func() error { return platformtest.Interrupt(cmd) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	databases := flags.String("databases", "sqlite,postgres", "databases, comma-separated")
	sizes := flags.String("sizes", "1000,100000,1000000", "users in each database, comma-separated")
	connections := flags.String("connections", "1,16,64", "concurrent connections, comma-separated")
	chosen := flags.String("operations", "", "only operations whose name contains one of these, comma-separated")
	rounds := flags.Int("rounds", 3, "rounds of measurement")
	seconds := flags.Float64("seconds", 1, "duration of each measurement")
	flags.BoolVar(&o.short, "short", false, "one short round with 1000 users and 16 connections")
	flags.StringVar(&o.output, "output", "", "output file instead of standard output")
	flags.BoolVar(&o.countsOnly, "counts", false, "only compare statements and allocations with "+goldenCounts)
	flags.BoolVar(&o.update, "update", false, "only write "+goldenCounts)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.short {
		*sizes, *connections, *rounds, *seconds = "1000", "16", 1, 0.3
	}
	o.rounds, o.lasting = *rounds, time.Duration(*seconds*float64(time.Second))
	for name := range strings.SplitSeq(*databases, ",") {
		kind, known := map[string]string{"sqlite": sqlite, "postgres": postgres}[name]
		if !known {
			return o, fmt.Errorf("-databases: %q is neither sqlite nor postgres", name)
		}
		o.databases = append(o.databases, kind)
	}
	if o.users, err = numbers[int64](*sizes, 500); err != nil { // fewer organizations leave no user to add
		return o, fmt.Errorf("-sizes: %w", err)
	}
	if o.connections, err = numbers[int](*connections, 1); err != nil {
		return o, fmt.Errorf("-connections: %w", err)
	}
	if int64(slices.Max(o.connections)) > o.users[0]/2 {
		return o, errors.New("-sizes must be at least twice -connections, because each connection uses a user of its own")
	}
	for _, op := range operations() {
		asked := slices.ContainsFunc(strings.Split(*chosen, ","), func(part string) bool { return strings.Contains(op.name, part) })
		bounds := op.name == argon2id && slices.ContainsFunc(o.operations, func(other operation) bool { return other.hashing })
		if asked || bounds {
			o.operations = append(o.operations, op)
		}
	}
	if len(o.operations) == 0 || o.rounds < 1 || o.lasting <= 0 {
		return o, errors.New("nothing to measure")
	}
	return o, nil
}

// numbers parses a comma-separated list and sorts it.
func numbers[T int | int64](list string, least T) (all []T, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || T(n) < least {
			return nil, fmt.Errorf("%q is not a number of at least %d", text, least)
		}
		all = append(all, T(n))
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// build builds the binaries. The short run links dynamically, which is faster.
func (b *bench) build(ctx context.Context) error {
	b.guildhall, b.limit = filepath.Join(b.dir, "guildhall"), filepath.Join(b.dir, "limit")
	ours := command(ctx, "scripts/static", b.guildhall)
	if b.short {
		ours = command(ctx, "go", "build", "-o", b.guildhall, "./cmd/guildhall")
	}
	ours.Dir = root
	for _, cmd := range []*exec.Cmd{ours, command(ctx, "go", "build", "-o", b.limit, "./limit")} {
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", cmd, err, output)
		}
	}
	return nil
}

func sizeOf(file string) (int64, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
