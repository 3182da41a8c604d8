package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"guildhall/platform"
	"guildhall/platform/access"
	"guildhall/platform/config"
	"guildhall/platform/database"
)

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "guildhall",
		Short:         "Users, organizations and the roles between them",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          serve,
	}
	config.Flags(cmd.PersistentFlags())
	completeFiles(cmd)
	cmd.SetHelpFunc(printHelp)
	cmd.SetHelpCommand(helpCommand())
	cmd.SetHelpCommandGroupID(ofProgram)
	cmd.SetCompletionCommandGroupID(ofProgram)
	for _, title := range []string{ofService, ofPeople, ofData, ofProgram} {
		cmd.AddGroup(&cobra.Group{ID: title, Title: title})
	}
	cmd.AddCommand(inGroup(ofService,
		&cobra.Command{Use: "serve", Short: "Run the service (the default)", Args: cobra.NoArgs, RunE: serve},
		migrateCommand(), rowSecurityCommand(), keysCommand(), apiCommand(), checkCommand(), doctorCommand(), mailCommand(), sweepCommand())...)
	cmd.AddCommand(inGroup(ofPeople, userCommand(), organizationCommand(), adminCommand(), auditCommand())...)
	cmd.AddCommand(inGroup(ofData, backupCommand(), restoreCommand(), copyCommand(), exportCommand(), importCommand(), seedCommand())...)
	cmd.AddCommand(inGroup(ofProgram, openAPICommand(), manCommand(), versionCommand())...)
	return cmd
}

// completeFiles makes shell completion offer file names only for the flags that take one.
func completeFiles(cmd *cobra.Command) {
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	files := cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" || strings.HasSuffix(f.Name, "-file") {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, files) // fails only for a flag that does not exist
		}
	})
}

// load reads the configuration and creates the log that it configures.
func load(cmd *cobra.Command) (*config.Config, *slog.Logger, error) {
	cfg, err := config.Load(config.Options{Flags: cmd.Flags(), Environ: os.Environ()})
	if err != nil {
		return nil, nil, err
	}
	log := newLog(cfg)
	applyMemoryLimit(log)
	return cfg, log, nil
}

func newLog(cfg *config.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // validated
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// onDatabase is the body of a command that needs the database.
type onDatabase func(cmd *cobra.Command, args []string, g *guildhall) error

// withComplete is withApp for a complete database. It refuses one into which a copy was
// interrupted.
func withComplete(run onDatabase) func(*cobra.Command, []string) error {
	return withApp(func(cmd *cobra.Command, args []string, g *guildhall) error {
		half, err := g.DB.IsHalfCopied(cmd.Context())
		if err != nil {
			return err
		}
		if half {
			return database.ErrHalfCopied
		}
		return run(cmd, args, g)
	})
}

// withService is withComplete for commands on users and organizations, which may run while
// the service does. It refuses a schema that the service could not run on.
func withService(run onDatabase) func(*cobra.Command, []string) error {
	return withComplete(func(cmd *cobra.Command, args []string, g *guildhall) error {
		if err := g.app.Current(cmd.Context()); err != nil {
			return err
		}
		return run(cmd, args, g)
	})
}

// reportCreated prints the path of a new database, so that an operator who meant another
// one notices.
func reportCreated(out io.Writer, path string) {
	fmt.Fprintln(out, "created a new database:", absolute(path))
}

// withApp runs a command on an existing database. It refuses a SQLite file that does not
// exist.
func withApp(run onDatabase) func(*cobra.Command, []string) error {
	return onOpened(func(*config.Config) bool { return false }, run)
}

// withNew is withApp for commands that may start a new database: it creates a missing
// SQLite file.
func withNew(run onDatabase) func(*cobra.Command, []string) error {
	return onOpened(func(*config.Config) bool { return true }, run)
}

// withFilled is for commands that fill a database. It refuses a schema that the service could
// not run on. If MIGRATE_ON_START is set, it creates a missing SQLite file and migrates an
// empty database.
func withFilled(run onDatabase) func(*cobra.Command, []string) error {
	return onOpened(migratesOnStart, func(cmd *cobra.Command, args []string, g *guildhall) error {
		if err := g.app.Usable(cmd.Context()); err != nil {
			return err
		}
		return run(cmd, args, g)
	})
}

// migratesOnStart reports whether serving or filling may create a missing SQLite file.
// Without migrations the new file would stay empty.
func migratesOnStart(cfg *config.Config) bool { return cfg.MigrateOnStart }

func onOpened(mayCreate func(*config.Config) bool, run onDatabase) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, log, err := load(cmd)
		if err != nil {
			return err
		}
		if err := cfg.UseDevSecrets(); err != nil {
			return err
		}
		g, err := open(cmd.Context(), cfg, log, platform.Options{Create: mayCreate(cfg)})
		if err != nil {
			return err
		}
		defer g.DB.Close()
		if g.DB.Created() {
			reportCreated(cmd.ErrOrStderr(), g.DB.Path())
		}
		ctx, err := g.Gate.AdmitCommandLine(cmd.Context(), access.PlatformAdminOnly(), access.Request{})
		if err != nil {
			return err
		}
		cmd.SetContext(ctx)
		return run(cmd, args, g)
	}
}
