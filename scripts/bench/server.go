package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"guildhall/platform/platformtest"
	"guildhall/platform/seed"
)

// server is guildhall or the limit, running on a database of its own.
type server struct {
	name       string
	size       seed.Size
	binary     string
	url        string // of its database
	dir        string
	settings   []string // in addition to those of all servers
	address    string
	cmd        *exec.Cmd
	ended      chan struct{} // closed when the process has ended
	people     people
	strangers  strangers
	pages      []string // deep in the list of the largest organization
	references map[string][]byte
	apiKey     string // of the registered API; only guildhall has one
}

// The secrets of both servers. findStrangers signs tokens with them as well.
const (
	accessSecret  = "benchmark-" + "kX2vRt5wPm9sLc4nBd7fJg1yTuQe8hZa"
	refreshSecret = "benchmark-" + "Zb3xYw6qNk0tMd5oCe8gKh2zUvRf9jAa"
)

// environment returns the environment of both servers, and of guildhall's commands.
func environment(databaseURL string, more ...string) []string {
	return append([]string{
		"DATABASE_URL=" + databaseURL, "ENVIRONMENT=production", "ENABLE_REGISTRATION=true", "RATE_LIMIT_ENABLED=false",
		"JWT_SECRET_KEY=" + accessSecret, "JWT_REFRESH_SECRET_KEY=" + refreshSecret,
		"HOST=127.0.0.1", "DRAIN_DELAY_SECONDS=0", "GIN_MODE=release",
	}, more...)
}

// start runs the server until stop or the end of ctx, and waits until it is ready.
func (s *server) start(ctx context.Context) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	s.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	log, err := os.OpenFile(s.logFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, s.binary)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.Env = append(environment(s.url, "PORT="+strconv.Itoa(port), "HOME="+s.dir), s.settings...)
	platformtest.Apart(cmd)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.cmd, s.ended = cmd, ended
	go func() { _ = cmd.Wait(); close(ended) }()
	for range 5000 {
		if s.ready(ctx) {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended:\n%s", s.name, s.complaints())
		case <-time.After(2 * time.Millisecond):
		}
	}
	return errors.Join(fmt.Errorf("%s did not become ready:\n%s", s.name, s.complaints()), s.stop())
}

func (s *server) ready(ctx context.Context) bool {
	_, err := s.ask(ctx, http.MethodGet, "/readyz", "", nil)
	return err == nil
}

// stop ends the server and waits for it.
func (s *server) stop() error {
	if s.cmd == nil {
		return nil
	}
	err := s.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		err = errors.Join(err, s.cmd.Process.Kill())
		<-s.ended
	}
	s.cmd = nil
	return err
}

func (s *server) logFile() string { return filepath.Join(s.dir, s.name+".log") }

// truncateLog empties the log. A run would write gigabytes.
func (s *server) truncateLog() error { return os.Truncate(s.logFile(), 0) }

// complaints returns the end of the log, without lines of the level INFO.
func (s *server) complaints() string {
	text, _ := os.ReadFile(s.logFile())
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, `"level":"INFO"`) {
			kept.WriteString(line)
		}
	}
	return kept.String()[max(0, kept.Len()-2000):]
}

// memory returns the resident memory in MiB: now, and the peak.
func (s *server) memory() (now, most float64) {
	running, err := process.NewProcess(int32(s.cmd.Process.Pid)) //nolint:gosec // ids of processes are small
	if err != nil {
		return 0, 0
	}
	info, err := running.MemoryInfo()
	if err != nil {
		return 0, 0
	}
	return float64(info.RSS) / (1 << 20), float64(platformtest.MostResident(s.cmd.Process.Pid)) / 1024
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// ask makes one request that is not measured. It returns an error if the status is not a
// success.
func (s *server) ask(ctx context.Context, method, path, token string, body []byte) ([]byte, error) {
	answer, _, err := s.askForLink(ctx, method, path, token, body)
	return answer, err
}

func (s *server) askForLink(ctx context.Context, method, path, token string, body []byte) (answer []byte, link string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = w.Body.Close() }()
	if answer, err = io.ReadAll(w.Body); err != nil {
		return nil, "", err
	}
	if w.StatusCode >= 300 {
		return nil, "", fmt.Errorf("%s on %s: %s %s: %s %s", s.name, s.url, method, path, w.Status, answer)
	}
	return answer, w.Header.Get("Link"), nil
}
