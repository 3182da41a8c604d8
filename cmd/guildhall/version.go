package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"guildhall/platform"
	"guildhall/platform/database"
)

// release is what `guildhall version --json` prints, to compare the running version with the
// expected one.
type release struct {
	Version     string `json:"version"`
	Commit      string `json:"commit,omitempty"`       // only if built from a git working copy
	CommittedAt string `json:"committed_at,omitempty"` // RFC 3339
	Modified    bool   `json:"modified"`               // the working copy had uncommitted changes
	Go          string `json:"go"`
	Platform    string `json:"platform"`
	SQLite      string `json:"sqlite"`
	Schema      string `json:"schema"` // the newest migration in this binary
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Long: "Print the version. As JSON, also the commit, SQLite's version and the newest migration that this binary\n" +
			"contains.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !asJSON {
				fmt.Fprintln(cmd.OutOrStdout(), "guildhall", version, runtime.Version())
				return nil
			}
			app, err := describe()
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(thisRelease(app))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, with all details")
	return cmd
}

func thisRelease(app *platform.App) release {
	migrations := app.Migrations()
	r := release{
		Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		SQLite: database.SQLiteVersion(), Schema: migrations[len(migrations)-1].ID,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return r
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			r.Commit = s.Value
		case "vcs.time":
			r.CommittedAt = s.Value
		case "vcs.modified":
			r.Modified = s.Value == "true"
		}
	}
	return r
}
