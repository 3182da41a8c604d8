package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// auditCommand groups the commands on the audit log.
func auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Verify the audit log"}
	cmd.AddCommand(verifyCommand())
	return cmd
}

func verifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Detect audit events that were changed, removed or inserted", Args: cobra.NoArgs,
		Long: "Verify every audit event, and detect events that were changed, removed or inserted. The digest covers the last\n" +
			"event of every chain. Store it elsewhere: an attacker who can write to the whole database can rebuild a chain.",
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			v, err := g.Trail.Verify(cmd.Context())
			if err != nil {
				return err
			}
			summary := fmt.Sprintf("%d events in %d chains, %d deleted before them, digest %s", v.Events, v.Chains, v.Forgotten, v.Digest)
			for _, b := range v.Broken {
				summary += "\n" + b
			}
			if err := answerWith(cmd, asJSON, v, summary); err != nil {
				return err
			}
			if len(v.Broken) > 0 {
				return fmt.Errorf("%d chains are broken", len(v.Broken))
			}
			return nil
		}),
	}
	addJSONOf(cmd, &asJSON, "a JSON object of {chains, events, forgotten, digest, broken}")
	return cmd
}
