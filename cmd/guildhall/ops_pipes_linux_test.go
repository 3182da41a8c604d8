package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"guildhall/platform/platformtest"
)

// piped starts guildhall with a pipe for its output, and reads it until the service
// listens.
func piped(t *testing.T, cmd *exec.Cmd, output, reader *os.File) (base, private string, rest *bufio.Reader) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	_ = output.Close()
	rest = bufio.NewReader(reader)
	var all strings.Builder
	for base == "" {
		line, err := rest.ReadString('\n')
		if err != nil {
			t.Fatalf("%v:\n%s", err, all.String())
		}
		all.WriteString(line)
		if found := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(line); found != nil {
			base = "http://" + found[1]
		}
	}
	return base, "http://" + privately.FindStringSubmatch(all.String())[1], rest
}

func lostLines(t *testing.T, private string) int {
	t.Helper()
	_, metrics := fetch(t, private+"/metrics")
	lost, err := strconv.Atoi(regexp.MustCompile(`(?m)^guildhall_log_lines_lost_total (\d+)$`).FindStringSubmatch(string(metrics))[1])
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

// losesLines waits until so many lines are lost: a request's line comes after its answer. More
// may be, because workers write lines too.
func losesLines(t *testing.T, private string, least int) {
	t.Helper()
	lost := 0
	for deadline := time.Now().Add(5 * time.Second); lost < least && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		lost = lostLines(t, private)
	}
	if lost < least {
		t.Errorf("%d lines were lost of %d", lost, least)
	}
}

func end(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestServingSurvivesTheLossOfItsLogsReader closes the reader of the log, as in guildhall
// | head -1.
func TestServingSurvivesTheLossOfItsLogsReader(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := command(dir, s.environ("PRIVATE_ADDRESS=127.0.0.1:0"))
		base, private, _ := piped(t, cmd, writer, reader)
		if before := lostLines(t, private); before != 0 {
			t.Errorf("%d lines were lost before", before)
		}
		_ = reader.Close()
		for range 5 {
			if status, _ := fetch(t, base+"/openapi.json"); status != http.StatusOK {
				t.Errorf("it answers %d", status)
			}
		}
		losesLines(t, private, 5)
		end(t, cmd)
	})
}

func TestAnotherCommandEndsWithItsReader(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = reader.Close()
	cmd := command(t.TempDir(), nil, "openapi")
	cmd.Stdout = writer
	err = cmd.Run()
	_ = writer.Close()
	if state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); err == nil || !ok || state.Signal() != syscall.SIGPIPE {
		t.Errorf("another command exits with %v", err)
	}
}

// TestTheLogSaysWhatItLacks checks that the log reports how many lines were lost once it
// has a reader again.
func TestTheLogSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(how int) *os.File {
		t.Helper()
		f, err := os.OpenFile(fifo, how|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	reader := open(os.O_RDONLY)
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(dir, inProduction("sqlite://x.db", "MIGRATE_ON_START=true", "PRIVATE_ADDRESS=127.0.0.1:0"))
	base, private, _ := piped(t, cmd, writer, reader)
	_ = reader.Close()
	for range 3 {
		_, _ = fetch(t, base+"/openapi.json")
	}
	losesLines(t, private, 3)
	reader = open(os.O_RDONLY)
	defer reader.Close()
	_, _ = fetch(t, base+"/openapi.json")
	_ = reader.SetReadDeadline(time.Now().Add(5 * time.Second))
	buffer := make([]byte, 64<<10)
	text := ""
	said := regexp.MustCompile(`"msg":"lines of the log could not be written","lost":(\d+)`)
	for !said.MatchString(text) {
		n, err := reader.Read(buffer)
		if err != nil && err != io.EOF {
			t.Fatalf("%v: %s", err, text)
		}
		text += string(buffer[:n])
	}
	if lost := said.FindStringSubmatch(text)[1]; len(lost) == 1 && lost < "3" {
		t.Errorf("the log says that %s lines were lost", lost)
	}
	end(t, cmd)
}

// TestOutputThatIsNotWholeIsAFailure checks that a command fails if its output can't be
// written because the disk is full.
func TestOutputThatIsNotWholeIsAFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	environ := inProduction("sqlite://" + filepath.Join(dir, "guildhall.db"))
	if out, status := run(t, dir, environ, "migrate", "up"); status != 0 {
		t.Fatalf("%d\n%s", status, out)
	}
	for _, args := range [][]string{{"audit", "verify"}, {"migrate", "status"}, {"admin", "list", "--help"}, {"version"}, {"help", "settings"}} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		cmd := command(dir, environ, args...)
		var complaints strings.Builder
		cmd.Stdout, cmd.Stderr = full, &complaints
		_ = cmd.Run()
		_ = full.Close()
		if status := cmd.ProcessState.ExitCode(); status != 1 || !strings.Contains(complaints.String(), "no space left on device") {
			t.Errorf("%v: %d %s", args, status, complaints.String())
		}
	}
}

// TestAReaderOfABackupThatEndsEarly checks that no files are left if the reader of a
// streamed backup exits early.
func TestAReaderOfABackupThatEndsEarly(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		s.person("Ada")
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		temporary := t.TempDir()
		cmd := command(t.TempDir(), s.environ("TMPDIR="+temporary), "backup", "-")
		cmd.Stdout = writer
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = writer.Close()
		_, _ = io.ReadFull(reader, make([]byte, 10))
		_ = reader.Close()
		if err := cmd.Wait(); err == nil {
			t.Error("it exits as if everything had been read")
		}
		if entries, _ := os.ReadDir(temporary); len(entries) > 0 {
			t.Errorf("left behind: %v", entries)
		}
	})
}

// terminal opens a new pseudo-terminal.
func terminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestNoFileGoesToATerminalOrComesFromOne checks that commands refuse a terminal in place
// of a file.
func TestNoFileGoesToATerminalOrComesFromOne(t *testing.T) {
	t.Parallel()
	databaseURL := platformtest.SQLiteURL(t)
	ada := start(t, databaseURL).person("Ada")
	for _, args := range [][]string{{"backup", "-"}, {"export", ada.organization, "-o", "-"}, {"restore", "-"}, {"import", "-"}} {
		cmd := command(t.TempDir(), inProduction(databaseURL), args...)
		var complaints strings.Builder
		cmd.Stdin, cmd.Stderr = terminal(t), &complaints
		cmd.Stdout = cmd.Stdin.(*os.File)
		_ = cmd.Run()
		if status := cmd.ProcessState.ExitCode(); status != 1 || !strings.Contains(complaints.String(), "is a terminal") {
			t.Errorf("%v: %d %s", args, status, complaints.String())
		}
	}
}
