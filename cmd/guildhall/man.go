package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"guildhall/platform/config"
)

// manCommand prints the manual, made of the commands and settings themselves.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man", Short: "Print the manual page, for man", Args: cobra.NoArgs,
		Long: "Print the manual page in the format that man reads:\n" +
			"guildhall man > /usr/local/share/man/man8/guildhall.8",
		RunE: func(cmd *cobra.Command, _ []string) error {
			app, err := describe()
			if err != nil {
				return err
			}
			return writeManual(cmd.OutOrStdout(), cmd.Root(), thisRelease(app))
		},
	}
}

// manual is a page in the making, in the macros of man(7).
type manual struct{ bytes.Buffer }

func writeManual(w io.Writer, root *cobra.Command, r release) error {
	var m manual
	date, _, _ := strings.Cut(r.CommittedAt, "T")
	if date == "" { // built without its history: that of the newest migration
		date = r.Schema[:4] + "-" + r.Schema[4:6] + "-" + r.Schema[6:8]
	}
	fmt.Fprintf(&m, ".TH GUILDHALL 8 \"%s\" \"guildhall %s\" \"System administration\"\n", date, r.Version)
	m.section("NAME")
	m.text("guildhall - users, organizations and the roles between them, as one service")
	m.section("SYNOPSIS")
	fmt.Fprint(&m, ".B guildhall\n[\\fIcommand\\fR] [\\fIflags\\fR]\n")
	m.section("DESCRIPTION")
	m.text("Without a command, guildhall serves. It needs nothing else: its data is in an SQLite file, or in PostgreSQL where DATABASE_URL says so. Every command takes every setting, as a flag too.")
	m.section("COMMANDS")
	m.commands(root)
	m.section("SETTINGS")
	m.text("From flags, then the environment, then a .env file in the working directory, then the YAML file, then defaults. NAME_FILE in place of NAME reads the value from a file, which is the place for secrets. A setting that is wrong stops the start, and all faults are named at once.")
	for _, s := range config.Describe() {
		m.entry(s.Name, ", --"+s.Flag+" "+s.Kind, s.Usage)
	}
	for _, s := range sections {
		m.section(s.title)
		for _, e := range s.entries {
			m.entry(e[0], "", e[1])
		}
	}
	m.section("EXIT STATUS")
	for _, s := range exitStatuses() {
		m.entry(s[0], "", s[1])
	}
	_, err := m.WriteTo(w)
	return err
}

func (m *manual) section(title string) { fmt.Fprint(m, ".SH "+title+"\n") }

// entry is a term, what it takes, and what it means.
func (m *manual) entry(term, takes, means string) {
	fmt.Fprint(m, ".TP\n\\fB"+roff(term)+"\\fR"+roff(takes)+"\n")
	m.text(means)
}

// text fills lines, whose ends mean nothing to man, to a width that editors and
// linters like.
func (m *manual) text(s string) {
	const width = 72
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && len(line)+len(word) > width {
			fmt.Fprint(m, roff(line)+"\n")
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	fmt.Fprint(m, roff(line)+"\n")
}

func (m *manual) commands(parent *cobra.Command) {
	for _, c := range parent.Commands() {
		switch {
		case c.Hidden || c.Name() == "help":
		case c.Name() == "completion":
			m.entry("completion bash|fish|powershell|zsh", "", c.Short+". Its --help says where to put it.")
		case c.HasSubCommands():
			m.commands(c)
		default:
			m.command(c)
		}
	}
}

func (m *manual) command(c *cobra.Command) {
	_, usage, _ := strings.Cut(c.UseLine(), " ") // without the program's name
	means := c.Long
	if means == "" {
		means = c.Short + "."
	}
	m.entry(strings.TrimSuffix(usage, " [flags]"), "", means)
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			fmt.Fprint(m, ".RS\n")
			m.entry("--"+f.Name, " "+f.Value.Type(), f.Usage)
			fmt.Fprint(m, ".RE\n")
		}
	})
}

// roff keeps text from being taken for a request or an escape.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		return `\&` + s
	}
	return s
}

type manualSection struct {
	title   string
	entries [][2]string // the term and what it means
}

var sections = []manualSection{
	{"FILES", [][2]string{
		{"configs/guildhall.yaml", "Settings, where the file is there; --config or GUILDHALL_CONFIG names another, which must be."},
		{".env", "Settings, in the working directory."},
		{"data/guildhall.db", "The SQLite database in development, with its log (-wal, -shm) and, while the service runs, a second name of it (-open) beside it. DATABASE_URL names another."},
		{"data/jwt_secret_key, data/jwt_refresh_secret_key", "The secrets made on first start in development."},
	}},
	{"SIGNALS", [][2]string{
		{"SIGTERM, SIGINT", "Drain: /readyz answers 503 at once, requests are taken for DRAIN_DELAY_SECONDS more, and those under way have DRAIN_TIMEOUT_SECONDS to finish. A second one ends the process at once."},
	}},
}
