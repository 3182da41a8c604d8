package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// TestMain makes this binary the service of its own tests. Unlike supervised, it does
// not check whether it is a service: Wine, where these tests run, has its services in
// another session than Windows.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "drains" {
		os.Exit(asService(context.Background(), func(ctx context.Context) int {
			fmt.Fprintln(os.Stderr, "serving")
			<-ctx.Done()
			time.Sleep(2 * stillDraining)
			fmt.Fprintln(os.Stderr, "drained")
			return 0
		}))
	}
	if len(os.Args) > 1 && os.Args[1] == "fails" {
		os.Exit(asService(context.Background(), func(context.Context) int {
			fmt.Fprintln(os.Stderr, "can't start")
			return 3
		}))
	}
	os.Exit(m.Run())
}

func TestServiceDrainsWhenStopped(t *testing.T) {
	s, log := start(t, "drains")
	waitFor(t, s, svc.Running)
	waitForLog(t, log, "serving\n")
	if _, err := s.Control(svc.Stop); err != nil {
		t.Fatal(err)
	}
	first := waitFor(t, s, svc.StopPending)
	time.Sleep(stillDraining + stillDraining/2)
	if later := waitFor(t, s, svc.StopPending); later.CheckPoint <= first.CheckPoint || later.WaitHint == 0 {
		t.Errorf("a manager would give it up: check points %d and %d, hint %d ms", first.CheckPoint, later.CheckPoint, later.WaitHint)
	}
	if end := waitFor(t, s, svc.Stopped); end.Win32ExitCode != 0 {
		t.Errorf("it stopped with the code %d", end.Win32ExitCode)
	}
	waitForLog(t, log, "serving\ndrained\n")
}

func TestServiceReportsFailure(t *testing.T) {
	s, log := start(t, "fails")
	end := waitFor(t, s, svc.Stopped)
	if end.Win32ExitCode != uint32(windows.ERROR_SERVICE_SPECIFIC_ERROR) || end.ServiceSpecificExitCode != 3 {
		t.Errorf("it stopped with the codes %d and %d", end.Win32ExitCode, end.ServiceSpecificExitCode)
	}
	waitForLog(t, log, "can't start\n")
}

// start installs a copy of this binary as a service, in a directory of its own.
func start(t *testing.T, what string) (*mgr.Service, string) {
	t.Helper()
	manager, err := mgr.Connect()
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		t.Skip("only an administrator may make services")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = manager.Disconnect() })
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "a directory-") // Wine can't remove the directory of t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	path, log := filepath.Join(dir, "guildhall.exe"), filepath.Join(dir, "guildhall.log")
	t.Cleanup(func() { _, _, _ = os.Remove(path), os.Remove(log), os.Remove(dir) })
	if err := os.WriteFile(path, program, 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	s, err := manager.CreateService("guildhall-test-"+what, path, mgr.Config{}, what)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.Control(svc.Stop); _ = s.Delete(); _ = s.Close() })
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s, log
}

func waitFor(t *testing.T, s *mgr.Service, state svc.State) windows.SERVICE_STATUS_PROCESS {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var status windows.SERVICE_STATUS_PROCESS // s.Query omits check points and hints
		var needed uint32
		buffer, size := (*byte)(unsafe.Pointer(&status)), uint32(unsafe.Sizeof(status))
		if err := windows.QueryServiceStatusEx(s.Handle, windows.SC_STATUS_PROCESS_INFO, buffer, size, &needed); err != nil {
			t.Fatal(err)
		}
		if status.CurrentState == uint32(state) {
			return status
		}
		if time.Now().After(deadline) {
			t.Fatalf("the service is in the state %d, want %d", status.CurrentState, state)
		}
	}
}

func waitForLog(t *testing.T, path, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		content, err := os.ReadFile(path)
		got := strings.ReplaceAll(string(content), "\r\n", "\n")
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s holds %q, %v; want %q", path, got, err, want)
		}
	}
}
