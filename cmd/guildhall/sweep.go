package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// sweepCommand deletes expired data once, as the service does every few minutes.
func sweepCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "sweep", Short: "Delete expired data now, and print how much", Args: cobra.NoArgs,
		Long: "Delete expired data now, and print how much. The service does this itself about every ten minutes, according to\n" +
			"the settings that end in RETENTION_DAYS and RETENTION_HOURS.",
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			all, err := g.app.Sweep(cmd.Context())
			var lines []string
			for _, s := range all {
				lines = append(lines, fmt.Sprintf("%s: %d deleted", s.Kind, s.Rows))
			}
			return errors.Join(err, answerWith(cmd, asJSON, all, strings.Join(lines, "\n")))
		}),
	}
	addJSONOf(cmd, &asJSON, "a JSON array of {kind, forgotten}")
	return cmd
}
