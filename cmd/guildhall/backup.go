package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"guildhall/modules/auth"
	"guildhall/platform"
	"guildhall/platform/access"
	"guildhall/platform/audit"
	"guildhall/platform/backup"
	"guildhall/platform/database"
	"guildhall/platform/integrity"
	"guildhall/platform/module"
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
	var unsound, asJSON bool
	var digest contentDigest
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Restore a backup into an empty database", Args: cobra.ExactArgs(1),
		Long: "Restore a backup into the database in DATABASE_URL: a SQLite file that does not exist, or an empty PostgreSQL\n" +
			"database. The backup is verified first, and upgraded to this version's schema if it is older. All users are\n" +
			"logged out, because the backup does not know which sessions ended after it was made. With - the backup is read\n" +
			"from standard input.",
		RunE: func(cmd *cobra.Command, args []string) error {
			began := time.Now()
			r, err := restore(cmd, args[0], string(digest), unsound)
			if err != nil {
				return err
			}
			report := restoreReport{r.Verified, verificationOf(r.Digest, r.Found, began)}
			if !r.Verified {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: an earlier version wrote this backup, without a digest: changes to it since then can't be detected")
			}
			summary := fmt.Sprintf("restored in %.3fs; all users have to log in again", report.Seconds)
			if err := r.Found.Err(); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
			} else {
				summary = sound(r.Found) + "\n" + summary
			}
			return answerWith(cmd, asJSON, report, summary)
		},
	}
	addJSONOf(cmd, &asJSON, "a JSON object of {digest, verified, sound, problems, audit_events, audit_digest, seconds}")
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

func restore(cmd *cobra.Command, file, digest string, unsound bool) (r backup.Restored, err error) {
	ctx := cmd.Context()
	cfg, _, err := load(cmd)
	if err != nil {
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
	o := backup.RestoreOptions{File: file, Migrations: app.Migrations(), Invariants: app.Invariants(), Finish: endSessions, Unsound: unsound, Digest: digest, Progress: show}
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

// backups returns the worker that makes scheduled backups while the service runs, if
// BACKUP_DIR is set.
func backups(g *guildhall) []module.Worker {
	if g.Config.BackupDir == "" {
		return nil
	}
	schedule := &backup.Schedule{
		Dir: g.Config.BackupDir, Interval: g.Config.BackupInterval, Keep: g.Config.BackupKeep,
		Backup: backup.Options{DB: g.DB, Migrations: g.app.Migrations(), Invariants: g.app.Invariants()}, Now: g.Now, Log: g.Log,
	}
	g.Telemetry.WatchBackups(func() time.Time { return backup.Newest(schedule.Dir, schedule.Now()) }, schedule.Failures, schedule.Interval)
	return []module.Worker{schedule}
}

func endSessions(ctx context.Context, db *database.DB) error {
	return auth.NewSessions(db, audit.New(db, platform.Now, access.ActorOf), platform.Now).EndAllOfAllUsers(database.ForAll(ctx))
}
