package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"guildhall/platform/database"
	"guildhall/platform/databaseurl"
	"guildhall/platform/moving"
	"guildhall/platform/moving/systems"
	passwords "guildhall/platform/password"
)

func importDependencies(g *guildhall, hashes passwords.Source) moving.Dependencies {
	d := moving.Dependencies{
		DB: g.DB, Trail: g.Trail, Now: g.Now, Unusable: g.Hasher.Unusable,
		Matches: func(ctx context.Context, stored, chosen string) (bool, error) {
			ok, _, err := g.Hasher.Verify(ctx, stored, chosen)
			return ok, err
		},
		Stored: func(given, salt string) (string, error) {
			from := hashes
			from.Salt = salt
			return g.Hasher.Import(given, from)
		},
		Unchanged: func(given, salt, stored string) bool {
			from := hashes
			from.Salt = salt
			return g.Hasher.Imported(given, from, stored)
		},
	}
	if g.Mail.Configured() {
		d.Invite = func(ctx context.Context, p moving.Invited) error {
			return g.auth.CommandLine().AskForPassword(ctx, p.ID, p.Email, p.Name, p.Locale)
		}
	}
	return d
}

// importPeopleCommand imports people and organizations from another system.
func importPeopleCommand() *cobra.Command {
	var o moving.Options
	var hashes passwords.Source
	var asJSON bool
	var known, rejected string
	var from former
	cmd := &cobra.Command{
		Use: "people FILE...", Short: "Import people and organizations from another system", Args: cobra.ArbitraryArgs,
		Long: "Import people, organizations and memberships from JSON lines or CSV files, which may be packed with gzip, or from\n" +
			"standard input if FILE is -. An account that exists keeps its password and profile, and joins organizations.\n" +
			"Refused rows are written to FILE.rejected.jsonl, the others are imported. The service may be running. An\n" +
			"interrupted import continues when it is run again. --from reads the files or the database of another kind of system.\n" +
			"configs/moving-in.md has the format, and configs/moving-in a page for each system.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if forms := passwords.Forms(); hashes.Form != "" && !slices.Contains(forms, hashes.Form) {
				return fmt.Errorf("--hash-form is none of %s", strings.Join(forms, ", "))
			}
			sources, done, err := from.open(cmd, args, &hashes)
			defer done()
			if err == nil && known != "" {
				var more func()
				var verified []*moving.Source
				if verified, more, err = openSources(cmd, []string{known}); err == nil {
					o.Verify = verified[0]
				}
				defer more()
			}
			if err != nil {
				return err
			}
			return withFilled(func(cmd *cobra.Command, _ []string, g *guildhall) error {
				return importPeople(cmd, g, sources, o, hashes, rejected, asJSON)
			})(cmd, args)
		},
	}
	addJSONOf(cmd, &asJSON, "a JSON object of {dry_run, people, accounts_made, accounts_found, accounts_changed, accounts_gone, without_password, invited, "+
		"organizations_made, organizations_found, memberships_made, memberships_found, memberships_ended, refused, passwords_verified, rejected_files, "+
		"without_password_file, gone_file}")
	addParsed(cmd.Flags(), (*importName)(&o.Name), "name", "string", "name of the other system; a later import of the same name may change what an earlier one has made")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "report what would be done, and do nothing")
	cmd.Flags().BoolVar(&o.Strict, "strict", false, "import nothing if any row is refused")
	cmd.Flags().StringVar(&known, "verify", "", "file with known pairs of email and password, which are tried before anything is written")
	cmd.Flags().BoolVar(&o.Invite, "invite", false, "send new accounts without a password a link to set one; without mail they are listed")
	cmd.Flags().BoolVar(&o.TrustVerified, "trust-verified", false, "believe the file that people have proved their addresses")
	cmd.Flags().BoolVar(&o.ExistingOrganizations, "allow-existing-organizations", false, "let people join organizations that exist here; only for files from a trusted author")
	from.flags(cmd)
	cmd.Flags().StringVar(&hashes.Form, "hash-form", "", "form of hashes that do not say what they are: "+strings.Join(passwords.Forms(), ", "))
	cmd.Flags().BoolVar(&hashes.SaltFirst, "salt-first", false, "the salt comes before the password")
	cmd.Flags().StringVar(&hashes.Key, "hash-key", "", "name in PASSWORD_IMPORT_KEYS of Firebase's signer key, or of Devise's pepper")
	cmd.Flags().StringVar(&hashes.SaltSeparator, "salt-separator", "", "Firebase's salt separator, in base64")
	cmd.Flags().Uint32Var(&hashes.Rounds, "rounds", 0, "Firebase's rounds")
	cmd.Flags().Uint32Var(&hashes.MemoryCost, "memory-cost", 0, "Firebase's memory cost")
	cmd.Flags().StringVar(&rejected, "rejected", "", "file for all refused rows, also of a dry run (default FILE.rejected.jsonl of each file)")
	return cmd
}

// former is the system that people come from.
type former struct {
	system, owner string
}

func (f *former) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.system, "from", "guildhall", "system that the people come from: "+strings.Join(systems.Names(), ", "))
	cmd.Flags().String("source", "", "database of the system, instead of files: postgres://user@host/database or sqlite://path; nothing is written to it")
	cmd.Flags().String("source-file", "", "file with the value of --source, or - for standard input, to keep a password out of the process list")
	cmd.Flags().StringVar(&f.owner, "owner", "", "email address of the owner of organizations that have none in the system")
}

// open opens the files of the system, or its database.
func (f *former) open(cmd *cobra.Command, files []string, hashes *passwords.Source) (sources []*moving.Source, done func(), err error) {
	done = func() {}
	system, known := systems.Find(f.system)
	if !known {
		return nil, done, usageError("--from is none of %s", strings.Join(systems.Names(), ", "))
	}
	hashes.Form = cmp.Or(hashes.Form, system.HashForm)
	options := systems.Options{Owner: f.owner}
	fromDatabase := cmd.Flags().Changed("source") || cmd.Flags().Changed("source-file")
	switch {
	case fromDatabase && len(files) > 0:
		return nil, done, usageError("--source and files are both given")
	case !fromDatabase && len(files) == 0:
		return nil, done, usageError("name a file, or the database of another system with --source")
	case !fromDatabase:
		if sources, done, err = openSources(cmd, files); err != nil {
			return nil, done, err
		}
		return sources, done, system.Files(sources, options)
	}
	text, err := urlOf(cmd, "source")
	if err != nil {
		return nil, done, err
	}
	url, err := databaseurl.Parse(text)
	if err != nil {
		return nil, done, fmt.Errorf("--source %w", err)
	}
	db, err := database.OpenForeign(cmd.Context(), url)
	if err != nil {
		return nil, done, fmt.Errorf("open the database of --source: %w", err)
	}
	source, err := system.Database(db, f.system, options)
	return []*moving.Source{source}, func() { _ = db.Close() }, err
}

// importName is the value of --name.
type importName string

func (n *importName) UnmarshalText(text []byte) error {
	if !moving.Name.Match(text) {
		return errors.New("must have 1 to 40 lower-case letters, digits, dots and hyphens")
	}
	*n = importName(text)
	return nil
}

// openSources opens files, or standard input for -.
func openSources(cmd *cobra.Command, names []string) (sources []*moving.Source, done func(), err error) {
	var opened []io.Closer
	done = func() {
		for _, f := range opened {
			_ = f.Close()
		}
	}
	for _, name := range names {
		f, err := openArchive(cmd, name)
		if err != nil {
			return nil, done, err
		}
		opened = append(opened, f)
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return nil, done, err
		}
		if name == stream {
			name = "standard input"
		}
		sources = append(sources, &moving.Source{Name: name, File: f, Size: size})
	}
	return sources, done, nil
}

// importedReport is what `import people --json` prints.
type importedReport struct {
	DryRun bool `json:"dry_run"`
	moving.Summary
	RejectedFiles       []string `json:"rejected_files"`
	WithoutPasswordFile string   `json:"without_password_file,omitempty"`
	GoneFile            string   `json:"gone_file,omitempty"`
}

// importMemory is the memory in bytes that Go aims at in an import, which can run beside the service on
// a small server.
const importMemory = 150 << 20

func limitMemory() { debug.SetMemoryLimit(min(importMemory, debug.SetMemoryLimit(-1))) }

// shownRefusals is how many refusals are printed. All are in the files.
const shownRefusals = 20

func importPeople(cmd *cobra.Command, g *guildhall, sources []*moving.Source, o moving.Options, hashes passwords.Source, rejected string, asJSON bool) error {
	limitMemory()
	errs := cmd.ErrOrStderr()
	refusals := refusals{path: rejected, dry: o.DryRun, files: map[string]*lazyFile{}}
	listed, gone := lazyFile{path: beside(sources[0].Name, "without-password.txt"), continues: true}, lazyFile{path: beside(sources[0].Name, "gone.txt")}
	defer func() { _ = refusals.close(); _ = listed.close(); _ = gone.close() }()
	n := 0
	o.Refused = func(r moving.Refusal) error {
		if n++; n <= shownRefusals {
			fmt.Fprintf(errs, "%s, line %d: %s (%s)\n", r.File, r.Line, r.Message, r.Code)
		}
		return refusals.add(r)
	}
	if !o.DryRun && (!o.Invite || !g.Mail.Configured()) {
		o.WithoutPassword = func(email string) error { return listed.line(email) }
	}
	show, done := showProgress(errs)
	o.Progress = show
	if !o.DryRun {
		o.Gone = func(email string) error { return gone.line(email) }
	}
	s, err := moving.Import(cmd.Context(), importDependencies(g, hashes), sources, o)
	done()
	if n > shownRefusals {
		fmt.Fprintf(errs, "and %d more\n", n-shownRefusals)
	}
	files := refusals.names()
	err = errors.Join(err, refusals.close(), listed.close(), gone.close())
	switch {
	case errors.Is(err, moving.ErrRefused):
		return fmt.Errorf("nothing was imported: %d of %d rows were refused; see %s", s.Refused, s.People, strings.Join(files, ", "))
	case err != nil && cmd.Context().Err() != nil:
		return errors.New("the import was interrupted: run it again, and it continues")
	case err != nil:
		return err
	}
	if !o.DryRun {
		removeFormer(sources, files, o.Name != "" && gone.file == nil)
	}
	report := importedReport{DryRun: o.DryRun, Summary: s, RejectedFiles: append([]string{}, files...), WithoutPasswordFile: listed.name(), GoneFile: gone.name()}
	return answerWith(cmd, asJSON, report, report.String())
}

func (r importedReport) String() string {
	var b strings.Builder
	was, exist := "were made", "existed"
	if r.DryRun {
		was, exist = "would be made", "exist"
	}
	fmt.Fprintf(&b, "people: %d; accounts: %d %s, %d %s\n", r.People, r.Made, was, r.Found, exist)
	fmt.Fprintf(&b, "organizations: %d %s, %d %s; memberships: %d %s, %d %s", r.Organizations, was, r.Existing, exist, r.Memberships, was, r.Members, exist)
	if r.Changed+r.Ended > 0 {
		fmt.Fprintf(&b, "\nof those accounts, %d were changed in the other system; %d memberships ended there", r.Changed, r.Ended)
	}
	if r.Gone > 0 {
		fmt.Fprintf(&b, "\n%d accounts of earlier imports are no longer in the other system", r.Gone)
		if r.GoneFile != "" {
			fmt.Fprintf(&b, ": %s lists them", r.GoneFile)
		}
	}
	if r.Verified > 0 {
		fmt.Fprintf(&b, "\nknown passwords: %d match", r.Verified)
	}
	if r.Invited > 0 {
		fmt.Fprintf(&b, "\nmails with a link to set a password: %d", r.Invited)
	}
	if n := r.WithoutPassword - r.Invited; n > 0 {
		fmt.Fprintf(&b, "\n%d of the new accounts have no password", n)
		if r.WithoutPasswordFile != "" {
			fmt.Fprintf(&b, ": %s lists them", r.WithoutPasswordFile)
		}
	}
	if r.Refused > 0 {
		fmt.Fprintf(&b, "\nrefused: %d rows", r.Refused)
		if len(r.RejectedFiles) > 0 {
			fmt.Fprintf(&b, ": see %s", strings.Join(r.RejectedFiles, ", "))
		}
	}
	return b.String()
}

// removeFormer removes lists of an earlier run of which this one has had nothing to list:
// nobody should take them for those of this run.
func removeFormer(sources []*moving.Source, written []string, gone bool) {
	for i, s := range sources {
		if s.File == nil || s.Name == "standard input" {
			continue
		}
		if path := beside(s.Name, "rejected.jsonl"); !slices.Contains(written, path) {
			_ = os.Remove(path)
		}
		if i == 0 && gone {
			_ = os.Remove(beside(s.Name, "gone.txt"))
		}
	}
}

// beside returns the name of a file that belongs to another one.
func beside(name, suffix string) string {
	if name == "standard input" {
		return suffix
	}
	return name + "." + suffix
}

// lazyFile is a file that its first line creates. Only its owner may read it. It replaces one
// of an earlier run, or continues it.
type lazyFile struct {
	path      string
	continues bool
	file      *os.File
}

func (l *lazyFile) line(text string) (err error) {
	if l.file == nil {
		flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
		if l.continues {
			flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
		}
		if l.file, err = os.OpenFile(l.path, flags, 0o600); err != nil {
			return err
		}
		if err := l.file.Chmod(0o600); err != nil { // it may have been there
			return err
		}
	}
	_, err = fmt.Fprintln(l.file, text)
	return err
}

func (l *lazyFile) name() string {
	if l.file == nil {
		return ""
	}
	return l.file.Name()
}

func (l *lazyFile) close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// refusals writes refused rows to a file beside each source, or all to one.
type refusals struct {
	path  string // of the only one
	dry   bool   // without a path, no file is written
	files map[string]*lazyFile
}

func (r *refusals) add(refused moving.Refusal) error {
	path := r.path
	if path == "" {
		path = beside(refused.File, "rejected.jsonl")
	}
	if r.dry && r.path == "" {
		return nil
	}
	if r.files[path] == nil {
		r.files[path] = &lazyFile{path: path}
	}
	line, err := json.Marshal(refused)
	if err != nil {
		return err
	}
	return r.files[path].line(string(line))
}

func (r *refusals) names() []string { return slices.Sorted(maps.Keys(r.files)) }

func (r *refusals) close() (err error) {
	for _, f := range r.files {
		err = errors.Join(err, f.close())
	}
	return err
}

// exportPeopleCommand writes all people and organizations for `import people`.
func exportPeopleCommand() *cobra.Command {
	var output string
	var asJSON, hashes bool
	cmd := &cobra.Command{
		Use: "people", Short: "Write all people and organizations to a file for `import people`", Args: cobra.NoArgs,
		Long: "Write all people, organizations and memberships to a file of JSON lines, which `guildhall import people` reads and\n" +
			"other programs can read: configs/moving-in.md has the format. Nothing is changed, and the service may be running.",
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			var s moving.Exported
			write := func(w io.Writer) (err error) {
				s, err = moving.Export(cmd.Context(), g.DB, w, moving.ExportOptions{PasswordHashes: hashes, Packed: strings.HasSuffix(output, ".gz"), Now: g.Now()})
				return err
			}
			if err := writeOutput(cmd, output, write); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), exportedReport{output, s})
			}
			out := cmd.ErrOrStderr() // standard output may be the file
			fmt.Fprintf(out, "people %d, organizations %d, memberships %d\n", s.People, s.Organizations, s.Memberships)
			if hashes {
				fmt.Fprintln(out, "the file has password hashes: keep it secret")
			}
			if output != stream {
				fmt.Fprintln(out, "written to", output)
			}
			return nil
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "people.jsonl.gz", "file to create (it must not exist), packed if its name ends in .gz, or - for standard output")
	cmd.PreRunE = func(*cobra.Command, []string) error { return oneResult(asJSON, output) }
	addJSONOf(cmd, &asJSON, "a JSON object of {file, people, organizations, memberships}")
	cmd.Flags().BoolVar(&hashes, "with-password-hashes", false, "include the password hashes; keep the file secret")
	return cmd
}

// exportedReport is what `export people --json` prints.
type exportedReport struct {
	File string `json:"file"`
	moving.Exported
}
