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

// manCommand prints the manual page, generated from the commands and settings.
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

// manual builds a page in the macros of man(7).
type manual struct{ bytes.Buffer }

func writeManual(w io.Writer, root *cobra.Command, r release) error {
	var m manual
	date, _, _ := strings.Cut(r.CommittedAt, "T")
	if date == "" { // built without git: use the date of the newest migration
		date = r.Schema[:4] + "-" + r.Schema[4:6] + "-" + r.Schema[6:8]
	}
	fmt.Fprintf(&m, ".TH GUILDHALL 8 \"%s\" \"guildhall %s\" \"System administration\"\n", date, r.Version)
	m.section("NAME")
	m.text("guildhall - users, organizations and the roles between them, as one service")
	m.section("SYNOPSIS")
	fmt.Fprint(&m, ".B guildhall\n[\\fIcommand\\fR] [\\fIflags\\fR]\n")
	m.section("DESCRIPTION")
	m.text("Without a command, guildhall runs the service. It needs nothing else: it stores its data in a SQLite file, or in PostgreSQL if DATABASE_URL names one. Every command accepts every setting, also as a flag.")
	m.section("COMMANDS")
	m.commands(root)
	m.section("SETTINGS")
	m.text("From flags, then the environment, then a .env file in the working directory, then the YAML file, then defaults. NAME_FILE in place of NAME reads the value from a file: use it for secrets. The service does not start with invalid settings, and reports all of them at once.")
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

// entry writes a term, the value that it takes, and its description.
func (m *manual) entry(term, takes, means string) {
	fmt.Fprint(m, ".TP\n\\fB"+roff(term)+"\\fR"+roff(takes)+"\n")
	m.text(means)
}

// text wraps lines at a width that editors and linters accept. man ignores line ends.
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
			m.entry("completion bash|fish|powershell|zsh", "", c.Short+". Its --help says how to install it.")
		case isTitle(c):
			m.commands(c)
		default:
			m.command(c)
			m.commands(c)
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

// roff escapes text, so that man reads no part of it as a request or an escape.
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
		{"configs/guildhall.yaml", "Settings, if the file exists. --config or GUILDHALL_CONFIG names another file, which must exist."},
		{".env", "Settings, in the working directory."},
		{"data/guildhall.db", "The SQLite database in development, with its log (-wal, -shm) and, while the service runs, a second link to it (-open) in the same directory. DATABASE_URL names another file."},
		{"data/jwt_secret_key, data/jwt_refresh_secret_key", "The secrets that the first start in development creates."},
	}},
	{"SIGNALS", [][2]string{
		{"SIGTERM, SIGINT", "Drain: /readyz answers 503 at once, the service accepts requests for another DRAIN_DELAY_SECONDS, and those in progress have DRAIN_TIMEOUT_SECONDS to finish. A second signal ends the process at once."},
	}},
}
