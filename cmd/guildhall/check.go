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
	"guildhall/platform/audit"
	"guildhall/platform/backup"
	"guildhall/platform/config"
	"guildhall/platform/migrate"
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
			findings := append(append(cfg.Check(), checkStorage(cmd.Context(), cfg)...), checkBackups(cfg))
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

// checkStorage checks the database: connection, write access, schema, row-level security
// and the retention of the audit log.
func checkStorage(ctx context.Context, cfg *config.Config) []config.Finding {
	const database, schema = "database", "schema"
	g, err := open(ctx, cfg, slog.New(slog.DiscardHandler), platform.Options{})
	if err != nil {
		return []config.Finding{{Name: database, Message: err.Error()}}
	}
	defer g.DB.Close()
	answers := []config.Finding{{OK: true, Name: database, Message: "answers"}}
	for _, err := range []error{g.DB.Writable(ctx), g.DB.CheckTimeout(ctx)} {
		if err != nil {
			answers = append(answers, config.Finding{Name: database, Message: err.Error()})
		}
	}
	status, err := migrate.StatusOf(ctx, g.DB, g.app.Migrations())
	switch {
	case err != nil:
		return []config.Finding{{Name: database, Message: err.Error()}}
	case len(status.Unknown) > 0:
		return append(answers, config.Finding{Name: schema, Message: "is newer than this version of guildhall"})
	case len(status.Pending) > 0:
		if err := g.DB.MayMigrate(ctx); err != nil {
			return append(answers, config.Finding{Name: schema, Message: fmt.Sprintf("lacks %d migration(s), and %v", len(status.Pending), err)})
		}
		return append(answers, config.Finding{Name: schema, Message: fmt.Sprintf("lacks %d migration(s): run `guildhall migrate up`", len(status.Pending))})
	}
	findings := append(answers, config.Finding{OK: true, Name: schema, Message: "is up to date"})
	if err := g.DB.CheckRowSecurity(ctx, g.app.Tables()); err != nil {
		findings = append(findings, config.Finding{Name: "row-level security", Message: err.Error()})
	}
	if err := audit.NewRetention(g.Trail, cfg.AuditRetention).Check(ctx); err != nil {
		findings = append(findings, config.Finding{Name: "retention", Message: err.Error()})
	}
	return findings
}

// checkBackups checks whether the service can write scheduled backups.
func checkBackups(cfg *config.Config) config.Finding {
	const name = "BACKUP_DIR"
	if cfg.BackupDir == "" {
		return config.Finding{OK: true, Name: name, Message: "is not set: make backups with `guildhall backup`"}
	}
	there, err := backup.TryDir(cfg.BackupDir)
	switch {
	case err != nil:
		return config.Finding{Name: name, Message: "can't be written to: " + err.Error()}
	case !there:
		return config.Finding{OK: true, Name: name, Message: "does not exist yet: the service will create it"}
	default:
		return config.Finding{OK: true, Name: name, Message: "can be written to"}
	}
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
