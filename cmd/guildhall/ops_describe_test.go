package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"guildhall/platform/config"
)

func TestVersionAsJSON(t *testing.T) {
	t.Parallel()
	out, status := run(t, t.TempDir(), nil, "version", "--json")
	var r release
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 {
		t.Fatalf("%d %v\n%s", status, err, out)
	}
	app, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	newest := app.Migrations()[len(app.Migrations())-1].ID
	if r.Version != "dev" || !strings.HasPrefix(r.Go, "go1.") || !strings.HasPrefix(r.SQLite, "3.") || !strings.Contains(r.Platform, "/") || r.Schema != newest {
		t.Errorf("%s", out)
	}
}

// TestCompletionInBash types the beginning of a command into a bash that has loaded the
// completion script. Its first line defines what bash-completion would.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	const ask = `_init_completion() { words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}; }
		script=$(guildhall completion bash) || exit 3
		eval "$script"
		COMP_WORDS=(guildhall "$@") COMP_CWORD=$# COMP_LINE="guildhall $*" COMP_TYPE=9
		COMP_POINT=${#COMP_LINE}
		compopt() { :; }
		__start_guildhall
		printf '%s\n' "${COMPREPLY[@]}"`
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("NOT TESTED: there is no bash")
	}
	programs := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(programs, "guildhall")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		typed []string
		want  string // is completed to, or is among what is offered
	}{
		{[]string{"mig"}, "migrate"},
		{[]string{"migrate", ""}, "plan"},
		{[]string{"admin", "cr"}, "create"},
		{[]string{"serve", "--trusted-pr"}, "--trusted-proxies"},
		{[]string{"version", "--j"}, "--json"},
		{[]string{"user", "end"}, "end-sessions"},
		{[]string{"organization", "tr"}, "transfer"},
		{[]string{"user", "list", "--standing", "su"}, "suspended"},
		{[]string{"help", "set"}, "settings"},
	} {
		cmd := command(t.TempDir(), []string{"PATH=" + programs})
		cmd.Path, cmd.Args = bash, append([]string{bash, "-c", ask, "bash"}, c.typed...)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%q: %v, want %s:\n%s", c.typed, err, c.want, out)
		}
	}
	for flag, directive := range map[string]string{"--config": ":0", "--jwt-secret-key-file": ":0", "--port": ":4"} { // files or none
		if out, status := run(t, t.TempDir(), nil, "__complete", flag, ""); status != 0 || !strings.Contains(out, directive+"\n") {
			t.Errorf("%s: %d, want %s:\n%s", flag, status, directive, out)
		}
	}
	for _, shell := range []string{"zsh", "fish", "powershell"} {
		if out, status := run(t, t.TempDir(), nil, "completion", shell); status != 0 || !strings.Contains(out, "guildhall") {
			t.Errorf("%s: %d", shell, status)
		}
	}
}

// TestTheManualLeavesNothingOut checks that the manual has every setting and command.
// scripts/deploy-check runs man's own linters on it.
func TestTheManualLeavesNothingOut(t *testing.T) {
	t.Parallel()
	out, status := run(t, t.TempDir(), nil, "man")
	if status != 0 {
		t.Fatalf("%d\n%s", status, out)
	}
	text := strings.ReplaceAll(out, `\-`, "-")
	for _, s := range config.Describe() {
		if !strings.Contains(text, `\fB`+s.Name+`\fR, --`+s.Flag+" ") {
			t.Errorf("%s is not in it", s.Name)
		}
	}
	var look func(parent *cobra.Command)
	look = func(parent *cobra.Command) {
		for _, c := range parent.Commands() {
			_, path, _ := strings.Cut(c.CommandPath(), " ")
			if !c.HasSubCommands() && !strings.Contains(text, `\fB`+path) {
				t.Errorf("%s is not in it", path)
			}
			look(c)
		}
	}
	look(root())
}
