package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"guildhall/platform"
)

// auditCommand looks after the trail.
func auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Check the audit trail"}
	cmd.AddCommand(&cobra.Command{
		Use: "verify", Short: "Go through every event and say whether one was changed, removed or put in", Args: cobra.NoArgs,
		Long: "Go through every event and say whether one was changed, removed or put in. The digest covers the last\n" +
			"event of every chain: keep it elsewhere, for whoever can write to the whole database can forge a chain anew.",
		RunE: withService(func(cmd *cobra.Command, _ []string, k *platform.Kernel, _ *platform.App) error {
			v, err := k.Trail.Verify(cmd.Context())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%d events in %d chains, %d forgotten before them, digest %s\n", v.Events, v.Chains, v.Forgotten, v.Digest)
			for _, b := range v.Broken {
				fmt.Fprintln(out, b)
			}
			if len(v.Broken) > 0 {
				return fmt.Errorf("%d chains are broken", len(v.Broken))
			}
			return nil
		}),
	})
	return cmd
}
