package platformtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a PostgreSQL server for one test, which may kill, stop or fill it. Unlike
// the shared one it syncs its writes to the disk, as a real server does.
type Server struct {
	t        testing.TB
	bin, dir string
	port     int
	identity *syscall.SysProcAttr
	settings []string
	process  *exec.Cmd
	done     chan struct{}
}

// NewServer starts a Server in a directory of its own, below the given one or, if that
// is empty, below the system's directory for temporary files.
func NewServer(t testing.TB, below string, settings ...string) *Server {
	t.Helper()
	bin, err := findServer()
	if err != nil {
		if os.Getenv(RequirePostgres) != "" {
			t.Fatalf("%s is set but PostgreSQL is missing: %v", RequirePostgres, err)
		}
		t.Skipf("NOT TESTED ON POSTGRESQL: %v", err)
	}
	return NewServerOf(t, bin, below, settings...)
}

// NewServerOf starts a Server of the version whose programs are in the directory bin.
func NewServerOf(t testing.TB, bin, below string, settings ...string) *Server {
	t.Helper()
	s := newServerOf(t, bin, below, settings...)
	s.run("initdb", "-D", s.data(), "-U", "guildhall", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	s.Start()
	return s
}

func newServerOf(t testing.TB, bin, below string, settings ...string) *Server {
	t.Helper()
	dir, err := os.MkdirTemp(below, "guildhall-server-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, bin: bin, dir: dir, settings: settings}
	if s.identity, err = unprivileged(dir); err != nil {
		t.Fatal(err)
	}
	if s.port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		_ = os.RemoveAll(dir)
	})
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.SysProcAttr, cmd.Dir = s.identity, s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v: %s", name, err, out)
	}
}

// Start runs the server and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	for range 100 { // remains of a killed server may still block the start
		s.launch()
		if s.answers() {
			return
		}
		s.Kill()
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	s.t.Fatalf("PostgreSQL does not start:\n%s", log)
}

func (s *Server) launch() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.dir, "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	s.process = exec.Command(filepath.Join(s.bin, "postgres"), args...)
	s.process.SysProcAttr, s.process.Dir, s.process.Stdout, s.process.Stderr = s.identity, s.dir, log, log
	Apart(s.process)
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.done = make(chan struct{})
	process, done := s.process, s.done
	go func() { _ = process.Wait(); close(done) }()
}

// answers waits until a server that was just started answers.
func (s *Server) answers() bool {
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		return false
	}
	defer db.Close()
	for range 400 {
		select {
		case <-s.done:
			return false
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := db.PingContext(ctx)
		cancel()
		if err == nil {
			return true
		}
		time.Sleep(25 * time.Millisecond)
	}
	return false
}

// Kill ends every process of the server with SIGKILL, as a crash would.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	pid := s.process.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGSTOP) // it must not start other processes meanwhile
	for _, child := range children(pid) {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	<-s.done
	s.process = nil
}

// Hang suspends every process of the server: connections stay open but nothing answers.
// Only Kill ends that.
func (s *Server) Hang() {
	s.t.Helper()
	pid := s.process.Process.Pid
	for _, one := range append([]int{pid}, children(pid)...) {
		if err := syscall.Kill(one, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.t.Fatal(err)
		}
	}
}

// Stop stops the server as an operator would: it closes all connections.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.process.Process.Signal(syscall.SIGINT); err != nil {
		s.t.Fatal(err)
	}
	<-s.done
	s.process = nil
}

// Running reports whether the server is running.
func (s *Server) Running() bool {
	select {
	case <-s.done:
		return false
	default:
		return s.process != nil
	}
}

func children(pid int) (all []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range found {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			if child, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// URL of one of its databases.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://guildhall@%s/%s?sslmode=disable", s.Address(), url.PathEscape(database))
}

// Address is host:port.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Exec runs a statement as the superuser.
func (s *Server) Exec(database, statement string) {
	s.t.Helper()
	if err := s.TryExec(database, statement); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

// TryExec is Exec for statements that may fail.
func (s *Server) TryExec(database, statement string) error {
	db, err := sql.Open("pgx", s.URL(database))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statement)
	return err
}

// Standby starts a streaming replica of the server. It uses the protocol of
// pg_basebackup, which may not be installed with the server's own programs.
func (s *Server) Standby() *Server {
	s.t.Helper()
	standby := newServerOf(s.t, s.bin, "", s.settings...)
	if err := s.copyTo(standby); err != nil {
		s.t.Fatalf("make a standby: %v", err)
	}
	standby.Start()
	return standby
}

// copyTo copies the files of the running server. The standby gets what changes
// meanwhile, and all of the write-ahead log, by streaming.
func (s *Server) copyTo(standby *Server) error {
	ctx := context.Background()
	db, err := sql.Open("pgx", s.URL("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx) // a backup ends on the connection on which it began
	if err != nil {
		return err
	}
	defer conn.Close()
	begin, end := "pg_backup_start('standby', true)", "pg_backup_stop(false)"
	if Major(s.t, s.URL("postgres")) < 15 {
		begin, end = "pg_start_backup('standby', true, false)", "pg_stop_backup(false, false)"
	}
	if _, err := conn.ExecContext(ctx, "SELECT "+begin); err != nil {
		return err
	}
	err = standby.shell("", `mkdir -m 700 data && tar -C "$0" -c --exclude='./pg_wal/*' --exclude='./pg_replslot/*' --exclude='./postmaster.*' . |
		tar -C data -x && mkdir -p data/pg_wal/archive_status`, s.data())
	if err != nil {
		return err
	}
	var label string
	if err := conn.QueryRowContext(ctx, "SELECT labelfile FROM "+end).Scan(&label); err != nil {
		return err
	}
	return standby.shell(label, `cat >data/backup_label && touch data/standby.signal &&
		echo "primary_conninfo = 'host=127.0.0.1 port=$0 user=guildhall'" >>data/postgresql.auto.conf`, strconv.Itoa(s.port))
}

// shell runs a script in the server's directory, as its user.
func (s *Server) shell(input, script, argument string) error {
	cmd := exec.Command("sh", "-c", script, argument)
	cmd.SysProcAttr, cmd.Dir, cmd.Stdin = s.identity, s.dir, strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Promote makes a standby the primary.
func (s *Server) Promote() {
	s.t.Helper()
	s.run("pg_ctl", "promote", "-D", s.data())
}

// Tmpfs mounts a small file system in memory. It returns an error if mounting is not
// allowed.
func Tmpfs(t testing.TB, megabytes int) (string, error) {
	t.Helper()
	if os.Getuid() != 0 {
		return "", errors.New("only root may mount one")
	}
	dir, err := os.MkdirTemp("", "guildhall-tmpfs-")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0755", megabytes)); err != nil {
		_ = os.Remove(dir)
		return "", fmt.Errorf("mount a tmpfs: %w", err)
	}
	t.Cleanup(func() {
		_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		_ = os.Remove(dir)
	})
	return dir, nil
}
