package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"guildhall/platform/doctor"
)

func doctorCommand() *cobra.Command {
	var asJSON, strict bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check the data, the database, the machine and the backups", Args: cobra.NoArgs,
		Long: "Check the data, the database, the machine and the backups, while the service runs. It reports each problem and\n" +
			"how to fix it, and changes nothing. The exit status is 1 if something is wrong, and with --strict 3 if there are\n" +
			"only warnings. To check the settings, use `guildhall check`.",
	}
	began := false
	examine := withComplete(func(cmd *cobra.Command, _ []string, g *guildhall) error {
		began = true
		findings := doctor.Examine(cmd.Context(), doctor.Options{Config: g.Config, DB: g.DB, Migrations: g.app.Migrations(), Invariants: g.app.Invariants(), Tables: g.app.Tables(), Mail: g.Mail, Keys: g.Keyset, Now: g.Now})
		if asJSON {
			if err := printJSON(cmd.OutOrStdout(), findings); err != nil {
				return err
			}
		}
		count := map[doctor.Level]int{}
		for _, f := range findings {
			if !asJSON {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			count[f.Level]++
		}
		switch {
		case count[doctor.Fail] > 0:
			return fmt.Errorf("%d problem(s) found", count[doctor.Fail])
		case strict && count[doctor.Warn] > 0:
			return withStatus{fmt.Errorf("%d warning(s)", count[doctor.Warn]), warned}
		}
		return nil
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := examine(cmd, args)
		if err != nil && !began && asJSON { // a script that reads the findings must see this one too
			finding := doctor.Finding{Level: doctor.Fail, Name: "start", Message: err.Error()}
			err = errors.Join(err, printJSON(cmd.OutOrStdout(), []doctor.Finding{finding}))
		}
		return err
	}
	addJSONOf(cmd, &asJSON, "a JSON array of {level, name, message, mend}")
	cmd.Flags().BoolVar(&strict, "strict", false, "end with status 3 if there are only warnings")
	return cmd
}
