package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"guildhall/platform/config"
)

// The groups of commands, in the order in which help lists them.
const (
	ofService = "The service"
	ofPeople  = "Users and organizations"
	ofData    = "All data"
	ofProgram = "The program"
)

// inGroup puts commands into the group with a title.
func inGroup(title string, commands ...*cobra.Command) []*cobra.Command {
	for _, c := range commands {
		c.GroupID = title
	}
	return commands
}

// helpCommand shows the usage of a command, or one of two topics that all commands share:
// the settings, which would bury a command's own flags, and the exit statuses.
func helpCommand() *cobra.Command {
	topics := map[string]func(io.Writer){"settings": printSettings, "exit-status": printExitStatuses}
	return &cobra.Command{
		Use: "help [COMMAND | settings | exit-status]", Short: "Show help for a command, all settings, or the exit statuses",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (offered []string, _ cobra.ShellCompDirective) {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, c := range about.Commands() {
				if c.IsAvailableCommand() {
					offered = append(offered, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			if len(args) == 0 {
				offered = append(offered, "settings", "exit-status")
			}
			return offered, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && topics[args[0]] != nil {
				topics[args[0]](cmd.OutOrStdout())
				return nil
			}
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usageError("no help topic %q", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// printHelp shows a command's own flags, without the settings.
func printHelp(cmd *cobra.Command, _ []string) {
	out := cmd.OutOrStdout()
	about := strings.TrimSpace(cmd.Long)
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(out, "%s\n\nUsage:\n", about)
	if cmd.HasSubCommands() {
		fmt.Fprintf(out, "  %s COMMAND\n", cmd.CommandPath())
	}
	if !isTitle(cmd) {
		fmt.Fprintf(out, "  %s\n", cmd.UseLine())
	}
	printCommands(out, cmd)
	if own := cmd.LocalNonPersistentFlags(); own.HasAvailableFlags() {
		fmt.Fprintf(out, "\nFlags:\n%s", own.FlagUsages())
	}
	fmt.Fprintln(out, "\nEvery setting is a flag as well: see `guildhall help settings`.")
}

// printCommands lists the subcommands, under the titles of their groups.
func printCommands(out io.Writer, cmd *cobra.Command) {
	list := func(title, group string) {
		for _, c := range cmd.Commands() {
			if c.GroupID != group || !c.IsAvailableCommand() && c.Name() != "help" {
				continue
			}
			if title != "" {
				fmt.Fprintf(out, "\n%s:\n", title)
				title = ""
			}
			fmt.Fprintf(out, "  %-14s %s\n", c.Name(), c.Short)
		}
	}
	for _, g := range cmd.Groups() {
		list(g.Title, g.ID)
	}
	list("Commands", "")
}

func printSettings(out io.Writer) {
	fmt.Fprintln(out, "From flags, then the environment, then a .env file in the working directory, then the YAML file, then defaults.")
	fmt.Fprintln(out, "NAME_FILE in place of NAME, or --name-file in place of --name, reads the value from a file.")
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Flags(flags)
	file := flags.Lookup("config")
	fmt.Fprintf(out, "\nGUILDHALL_CONFIG, --%s %s\n    %s\n", file.Name, file.Value.Type(), file.Usage)
	for _, s := range config.Describe() {
		fmt.Fprintf(out, "\n%s, --%s %s\n    %s\n", s.Name, s.Flag, s.Kind, s.Usage)
	}
}

func printExitStatuses(out io.Writer) {
	for _, s := range exitStatuses() {
		fmt.Fprintf(out, "%s  %s\n", s[0], s[1])
	}
}
