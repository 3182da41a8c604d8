package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"guildhall/platform/config"
	"guildhall/platform/platformtest"
)

// separately is run with standard output and standard error apart.
func separately(t testing.TB, input, dir string, environ []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := command(dir, environ, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// TestWrongUsageIsStatus2 checks that wrong usage does nothing, prints nothing to
// standard output that a script could use as a result, and says on standard error what is
// valid.
func TestWrongUsageIsStatus2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for line, says := range map[string]string{
		"nothing":                    `"nothing"`,
		"serve now":                  "now",
		"--nothing":                  "--nothing",
		"migrate up --nothing":       "--nothing",
		"migrate --nothing":          "--nothing",
		"migrate down 1 2":           "1 arg",
		"migrate down many":          "many",
		"backup":                     "1 arg",
		"version --json=perhaps":     "perhaps",
		"seed --users many":          "many",
		"seed --users 0":             "users",
		"admin grant":                "1 arg",
		"admin create nobody":        "must be an email address",
		"admin create a@b.c --name=": "1 to 255",
		"copy --to sqlite://x.db":    "--from",
		"help nothing":               "nothing",
		"help migrate sideways":      "sideways",
		"completion tcsh":            "tcsh",
		"doctor --config":            "--config",
		"audit verify --since=now":   "--since",
	} {
		out, errs, status := separately(t, "", dir, nil, strings.Fields(line)...)
		if status != 2 || out != "" || !strings.Contains(errs, says) || !strings.Contains(errs, "--help`") {
			t.Errorf("%s: %d, %q on standard output, want %q in\n%s", line, status, out, says, errs)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("they left %v", entries)
	}
}

// TestNoCommandIsOnlyATitle checks that every command that only groups others, including
// future ones, refuses to run without a subcommand.
func TestNoCommandIsOnlyATitle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := root()
	cmd.InitDefaultCompletionCmd()
	groups := 0
	everyCommand(cmd, func(c *cobra.Command) {
		if !isTitle(c) || !c.HasParent() {
			return
		}
		groups++
		for _, more := range []string{"", " sideways"} {
			_, path, _ := strings.Cut(c.CommandPath()+more, " ")
			out, errs, status := separately(t, "", dir, nil, strings.Fields(path)...)
			if status != 2 || out != "" {
				t.Errorf("%s: %d %s", path, status, out)
			}
			for _, sub := range c.Commands() {
				if !strings.Contains(errs, sub.Name()) {
					t.Errorf("%s does not name %s:\n%s", path, sub.Name(), errs)
				}
			}
		}
	})
	if groups < 4 {
		t.Errorf("only %d commands have subcommands", groups)
	}
}

// everyLeaf visits each command that does something, including future ones.
func everyLeaf(visit func(path []string, c *cobra.Command)) {
	cmd := root()
	cmd.InitDefaultHelpCmd()
	cmd.InitDefaultCompletionCmd()
	everyCommand(cmd, func(c *cobra.Command) {
		if c.HasParent() && !isTitle(c) {
			visit(strings.Fields(c.CommandPath())[1:], c)
		}
	})
}

// TestNoCommandTakesMoreThanItAsksFor checks that excess arguments are refused: they may
// be part of another command that was mistyped.
func TestNoCommandTakesMoreThanItAsksFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	commands := 0
	everyLeaf(func(path []string, c *cobra.Command) {
		if strings.Contains(c.Use, "...") {
			return // it takes any number
		}
		commands++
		out, errs, status := separately(t, "", dir, nil, append(path, "one", "two", "three", "four")...)
		if status != 2 || out != "" || errs == "" {
			t.Errorf("%v: %d %s%s", path, status, out, errs)
		}
	})
	if commands < 40 {
		t.Errorf("only %d commands were tried", commands)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("they left %v", entries)
	}
}

// TestHelpIsShort checks that a command's help has its own flags and no settings. These
// have their own page and still work with every command.
func TestHelpIsShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, line := range []string{"--help", "help", "migrate --help", "help migrate", "migrate down --help", "help copy", "completion --help", "help help"} {
		out, errs, status := separately(t, "", dir, nil, strings.Fields(line)...)
		if status != 0 || errs != "" || !strings.Contains(out, "help settings") || strings.Contains(out, "--database-url") || strings.Count(out, "\n") > 45 {
			t.Errorf("%s: %d %s\n%s", line, status, errs, out)
		}
	}
	out, _ := run(t, dir, nil, "help", "copy")
	if !strings.Contains(out, "--from-file") {
		t.Errorf("copy's own flags:\n%s", out)
	}
	out, _ = run(t, dir, nil, "--help")
	for _, c := range root().Commands() {
		if !strings.Contains(out, "  "+c.Name()+" ") || c.GroupID == "" {
			t.Errorf("%s is not listed, or under no title:\n%s", c.Name(), out)
		}
	}
	out, status := run(t, dir, nil, "help", "settings")
	for _, s := range config.Describe() {
		if status != 0 || !strings.Contains(out, "\n"+s.Name+", --"+s.Flag+" "+s.Kind+"\n    "+s.Usage+"\n") {
			t.Errorf("%d, %s is not in it", status, s.Name)
		}
	}
	if out, status := run(t, dir, nil, "check", "--environment", "staging"); status != 1 || !strings.Contains(out, "DATABASE_URL") {
		t.Errorf("a setting as a flag: %d\n%s", status, out)
	}
}

// TestExitStatusesAreDocumented checks that help, the manual and configs/README.md list
// the exit statuses.
func TestExitStatusesAreDocumented(t *testing.T) {
	t.Parallel()
	help, status := run(t, t.TempDir(), nil, "help", "exit-status")
	manual, _ := run(t, t.TempDir(), nil, "man")
	guide, err := os.ReadFile("../../configs/README.md")
	if err != nil || status != 0 {
		t.Fatal(status, err)
	}
	_, manual, _ = strings.Cut(strings.Join(strings.Fields(strings.ReplaceAll(manual, `\-`, "-")), " "), ".SH EXIT STATUS")
	for i, s := range exitStatuses() {
		if s[0] != fmt.Sprint(i) || !strings.Contains(help, s[0]+"  "+s[1]) || !strings.Contains(manual, `\fB`+s[0]+`\fR `+s[1]) {
			t.Errorf("%s is not documented:\n%s\n%s", s, help, manual)
		}
		if !strings.Contains(string(guide), "\n| "+s[0]+" | ") {
			t.Errorf("%s is not in the guide", s[0])
		}
	}
}

// TestTheDoctorsWarningsHaveAStatus checks that warnings have their own exit status with
// --strict, and are no failure without.
func TestTheDoctorsWarningsHaveAStatus(t *testing.T) {
	t.Parallel()
	databaseURL := platformtest.SQLiteURL(t)
	dir, environ := t.TempDir(), inProduction(databaseURL, "BACKUP_DIR=backups")
	if out, status := run(t, dir, environ, "migrate", "up"); status != 0 {
		t.Fatalf("%d\n%s", status, out)
	}
	for args, want := range map[string]int{"doctor": 0, "doctor --json": 0, "doctor --strict": 3, "doctor --strict --json": 3} {
		out, errs, status := separately(t, "", dir, environ, strings.Fields(args)...)
		if status != want || !strings.Contains(out, "none exists yet") || (errs != "") != (want != 0) {
			t.Errorf("%s: %d, want %d\n%s%s", args, status, want, out, errs)
		}
	}
	s := start(t, databaseURL)
	s.exec("DELETE FROM user_profile WHERE user_id = '" + s.person("Ada").id + "'")
	for _, args := range []string{"doctor", "doctor --strict"} {
		if out, status := run(t, dir, environ, strings.Fields(args)...); status != 1 {
			t.Errorf("%s on what is wrong: %d\n%s", args, status, out)
		}
	}
}
