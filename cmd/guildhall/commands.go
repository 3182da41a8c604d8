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
	cmd.AddCommand(under(ofService,
		&cobra.Command{Use: "serve", Short: "Run the service (the default)", Args: cobra.NoArgs, RunE: serve},
		migrateCommand(), rowSecurityCommand(), checkCommand(), doctorCommand(), sweepCommand())...)
	cmd.AddCommand(under(ofPeople, userCommand(), organizationCommand(), adminCommand(), auditCommand())...)
	cmd.AddCommand(under(ofData, backupCommand(), restoreCommand(), copyCommand(), exportCommand(), importCommand(), seedCommand())...)
	cmd.AddCommand(under(ofProgram, openAPICommand(), manCommand(), versionCommand())...)
	return cmd
}

// completeFiles has a shell offer files for the flags that name one, and for
// nothing else.
func completeFiles(cmd *cobra.Command) {
	cmd.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	files := cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" || strings.HasSuffix(f.Name, "-file") {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, files) // fails for a flag that isn't there
		}
	})
}

// load reads the configuration and sets up the log it asks for.
func load(cmd *cobra.Command) (*config.Config, *slog.Logger, error) {
	cfg, err := config.Load(config.Options{Flags: cmd.Flags(), Environ: os.Environ()})
	if err != nil {
		return nil, nil, err
	}
	log := newLog(cfg)
	heedMemoryLimit(log)
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

// onDatabase is a command that needs the database.
type onDatabase func(cmd *cobra.Command, args []string, g *guildhall) error

// withWhole is withApp on a database into which no copy was cut off.
func withWhole(run onDatabase) func(*cobra.Command, []string) error {
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

// withService is withWhole on a schema that the service could run on, for what
// works on people and organizations beside it.
func withService(run onDatabase) func(*cobra.Command, []string) error {
	return withWhole(func(cmd *cobra.Command, args []string, g *guildhall) error {
		if err := g.app.Current(cmd.Context()); err != nil {
			return err
		}
		return run(cmd, args, g)
	})
}

// sayMade tells of a new database: whoever meant another one notices here.
func sayMade(out io.Writer, path string) { fmt.Fprintln(out, "made a new database:", absolute(path)) }

// withApp runs a command that needs a database that is there.
func withApp(run onDatabase) func(*cobra.Command, []string) error {
	return onOpened(func(*config.Config) bool { return false }, run)
}

// withNew is withApp for what begins a database: a SQLite file that is not there
// is made.
func withNew(run onDatabase) func(*cobra.Command, []string) error {
	return onOpened(func(*config.Config) bool { return true }, run)
}

// withFilled is withNew for what fills a database with a schema that the service
// could run on, which it gets here where it is empty and MIGRATE_ON_START is set.
func withFilled(run onDatabase) func(*cobra.Command, []string) error {
	return onOpened(migratesOnStart, func(cmd *cobra.Command, args []string, g *guildhall) error {
		if err := g.app.Usable(cmd.Context()); err != nil {
			return err
		}
		return run(cmd, args, g)
	})
}

// migratesOnStart says who may begin a database by serving or filling it: without
// a schema it would be left empty.
func migratesOnStart(cfg *config.Config) bool { return cfg.MigrateOnStart }

func onOpened(mayCreate func(*config.Config) bool, run onDatabase) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, log, err := load(cmd)
		if err != nil {
			return err
		}
		g, err := open(cmd.Context(), cfg, log, platform.Options{Create: mayCreate(cfg)})
		if err != nil {
			return err
		}
		defer g.DB.Close()
		if g.DB.Made() {
			sayMade(cmd.ErrOrStderr(), g.DB.Path())
		}
		ctx, err := g.Gate.AdmitCommandLine(cmd.Context(), access.PlatformAdminOnly(), access.Request{})
		if err != nil {
			return err
		}
		cmd.SetContext(ctx)
		return run(cmd, args, g)
	}
}
