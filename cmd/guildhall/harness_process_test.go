package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain runs guildhall in place of the tests if a test started this binary as
// guildhall.
func TestMain(m *testing.M) {
	switch os.Getenv("GUILDHALL_TEST_AS_GUILDHALL") {
	case "":
	case "next":
		serveNext()
		return
	default:
		main()
		return
	}
	// If this binary counts coverage, the processes that it starts do too, and report if
	// they can't. GUILDHALL_TEST_COVERAGE is a directory for their counts.
	counts, temporary := os.Getenv("GUILDHALL_TEST_COVERAGE"), ""
	var err error
	if counts == "" {
		counts, err = os.MkdirTemp("", "guildhall-coverage-")
		temporary = counts
	}
	if err == nil {
		err = os.Setenv("GOCOVERDIR", counts)
	}
	if err != nil {
		panic(err)
	}
	// A quarter of the suite's time went into collecting garbage.
	debug.SetGCPercent(200)
	// Most tests wait for a process or a database for much of their time.
	if err := flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	status := m.Run()
	if temporary != "" {
		_ = os.RemoveAll(temporary)
	}
	os.Exit(status)
}

const (
	oneSecret     = "kX2vRt5wPm9sLc4nBd7fJg1yTuQe8hZa"
	anotherSecret = "Zb3xYw6qNk0tMd5oCe8gKh2zUvRf9jAa"
)

// command returns guildhall in a directory, with none of this process's environment.
func command(dir string, environ []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"GUILDHALL_TEST_AS_GUILDHALL=1", "GOCOVERDIR=" + os.Getenv("GOCOVERDIR"), "HOME=" + dir, "GORACE=halt_on_error=1"}, environ...)
	return cmd
}

// run runs a command and returns what it printed and its exit status.
func run(t testing.TB, dir string, environ []string, args ...string) (output string, status int) {
	t.Helper()
	return runWith(t, "", dir, environ, args...)
}

func runWith(t testing.TB, input, dir string, environ []string, args ...string) (output string, status int) {
	t.Helper()
	cmd := command(dir, environ, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func inProduction(databaseURL string, more ...string) []string {
	return append([]string{
		"ENVIRONMENT=production", "DATABASE_URL=" + databaseURL, "JWT_SECRET_KEY=" + oneSecret, "JWT_REFRESH_SECRET_KEY=" + anotherSecret,
		"PORT=0", "HOST=127.0.0.1", "DRAIN_DELAY_SECONDS=0",
	}, more...)
}

// process is a running guildhall.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	base string
	out  *lockedBuffer
	done chan error
}

var listening = regexp.MustCompile(`(?:listens on http://|"address":")([^" \n]+)`)

func serveProcess(t testing.TB, dir string, environ ...string) *process {
	t.Helper()
	return serveCommand(t, command(dir, environ))
}

func serveCommand(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, out: &lockedBuffer{}, done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	for range 600 {
		if match := listening.FindStringSubmatch(p.out.String()); match != nil {
			p.base = "http://" + match[1]
			return p
		}
		select {
		case err := <-p.done:
			t.Fatalf("ended with %v:\n%s", err, p.out)
		case <-time.After(25 * time.Millisecond):
		}
	}
	t.Fatalf("does not listen:\n%s", p.out)
	return nil
}

// says waits until the log contains the texts. Output that a process wrote before an
// answer may arrive after it.
func (p *process) says(texts ...string) {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		out := p.out.String()
		missing := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return strings.Contains(out, text) })
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the log does not say %q:\n%s", missing, out)
		}
	}
}

func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("ended with %v:\n%s", err, p.out)
		}
	case <-time.After(20 * time.Second):
		p.t.Fatalf("does not exit:\n%s", p.out)
	}
}

func (p *process) do(method, path, token string, b map[string]any) answer {
	p.t.Helper()
	encoded, err := json.Marshal(b)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := http.NewRequest(method, p.base+path, bytes.NewReader(encoded))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return p.send(r)
}

func (p *process) send(r *http.Request) answer {
	p.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{t: p.t, request: r.Method + " " + r.URL.RequestURI(), status: resp.StatusCode, header: resp.Header, body: content}
}
