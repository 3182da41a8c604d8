package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"guildhall/platform/databaseurl"
	"guildhall/platform/fault"
)

// The exit statuses, which mean the same for every command.
const (
	done       = 0
	failed     = 1
	wrongUsage = 2
	warned     = 3
)

// exitStatuses returns each status with its description, for help and the manual.
func exitStatuses() [][2]string {
	return [][2]string{
		{fmt.Sprint(done), "Success: the command did its work, or the service drained completely. `check` and `doctor` found nothing wrong; `doctor` may have warned."},
		{fmt.Sprint(failed), "Failure: standard error has the reason. Includes invalid settings, wherever they come from, and problems found by `check` or `doctor`."},
		{fmt.Sprint(wrongUsage), "Usage error: an unknown command or flag, or a missing or malformed subcommand or argument. Nothing was done."},
		{fmt.Sprint(warned), "`doctor --strict` warned, and nothing is wrong yet."},
	}
}

// withStatus is an error that ends the process with a status of its own.
type withStatus struct {
	error
	status int
}

func (e withStatus) Unwrap() error { return e.error }

// usageError returns an error that ends the process with the status for wrong usage.
func usageError(format string, args ...any) error {
	return withStatus{fmt.Errorf(format, args...), wrongUsage}
}

// execute runs the command that the arguments name, and returns its exit status.
func execute(ctx context.Context, root *cobra.Command) int {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	began := false
	everyCommand(root, func(c *cobra.Command) {
		if isTitle(c) {
			c.Args, c.RunE = cobra.ArbitraryArgs, withoutSubcommand
			c.Annotations = map[string]string{onlyTitle: ""}
		}
		if run := c.RunE; run != nil {
			c.RunE = func(cmd *cobra.Command, args []string) error {
				began = true
				return run(cmd, args)
			}
		}
	})
	out := &checkedOutput{Writer: root.OutOrStdout()}
	root.SetOut(out)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil && out.err == nil:
		return done
	case err == nil:
		began, err = true, fmt.Errorf("the output is incomplete: %w", out.err)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	}
	status := statusOf(err)
	if !began { // cobra refused the arguments
		status = wrongUsage
	}
	fmt.Fprintln(root.ErrOrStderr(), "guildhall:", databaseurl.MaskAll(sentence(err)))
	if status == wrongUsage {
		fmt.Fprintf(root.ErrOrStderr(), "See `%s --help`.\n", cmd.CommandPath())
	}
	return status
}

func everyCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		everyCommand(sub, visit)
	}
}

// withoutSubcommand runs a command that only groups others. It is a usage error, so that a
// script that omits the subcommand does not continue as if it had succeeded.
func withoutSubcommand(cmd *cobra.Command, args []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	all := strings.Join(names, ", ")
	if len(args) == 1 && args[0] == "help" {
		return cmd.Help()
	}
	if len(args) == 0 {
		return usageError("%s needs a subcommand, one of: %s", cmd.CommandPath(), all)
	}
	return usageError("%s has no subcommand %q; it has: %s", cmd.CommandPath(), args[0], all)
}

func statusOf(err error) int {
	var known withStatus
	if errors.As(err, &known) {
		return known.status
	}
	var refusal *fault.Error
	if errors.As(err, &refusal) && refusal.Kind == fault.Invalid {
		return wrongUsage
	}
	return failed
}

// sentence formats an error for standard error. For a refusal it is what the API answers.
func sentence(err error) string {
	var refusal *fault.Error
	if !errors.As(err, &refusal) {
		return err.Error()
	}
	if len(refusal.Fields) == 0 {
		return refusal.Detail
	}
	var fields []string
	for _, f := range refusal.Fields {
		_, name, _ := strings.Cut(f.Location, ".")
		if name == "suspended_until" {
			name = "--until"
		}
		fields = append(fields, name+" "+f.Problem.Error())
	}
	return strings.Join(fields, "\n")
}

// onlyTitle marks a command that only groups others, once it has something to run.
const onlyTitle = "title"

// isTitle reports whether a command only groups others.
func isTitle(c *cobra.Command) bool {
	_, marked := c.Annotations[onlyTitle]
	return marked || c.HasSubCommands() && !c.Runnable()
}
