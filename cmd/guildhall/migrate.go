package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"guildhall/platform"
	"guildhall/platform/database"
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Change the database schema, or say how it stands"}
	cmd.AddCommand(
		&cobra.Command{
			Use: "up", Short: "Apply every pending migration", Args: cobra.NoArgs,
			RunE: withNew(func(cmd *cobra.Command, _ []string, k *platform.Kernel, app *platform.App) error {
				applied, err := k.DB.Migrate(cmd.Context(), app.Migrations())
				if err := report(cmd, "applied", applied, err); err != nil {
					return err
				}
				if err := k.DB.RowSecurityAsSet(cmd.Context()); err != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), "the service would not start with these settings:", err)
				}
				return nil
			}),
		},
		migrateDownCommand(),
		&cobra.Command{
			Use: "status", Short: "List migrations and whether each has been applied", Args: cobra.NoArgs,
			RunE: withApp(func(cmd *cobra.Command, _ []string, k *platform.Kernel, app *platform.App) error {
				return printStatus(cmd.Context(), cmd, k, app)
			}),
		},
		&cobra.Command{
			Use: "plan", Short: "Print the SQL of every pending migration", Args: cobra.NoArgs,
			RunE: withApp(func(cmd *cobra.Command, _ []string, k *platform.Kernel, app *platform.App) error {
				return printPlan(cmd.Context(), cmd, k, app)
			}),
		},
	)
	return cmd
}

func migrateDownCommand() *cobra.Command {
	n := 1
	return &cobra.Command{
		Use: "down [N]", Short: "Roll the last N migrations back (1)",
		Args: cobra.MatchAll(cobra.MaximumNArgs(1), func(_ *cobra.Command, args []string) (err error) {
			if len(args) == 1 {
				if n, err = strconv.Atoi(args[0]); err != nil || n < 1 {
					return fmt.Errorf("%q is not a number of migrations", args[0])
				}
			}
			return nil
		}),
		RunE: withApp(func(cmd *cobra.Command, _ []string, k *platform.Kernel, app *platform.App) error {
			undone, err := k.DB.Rollback(cmd.Context(), app.Migrations(), n)
			return report(cmd, "rolled back", undone, err)
		}),
	}
}

func report(cmd *cobra.Command, what string, ids []string, err error) error {
	for _, id := range ids {
		fmt.Fprintln(cmd.OutOrStdout(), what, id)
	}
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "nothing to do")
	}
	return nil
}

func printStatus(ctx context.Context, cmd *cobra.Command, k *platform.Kernel, app *platform.App) error {
	status, err := k.DB.Status(ctx, app.Migrations())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	for _, id := range status.Applied {
		fmt.Fprintln(out, "applied", id)
	}
	for _, id := range status.Pending {
		fmt.Fprintln(out, "pending", id)
	}
	for _, id := range status.Unknown {
		fmt.Fprintln(out, "unknown", id)
	}
	if len(status.Unknown) > 0 {
		return database.ErrSchemaNewer
	}
	return nil
}

func printPlan(ctx context.Context, cmd *cobra.Command, k *platform.Kernel, app *platform.App) error {
	status, err := k.DB.Status(ctx, app.Migrations())
	if err != nil {
		return err
	}
	pending := map[string]bool{}
	for _, id := range status.Pending {
		pending[id] = true
	}
	for _, m := range app.Migrations() {
		if pending[m.ID] {
			fmt.Fprintf(cmd.OutOrStdout(), "-- %s\n%s;\n\n", m.ID, strings.Join(k.DB.Statements(m.Up), ";\n"))
		}
	}
	return nil
}
