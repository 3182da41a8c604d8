package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"guildhall/platform/migrate"
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Change or show the version of the database schema"}
	cmd.AddCommand(migrateUpCommand(), migrateDownCommand(), migrateStatusCommand(),
		&cobra.Command{
			Use: "plan", Short: "Print the SQL of every pending migration", Args: cobra.NoArgs,
			RunE: withApp(func(cmd *cobra.Command, _ []string, g *guildhall) error {
				return printPlan(cmd.Context(), cmd, g)
			}),
		},
	)
	return cmd
}

// The states of a migration.
const (
	applied    = "applied"
	pending    = "pending"
	unknown    = "unknown" // applied by a newer version
	rolledBack = "rolled_back"
)

// migrationState is a migration in the output of `migrate --json`.
type migrationState struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

func (m migrationState) String() string { return strings.ReplaceAll(m.State, "_", " ") + " " + m.ID }

func inState(state string, ids []string) []migrationState {
	list := make([]migrationState, len(ids))
	for i, id := range ids {
		list[i] = migrationState{id, state}
	}
	return list
}

func printMigrations(cmd *cobra.Command, asJSON bool, list []migrationState) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), list)
	}
	for _, m := range list {
		fmt.Fprintln(cmd.OutOrStdout(), m)
	}
	return nil
}

func addMigrationJSON(cmd *cobra.Command, asJSON *bool, states ...string) {
	addJSONOf(cmd, asJSON, "a JSON array of {id, state}: "+strings.Join(states, ", "))
}

func migrateUpCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "up", Short: "Apply every pending migration", Args: cobra.NoArgs,
		RunE: withNew(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			ids, err := migrate.Up(cmd.Context(), g.DB, g.app.Migrations())
			if err := report(cmd, asJSON, inState(applied, ids), err); err != nil {
				return err
			}
			if err := g.DB.RowSecurityAsSet(cmd.Context()); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "the service would not start with these settings:", err)
			}
			return nil
		}),
	}
	addMigrationJSON(cmd, &asJSON, applied)
	return cmd
}

func migrateDownCommand() *cobra.Command {
	var asJSON bool
	n := 1
	cmd := &cobra.Command{
		Use: "down [N]", Short: "Roll the last N migrations back (1)",
		Args: cobra.MatchAll(cobra.MaximumNArgs(1), func(_ *cobra.Command, args []string) (err error) {
			if len(args) == 1 {
				if n, err = strconv.Atoi(args[0]); err != nil || n < 1 {
					return fmt.Errorf("%q is not a number of migrations", args[0])
				}
			}
			return nil
		}),
		RunE: withApp(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			ids, err := migrate.Down(cmd.Context(), g.DB, g.app.Migrations(), n)
			return report(cmd, asJSON, inState(rolledBack, ids), err)
		}),
	}
	addMigrationJSON(cmd, &asJSON, rolledBack)
	return cmd
}

// report prints the migrations that were applied or rolled back, also if a later one failed.
func report(cmd *cobra.Command, asJSON bool, list []migrationState, err error) error {
	if printed := printMigrations(cmd, asJSON, list); printed != nil || err != nil {
		return errors.Join(err, printed)
	}
	if len(list) == 0 && !asJSON {
		fmt.Fprintln(cmd.OutOrStdout(), "nothing to do")
	}
	return nil
}

func migrateStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "List migrations and whether each has been applied", Args: cobra.NoArgs,
		RunE: withApp(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			status, err := migrate.StatusOf(cmd.Context(), g.DB, g.app.Migrations())
			if err != nil {
				return err
			}
			list := slices.Concat(inState(applied, status.Applied), inState(pending, status.Pending), inState(unknown, status.Unknown))
			if err := printMigrations(cmd, asJSON, list); err != nil {
				return err
			}
			if len(status.Unknown) > 0 {
				return migrate.ErrSchemaNewer
			}
			return nil
		}),
	}
	addMigrationJSON(cmd, &asJSON, applied, pending, unknown)
	return cmd
}

func printPlan(ctx context.Context, cmd *cobra.Command, g *guildhall) error {
	status, err := migrate.StatusOf(ctx, g.DB, g.app.Migrations())
	if err != nil {
		return err
	}
	for _, m := range g.app.Migrations() {
		if !slices.Contains(status.Pending, m.ID) {
			continue
		}
		statements := migrate.Statements(g.DB, m.Up)
		if len(statements) == 0 {
			fmt.Fprintf(cmd.OutOrStdout(), "-- %s\n-- nothing to do on this database\n\n", m.ID)
			continue
		}
		fmt.Fprintf(cmd.OutOrStdout(), "-- %s\n%s;\n\n", m.ID, strings.Join(statements, ";\n"))
	}
	return nil
}
