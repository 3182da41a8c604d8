package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"guildhall/platform"
	"guildhall/platform/config"
	"guildhall/platform/inspect"
)

// checkCommand runs the production checklist.
func checkCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check", Short: "List what is missing for production", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(config.Options{Flags: cmd.Flags(), Environ: os.Environ()})
			if asJSON && err != nil {
				return errors.Join(printJSON(cmd.OutOrStdout(), problemsIn(err)), err)
			}
			if err != nil {
				return err
			}
			findings := inspect.Checklist(cfg, checkStorage(cmd.Context(), cfg))
			var lines []string
			failed := 0
			for _, f := range findings {
				lines = append(lines, f.String())
				if !f.OK {
					failed++
				}
			}
			if err := answerWith(cmd, asJSON, findings, strings.Join(lines, "\n")); err != nil {
				return err
			}
			if failed > 0 {
				return fmt.Errorf("%d problem(s) to fix before production", failed)
			}
			return nil
		},
	}
	addJSONOf(cmd, &asJSON, "a JSON array of {ok, warn, name, message}")
	return cmd
}

// problemsIn converts the error of settings that can't be loaded into findings, so that
// --json prints them like the others.
func problemsIn(err error) []config.Finding {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return []config.Finding{{Name: "settings", Message: err.Error()}}
	}
	findings := make([]config.Finding, len(problems))
	for i, p := range problems {
		findings[i] = config.Finding{Name: p.Name, Message: p.Message}
	}
	return findings
}

// checkStorage checks the database, which may not open.
func checkStorage(ctx context.Context, cfg *config.Config) []config.Finding {
	g, err := open(ctx, cfg, slog.New(slog.DiscardHandler), platform.Options{})
	if err != nil {
		return inspect.Unreachable(err)
	}
	defer g.DB.Close()
	return g.Inspector.CheckStorage(ctx)
}

// openAPICommand prints the OpenAPI document of this binary.
func openAPICommand() *cobra.Command {
	var yaml bool
	cmd := &cobra.Command{
		Use: "openapi", Short: "Print the OpenAPI document", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			app, err := describe()
			if err != nil {
				return err
			}
			if yaml {
				document, err := app.API().YAML()
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(document)
				return err
			}
			document, err := app.API().JSON()
			if err != nil {
				return err
			}
			var indented any
			if err := json.Unmarshal(document, &indented); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), indented)
		},
	}
	cmd.Flags().BoolVar(&yaml, "yaml", false, "as YAML instead of JSON")
	return cmd
}
