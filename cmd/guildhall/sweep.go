package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"guildhall/platform"
)

// sweepCommand does once what the service does every few minutes.
func sweepCommand() *cobra.Command {
	return &cobra.Command{
		Use: "sweep", Short: "Forget what is no longer kept, now, and say how much", Args: cobra.NoArgs,
		Long: "Forget what is no longer kept, now, and say how much. The service does so by itself about every ten\n" +
			"minutes, by the settings that end in RETENTION_DAYS and RETENTION_HOURS.",
		RunE: withService(func(cmd *cobra.Command, _ []string, _ *platform.Kernel, app *platform.App) error {
			all, err := app.Sweep(cmd.Context())
			for _, s := range all {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d forgotten\n", s.Kind, s.Rows)
			}
			return err
		}),
	}
}
