package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"guildhall/modules/auth"
	"guildhall/platform"
	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/backup"
	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/integrity"
	"guildhall/platform/person"
)

// verification is what --json prints about a verified backup.
type verification struct {
	Digest      string              `json:"digest"`
	Sound       bool                `json:"sound"`
	Problems    []integrity.Problem `json:"problems"`
	AuditEvents int64               `json:"audit_events"`
	AuditDigest string              `json:"audit_digest"`
	Seconds     float64             `json:"seconds"`
}

func verificationOf(digest string, r integrity.Report, began time.Time) verification {
	problems := append([]integrity.Problem{}, r.Problems...)
	return verification{digest, len(problems) == 0, problems, r.Audit.Events, r.Audit.Digest, since(began)}
}

// backupReport is what `backup --json` prints.
type backupReport struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	verification
}

// restoreReport is what `restore --json` prints.
type restoreReport struct {
	Verified bool `json:"verified"`
	verification
	APIKeys []auth.LiveKey `json:"api_keys"` // that work
	Erased  int            `json:"erased"`   // people whom the backup had, and who were erased since
}

func backupCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write everything into one file, while the service runs", Args: cobra.ExactArgs(1),
		Long: "Write a snapshot of everything into one file, while the service runs. The file is a SQLite database, whichever\n" +
			"database the service uses. It gets its name only after it has been verified. It contains password hashes:\n" +
			"protect it like the database. With - the backup is made and verified in TMPDIR, and then written to standard\n" +
			"output.",
		RunE: withComplete(func(cmd *cobra.Command, args []string, g *guildhall) error {
			began := time.Now()
			taken, report, err := takeBackup(cmd, g, args[0])
			if err != nil && (!asJSON || !errors.Is(err, backup.ErrUnsound)) {
				return err
			}
			r := backupReport{taken.Path, taken.Bytes, verificationOf(taken.Digest, taken.Found, began)}
			summary := fmt.Sprintf("%s: %d bytes in %.3fs; %s\ncontent digest %s", r.File, r.Bytes, r.Seconds, sound(taken.Found), r.Digest)
			return errors.Join(err, answerOn(report, asJSON, r, summary))
		}),
	}
	cmd.PreRunE = func(_ *cobra.Command, args []string) error { return oneResult(asJSON, args[0]) }
	addJSONOf(cmd, &asJSON, "a JSON object of {file, bytes, digest, sound, problems, audit_events, audit_digest, seconds}")
	return cmd
}

// takeBackup writes a backup, and returns the writer for the report: standard output may
// be the backup itself.
func takeBackup(cmd *cobra.Command, g *guildhall, path string) (taken backup.Taken, report io.Writer, err error) {
	o := backup.Options{DB: g.DB, Migrations: g.app.Migrations(), Invariants: g.app.Invariants()}
	var done func()
	if path != stream {
		o.Progress, done = showProgress(cmd.ErrOrStderr())
		defer done()
		taken, err = backup.Take(cmd.Context(), o, path)
		return taken, cmd.OutOrStdout(), err
	}
	out, err := standardOutput(cmd)
	if err != nil {
		return taken, nil, err
	}
	o.Progress, done = showProgress(cmd.ErrOrStderr())
	defer done()
	taken, err = backup.Stream(cmd.Context(), o, out)
	taken.Path = "standard output"
	return taken, cmd.ErrOrStderr(), err
}

func sound(r integrity.Report) string {
	return fmt.Sprintf("the file, the invariants and %d audit events are valid (digest %s)", r.Audit.Events, r.Audit.Digest)
}

func restoreCommand() *cobra.Command {
	var unsound, asJSON, endKeys bool
	var erased string
	var digest contentDigest
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Restore a backup into an empty database", Args: cobra.ExactArgs(1),
		Long: "Restore a backup into the database in DATABASE_URL: a SQLite file that does not exist, or an empty PostgreSQL\n" +
			"database. The backup is verified first, and upgraded to this version's schema if it is older. All users are\n" +
			"logged out, because the backup does not know which sessions ended after it was made. API keys stay, and are\n" +
			"listed: one that was revoked after the backup works again. --end-keys ends them. People who were erased after the\n" +
			"backup are erased again: erased.txt beside the backup and in BACKUP_DIR lists them, or another file (--erased),\n" +
			"which `guildhall admin erased` prints. With - the backup is read from standard input.",
		RunE: func(cmd *cobra.Command, args []string) error {
			began := time.Now()
			end := afterRestore{keys: endKeys, list: erased}
			r, err := restore(cmd, args[0], string(digest), unsound, &end)
			if err != nil {
				return err
			}
			report := restoreReport{r.Verified, verificationOf(r.Digest, r.Found, began), append([]auth.LiveKey{}, end.live...), end.erasedAgain}
			if !r.Verified {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: an earlier version wrote this backup, without a digest: changes to it since then can't be detected")
			}
			summary := fmt.Sprintf("restored in %.3fs; all users have to log in again", report.Seconds)
			if err := r.Found.Err(); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
			} else {
				summary = sound(r.Found) + "\n" + summary
			}
			if end.erasedAgain > 0 {
				summary += fmt.Sprintf("\nerased again: %d", end.erasedAgain)
			}
			for _, k := range end.live {
				summary += fmt.Sprintf("\nthis API key works: %s %s… %q of %s", k.ID, k.Hint, k.Name, k.Holder)
				if k.Organization != "" {
					summary += fmt.Sprintf(" in %q", k.Organization)
				}
			}
			return answerWith(cmd, asJSON, report, summary)
		},
	}
	addJSONOf(cmd, &asJSON, "a JSON object of {digest, verified, sound, problems, audit_events, audit_digest, seconds, api_keys, erased}")
	cmd.Flags().StringVar(&erased, "erased", "", "the `file` with the people who were erased since, instead of erased.txt beside the backup and in BACKUP_DIR")
	cmd.Flags().BoolVar(&endKeys, "end-keys", false, "also end all API keys")
	addParsed(cmd.Flags(), &digest, "digest", "hex", "the digest that backup printed: refuse a backup with a different one")
	cmd.Flags().BoolVar(&unsound, "unsound", false, "restore even if the verification fails")
	return cmd
}

// contentDigest is a digest as `backup` prints it.
type contentDigest string

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *contentDigest) UnmarshalText(text []byte) error {
	if sum, err := hex.DecodeString(string(text)); err != nil || len(sum) != sha256.Size {
		return fmt.Errorf("must be the %d hexadecimal digits that backup printed", 2*sha256.Size)
	}
	*d = contentDigest(strings.ToLower(string(text)))
	return nil
}

func restore(cmd *cobra.Command, file, digest string, unsound bool, end *afterRestore) (r backup.Restored, err error) {
	ctx := cmd.Context()
	cfg, _, err := load(cmd)
	if err != nil {
		return r, err
	}
	end.config = cfg
	if end.erased, err = erasedSince(end.list, file, cfg.BackupDir); err != nil {
		return r, err
	}
	app, err := describe()
	if err != nil {
		return r, err
	}
	in, isRegular, err := openInput(cmd, file)
	if err != nil {
		return r, err
	}
	defer func() { _ = in.Close() }()
	show, done := showProgress(cmd.ErrOrStderr())
	o := backup.RestoreOptions{File: file, Migrations: app.Migrations(), Invariants: app.Invariants(), Finish: end.finish, Unsound: unsound, Digest: digest, Progress: show}
	if !isRegular {
		o.Input = in
	}
	if path := cfg.DatabaseURL.File(); path != "" {
		r, err := backup.ToFile(ctx, o, path)
		done()
		if err == nil {
			reportCreated(cmd.ErrOrStderr(), path)
		}
		return r, err
	}
	target, err := database.Open(ctx, database.Options{URL: cfg.DatabaseURL, TransactionPooling: cfg.DatabasePoolMode == "transaction"})
	if err != nil {
		return r, err
	}
	defer target.Close()
	defer done()
	return backup.ToDatabase(ctx, o, target)
}

// afterRestore ends what a restored database must not know to be live.
type afterRestore struct {
	config *config.Config
	keys   bool           // API keys, too
	live   []auth.LiveKey // those that work afterwards

	list        string          // of people who were erased; empty for those beside backups
	erased      []person.Erased // since the backup
	erasedAgain int
}

// erasedSince reads who was erased: in a list, or else in those that there are beside the backup
// and in the directory of the scheduled ones.
func erasedSince(list, backupFile, backupDir string) (all []person.Erased, err error) {
	if list != "" {
		return backup.ReadErased(list)
	}
	var lists []string
	if backupFile != stream {
		lists = append(lists, backup.ErasedList(backupFile)) // mutant: erased-beside-restore
	}
	if backupDir != "" {
		lists = append(lists, backup.ErasedList(filepath.Join(backupDir, "any"))) // mutant: erased-in-backup-dir
	}
	for _, list := range lists {
		people, err := backup.ReadErased(list)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		all = append(all, people...) // erasing again changes nothing
	}
	return all, nil
}

// finish ends what must not be live, and erases who was erased since.
func (e *afterRestore) finish(ctx context.Context, db *database.DB) error {
	if err := e.sessions(ctx, db); err != nil {
		return err
	}
	if len(e.erased) == 0 {
		return nil
	}
	k, err := platform.Over(e.config, db)
	if err != nil {
		return err
	}
	services, modules := wire(k)
	if _, err := platform.New(k, version, modules...); err != nil { // which declares the tables
		return err
	}
	ids := make([]uuid.UUID, len(e.erased))
	for i, p := range e.erased {
		ids[i] = p.ID
	}
	if e.erasedAgain, err = services.users.EraseAgain(ctx, ids); err != nil { // mutant: erased-again
		return err
	}
	return nil
}

func (e *afterRestore) sessions(ctx context.Context, db *database.DB) error {
	ctx = database.ForAll(ctx)
	sessions := auth.NewSessions(db, audit.New(db, platform.Now, access.ActorOf), platform.Now)
	if err := sessions.EndAllOfAllUsers(ctx); err != nil {
		return err
	}
	if e.keys {
		if err := sessions.EndAllKeys(ctx); err != nil {
			return err
		}
	}
	var err error
	e.live, err = sessions.LiveKeys(ctx)
	return err
}
