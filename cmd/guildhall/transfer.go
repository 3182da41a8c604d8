package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"guildhall/platform"
	"guildhall/platform/transfer"
)

func transfers(k *platform.Kernel, app *platform.App) *transfer.Transfer {
	return transfer.New(k.DB, k.Trail, k.Hasher, k.Now, app.Tables(), version)
}

// exportCommand writes an archive of one organization.
func exportCommand() *cobra.Command {
	var output string
	var asJSON bool
	var options transfer.ExportOptions
	cmd := &cobra.Command{
		Use: "export ORGANIZATION", Short: "Write one organization to an archive for `import`", Args: cobra.ExactArgs(1),
		Long: "Write one organization, identified by its id or by its name if that is unique, to an archive that `guildhall\n" +
			"import` reads on another server. The archive contains a snapshot of its users by email address, memberships,\n" +
			"roles, status and audit log. Nothing is changed, and the service may be running.",
		RunE: withService(func(cmd *cobra.Command, args []string, g *guildhall) error {
			id, err := transfer.Find(cmd.Context(), g.DB, args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			var s transfer.Summary
			write := func(w io.Writer) (err error) {
				s, err = transfers(g.Kernel, g.app).Export(cmd.Context(), w, id, options)
				return err
			}
			if output == "" {
				output = id.String() + ".jsonl.gz"
			}
			if err := writeOutput(cmd, output, write); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), exportReport{output, s})
			}
			out := cmd.ErrOrStderr() // standard output may be the archive
			fmt.Fprintf(out, "%s: people %d, members %d, admins %d, events %d\n", s.OrganizationID, s.People, s.Members, s.Admins, s.Events)
			if s.Hashes > 0 {
				fmt.Fprintf(out, "password hashes %d: keep the archive secret\n", s.Hashes)
			}
			if output != stream {
				fmt.Fprintln(out, "written to", output)
			}
			return nil
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to create (it must not exist), or - for standard output (default ORGANIZATION_ID.jsonl.gz)")
	cmd.PreRunE = func(*cobra.Command, []string) error { return oneResult(asJSON, output) }
	addJSONOf(cmd, &asJSON, "a JSON object of {file, organization_id, people, members, admins, events, password_hashes}")
	cmd.Flags().BoolVar(&options.PasswordHashes, "with-password-hashes", false, "include the password hashes of members; keep the archive secret")
	cmd.AddCommand(exportPeopleCommand())
	return cmd
}

// exportReport is what `export --json` prints.
type exportReport struct {
	File string `json:"file"`
	transfer.Summary
}

// importReport is what `import --json` prints.
type importReport struct {
	transfer.Summary
	DryRun          bool  `json:"dry_run"`
	Unchanged       bool  `json:"unchanged"`
	Found           int64 `json:"accounts_found"`
	Made            int64 `json:"accounts_made"`
	WithoutPassword int64 `json:"accounts_without_password"`

	Skipped []string `json:"skipped"` // types of lines
}

// importCommand imports an organization from an archive.
func importCommand() *cobra.Command {
	var asJSON bool
	var options transfer.ImportOptions
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Import an organization from an archive of `export`", Args: cobra.ExactArgs(1),
		Long: "Import an organization from an archive that `guildhall export` wrote, or from standard input if FILE is -. The\n" +
			"import is all or nothing. Existing accounts with an email address of the archive stay unchanged; accounts are\n" +
			"created for the others. Importing an archive again changes nothing.",
		RunE: func(cmd *cobra.Command, args []string) error {
			archive, err := openArchive(cmd, args[0])
			if err != nil {
				return err
			}
			defer func() { _ = archive.Close() }()
			return withFilled(func(cmd *cobra.Command, _ []string, g *guildhall) error {
				s, err := transfers(g.Kernel, g.app).Import(cmd.Context(), archive, options)
				if err != nil {
					return fmt.Errorf("nothing was imported: %w", err)
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), importReport{s, options.DryRun, s.Unchanged, s.Found, s.Made, s.WithoutPassword, append([]string{}, s.Skipped...)})
				}
				reportImport(cmd.OutOrStdout(), s, options)
				return nil
			})(cmd, args)
		},
	}
	addJSONOf(cmd, &asJSON, "a JSON object of {organization_id, people, members, admins, events, password_hashes, dry_run, unchanged, accounts_found, accounts_made, accounts_without_password, skipped}")
	cmd.Flags().BoolVar(&options.DryRun, "dry-run", false, "report what would be done, and do nothing")
	cmd.Flags().BoolVar(&options.PasswordHashes, "with-password-hashes", false, "use the password hashes of the archive for new accounts; only for archives from a trusted author")
	cmd.AddCommand(importPeopleCommand())
	return cmd
}

func reportImport(out io.Writer, s transfer.Summary, o transfer.ImportOptions) {
	for _, kind := range s.Skipped {
		fmt.Fprintf(out, "lines of the type %q were skipped: a later version of guildhall wrote them, and this version does not know the type\n", kind)
	}
	if s.Unchanged {
		fmt.Fprintf(out, "%s already exists with everything in the archive: nothing was changed\n", s.OrganizationID)
		return
	}
	was := "was imported"
	if o.DryRun {
		was = "would be imported"
	}
	fmt.Fprintf(out, "%s %s: people %d, members %d, admins %d, events %d\n", s.OrganizationID, was, s.People, s.Members, s.Admins, s.Events)
	fmt.Fprintf(out, "accounts: %d existed, %d are new\n", s.Found, s.Made)
	if s.WithoutPassword > 0 {
		fmt.Fprintf(out, "%d of the new accounts have no password yet: `guildhall admin set-password EMAIL` sets one\n", s.WithoutPassword)
	}
	if s.Hashes > 0 && !o.PasswordHashes {
		fmt.Fprintln(out, "the archive has password hashes, which were not used: --with-password-hashes uses them for new accounts")
	}
}

// openArchive returns a file that can be read twice. It first copies standard input and
// pipes into a private temporary file.
func openArchive(cmd *cobra.Command, name string) (io.ReadSeekCloser, error) {
	source, isRegular, err := openInput(cmd, name)
	if err != nil {
		return nil, err
	}
	if isRegular {
		return source.(*os.File), nil
	}
	defer func() { _ = source.Close() }()
	spool, err := os.CreateTemp("", "guildhall-import-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(spool.Name()) // Windows can't remove an open file: Close removes it
	if _, err = io.Copy(spool, source); err == nil {
		_, err = spool.Seek(0, io.SeekStart)
	}
	archive := spooled{spool}
	if err != nil {
		_ = archive.Close()
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	return archive, nil
}

// spooled is a temporary file that Close removes.
type spooled struct{ *os.File }

func (s spooled) Close() error {
	err := s.File.Close()
	_ = os.Remove(s.Name())
	return err
}
