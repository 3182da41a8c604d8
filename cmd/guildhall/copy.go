package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"guildhall/platform"
	"guildhall/platform/access"
	"guildhall/platform/clone"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/signing"
)

// copyCommand copies all data to another database.
func copyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "copy --from URL --to URL", Short: "Copy everything into another, empty database", Args: cobra.NoArgs,
		Long: "Copy everything into another, empty database: SQLite to PostgreSQL, or back. URLs are as in DATABASE_URL. The\n" +
			"source may be in use: the copy is a snapshot from when it began. To move, stop the service first, because later\n" +
			"writes are not copied. To continue an interrupted copy, run the same command again.",
	}
	var asJSON bool
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return copyDatabase(cmd, asJSON) }
	addJSONOf(cmd, &asJSON, "a JSON object of {tables, rows, resumed, seconds}, where a table is {table, rows, digest}")
	for _, end := range []string{"from", "to"} {
		cmd.Flags().String(end, "", "database to copy "+end)
		cmd.Flags().String(end+"-file", "", "file with the value of --"+end+", or - for standard input, to keep a password out of the process list")
	}
	return cmd
}

func copyDatabase(cmd *cobra.Command, asJSON bool) error {
	from, err := urlOf(cmd, "from")
	if err != nil {
		return err
	}
	to, err := urlOf(cmd, "to")
	if err != nil {
		return err
	}
	if from == to {
		return usageError("--from and --to are the same database")
	}
	if isMissingFile(from) {
		return fmt.Errorf("the file in --from does not exist: %s", fileOf(from))
	}
	ctx := cmd.Context()
	if path, isFile := sqlitePath(to); isFile && !isMissingFile(to) {
		if err := database.RequireUnused(ctx, path); err != nil {
			return err
		}
	}
	url, err := databaseurl.Parse(from)
	if err != nil {
		return err
	}
	source, err := database.Open(ctx, database.Options{URL: url})
	if err != nil {
		return fmt.Errorf("open --from, which must be the server itself, not a pooler: %w", err)
	}
	defer source.Close()
	target, err := openBare(ctx, to)
	if err != nil {
		return fmt.Errorf("open --to, which must be the server itself, not a pooler: %w", err)
	}
	defer target.DB.Close()
	if target.DB.Created() {
		reportCreated(cmd.ErrOrStderr(), target.DB.Path())
	}
	return copyAll(cmd, asJSON, clone.Options{From: source, To: target.DB, Migrations: target.app.Migrations(), Without: access.ServerLocalTables(), Remade: signing.Remade()})
}

// copyReport is what `copy --json` prints.
type copyReport struct {
	Tables  []clone.Copied `json:"tables"`
	Rows    int64          `json:"rows"`
	Resumed bool           `json:"resumed"`
	Seconds float64        `json:"seconds"`
}

func (r copyReport) String() string {
	var b strings.Builder
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "%-28s %9d rows  digest %s\n", t.Table, t.Rows, t.Digest)
	}
	again := ""
	if r.Resumed {
		again = ", continuing an interrupted copy"
	}
	fmt.Fprintf(&b, "copied and compared %d rows in %d tables in %.1fs%s", r.Rows, len(r.Tables), r.Seconds, again)
	return b.String()
}

// copyAll copies all tables and prints a report.
func copyAll(cmd *cobra.Command, asJSON bool, o clone.Options) error {
	ctx := cmd.Context()
	began := time.Now()
	show, done := showProgress(cmd.ErrOrStderr())
	o.Progress = show
	result, err := clone.Copy(ctx, o)
	done()
	if err != nil && ctx.Err() != nil {
		return errors.New("the copy was interrupted: run the same command again to continue it")
	}
	if err != nil {
		return err
	}
	r := copyReport{Tables: result.Tables, Resumed: result.Resumed, Seconds: since(began)}
	for _, t := range result.Tables {
		r.Rows += t.Rows
	}
	return answerWith(cmd, asJSON, r, r.String())
}

// urlOf reads --NAME, or the file in --NAME-file.
func urlOf(cmd *cobra.Command, name string) (string, error) {
	url, err := cmd.Flags().GetString(name)
	if err != nil {
		return "", err
	}
	file, err := cmd.Flags().GetString(name + "-file")
	if err != nil {
		return "", err
	}
	switch {
	case url != "" && file != "":
		return "", usageError("--%s and --%s-file are both given", name, name)
	case file != "":
		in, _, err := openInput(cmd, file)
		if err != nil {
			return "", fmt.Errorf("read --%s-file: %w", name, err)
		}
		content, err := io.ReadAll(in)
		if err = errors.Join(err, in.Close()); err != nil {
			return "", fmt.Errorf("read --%s-file: %w", name, err)
		}
		url = strings.TrimSpace(string(content))
	case url == "":
		return "", usageError("--%s is missing: sqlite://path or postgres://user@host/database", name)
	}
	if _, err := databaseurl.Parse(url); err != nil {
		return "", fmt.Errorf("--%s %w", name, err)
	}
	return url, nil
}

// openBare opens a database other than the configured one, and creates a missing SQLite
// file. It has all that migrations need, and ignores the service's settings.
func openBare(ctx context.Context, text string) (*guildhall, error) {
	url, err := databaseurl.Parse(text)
	if err != nil {
		return nil, err
	}
	cfg := &config.Config{DatabaseURL: url}
	return open(ctx, cfg, slog.New(slog.DiscardHandler), platform.Options{Create: true})
}

// sqlitePath returns the SQLite file that a URL names. isFile is false for other URLs.
func sqlitePath(url string) (path string, isFile bool) {
	u, err := databaseurl.Parse(url)
	return u.File(), err == nil && u.IsSQLite()
}

// fileOf returns the absolute path of a URL's SQLite file, for messages.
func fileOf(url string) string {
	path, _ := sqlitePath(url)
	return absolute(path)
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// isMissingFile reports whether a URL names a SQLite file that does not exist.
func isMissingFile(url string) bool {
	path, isFile := sqlitePath(url)
	if !isFile {
		return false
	}
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
