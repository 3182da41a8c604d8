package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"guildhall/modules/machine"
)

// apiCommand groups the commands on registered APIs.
func apiCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "api", Short: "Register APIs, for which people and programs get tokens"}
	cmd.AddCommand(apiCreateCommand(), apiListCommand())
	return cmd
}

func apiCreateCommand() *cobra.Command {
	var asJSON bool
	var in machine.NewAPI
	cmd := &cobra.Command{
		Use: "create URI", Short: "Register an API, and make a key for it", Args: cobra.ExactArgs(1),
		Long: "Register an API, and make a key for it. The URI is the audience of its tokens: it names the API, and need not be an\n" +
			"address. The key is printed once: with it, the API asks about tokens (/oauth/introspect) and reads the revocation\n" +
			"feed. The service may be running.",
		RunE: withService(func(cmd *cobra.Command, args []string, g *guildhall) error {
			in.Identifier = args[0]
			made, err := g.machines.CommandLine().CreateAPI(cmd.Context(), in)
			if err != nil {
				return err
			}
			summary := fmt.Sprintf("%s is registered, with the id %s\nits key, which is not shown again: %s", made.API.Identifier, made.API.ID, made.Key)
			return answerWith(cmd, asJSON, made, summary)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Name, "name", "", "of the API, for people (default the URI)")
	flags.StringArrayVar(&in.Scopes, "scope", nil, "a scope of its tokens, as NAME or NAME=ROLE, the least role (member, admin, owner) that may have it; may be repeated")
	flags.BoolVar(&in.WantsRole, "role", false, "its tokens have the role of the person")
	flags.BoolVar(&in.SessionTokens, "session-tokens", false, "it takes the access tokens of log-ins, too, and so could do here whatever the person can")
	addJSONOf(cmd, &asJSON, "a JSON object of {api, key}: the registered API as the REST API shows it, and its key")
	return cmd
}

func apiListCommand() *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List registered APIs", Args: cobra.NoArgs,
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			const columns = "%-36s  %-40s  %s"
			return printList(cmd.OutOrStdout(), asJSON, limit, g.machines.CommandLine().APIs(cmd.Context()), fmt.Sprintf(columns, "ID", "IDENTIFIER", "SCOPES"), func(v machine.RegisteredAPI) string {
				var scopes []string
				for _, s := range v.Scopes {
					scopes = append(scopes, s.Name)
				}
				return fmt.Sprintf(columns, v.ID, v.Identifier, strings.Join(scopes, " "))
			})
		}),
	}
	addLimit(cmd, &limit)
	addJSON(cmd, &asJSON)
	return cmd
}
