package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"guildhall/platform/audit"
	"guildhall/platform/database"
)

// rowSecurityCommand turns row-level security on and off: the second check of isolation,
// inside PostgreSQL. No migration and no setting turns it on.
func rowSecurityCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "row-security", Short: "Isolate organizations inside PostgreSQL"}
	cmd.AddCommand(
		&cobra.Command{
			Use: "on", Short: "Turn row-level security on, as the tables' owner", Args: cobra.NoArgs,
			Long: "Turn row-level security on, as the tables' owner, for every table that has a policy. It stays on until\n" +
				"`guildhall row-security off`, and migrations preserve it. Processes without DATABASE_ROW_SECURITY=true answer\n" +
				"503 from then on: restart them with it.",
			RunE: withComplete(func(cmd *cobra.Command, _ []string, g *guildhall) error {
				return setRowSecurity(cmd, g, true)
			}),
		},
		&cobra.Command{
			Use: "off", Short: "Turn row-level security off, as the tables' owner", Args: cobra.NoArgs,
			Long: "Turn row-level security off, as the tables' owner. Processes with DATABASE_ROW_SECURITY=true are not ready from\n" +
				"then on: restart them without it.",
			RunE: withComplete(func(cmd *cobra.Command, _ []string, g *guildhall) error {
				return setRowSecurity(cmd, g, false)
			}),
		},
		rowSecurityStatusCommand(),
	)
	return cmd
}

func setRowSecurity(cmd *cobra.Command, g *guildhall, on bool) error {
	ctx := cmd.Context()
	if err := g.app.UpToDate(ctx); err != nil {
		return err
	}
	state, action := "off", audit.RowSecurityOff
	if on {
		state, action = "on", audit.RowSecurityOn
	}
	changed, err := g.DB.SetRowSecurity(ctx, g.app.Tables(), on, func(ctx context.Context, tables []string) error {
		return g.Trail.Record(ctx, audit.Event{Action: action, Details: map[string]string{"tables": strconv.Itoa(len(tables))}})
	})
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if len(changed) == 0 {
		fmt.Fprintf(out, "row-level security is already %s\n", state)
		return nil
	}
	fmt.Fprintf(out, "row-level security is now %s for these tables:\n", state)
	for _, table := range changed {
		fmt.Fprintln(out, " ", table)
	}
	if on {
		fmt.Fprintln(out, "Restart every process with DATABASE_ROW_SECURITY=true, as a role that is not the tables' owner. Until then it is not ready, and answers 503.")
	} else {
		fmt.Fprintln(out, "Restart every process with DATABASE_ROW_SECURITY=false. Until then it is not ready.")
	}
	return nil
}

func rowSecurityStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show whether row-level security is on, and for which tables", Args: cobra.NoArgs,
		RunE: withComplete(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			if g.DB.Driver() != database.Postgres {
				return database.ErrNoRowSecurity
			}
			found, err := g.DB.RowSecurity(cmd.Context())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, map[string]any{
					"state": found.State(), "on": append([]string{}, found.On...), "off": append([]string{}, found.Off...), "setting": g.Config.DatabaseRowSecurity,
				})
			}
			fmt.Fprintf(out, "row-level security is %s; DATABASE_ROW_SECURITY is %t here\n", found.State(), g.Config.DatabaseRowSecurity)
			for _, table := range found.On {
				fmt.Fprintln(out, "on ", table)
			}
			for _, table := range found.Off {
				fmt.Fprintln(out, "off", table)
			}
			return nil
		}),
	}
	addJSONOf(cmd, &asJSON, "a JSON object of {state, on, off, setting}")
	return cmd
}
