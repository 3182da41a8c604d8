package supervise

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

func supervised(ctx context.Context, run func(context.Context) int) int {
	isService, err := svc.IsWindowsService()
	switch {
	case err != nil:
		return failed(err)
	case isService:
		return asService(ctx, run)
	}
	return run(ctx) // Go reports Ctrl-C and the end of the console or of the session as signals
}

func asService(ctx context.Context, run func(context.Context) int) int {
	s := &service{ctx: ctx, run: run}
	if err := svc.Run("", s); err != nil { // a service that is alone in its process does not need its name
		return failed(err)
	}
	return s.status
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, "guildhall: run as a service:", err)
	return 1
}

type service struct {
	ctx    context.Context //nolint:containedctx // svc.Run hands none on
	run    func(context.Context) int
	status int
}

// stillDraining is how often the service asks the manager to wait while it drains.
const stillDraining = time.Second

// Execute is called by svc.Run. When the machine shuts down, a service that accepts
// PreShutdown is notified before the others, and has minutes to drain.
func (s *service) Execute(_ []string, requests <-chan svc.ChangeRequest, states chan<- svc.Status) (isOurs bool, status uint32) {
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- s.start(ctx) }()
	states <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptPreShutdown}
	draining := svc.Status{State: svc.StopPending, WaitHint: uint32(5 * stillDraining / time.Millisecond)}
	again := time.NewTicker(stillDraining)
	defer again.Stop()
	for {
		select {
		case s.status = <-ended:
			return true, uint32(s.status) //nolint:gosec // an exit status is small
		case request := <-requests:
			switch request.Cmd {
			case svc.Interrogate:
				states <- request.CurrentStatus
			case svc.Stop, svc.PreShutdown:
				stop()
				states <- draining
			}
		case <-again.C:
			if ctx.Err() != nil {
				draining.CheckPoint++
				states <- draining
			}
		}
	}
}

// start sets up what a shell gives a command: a working directory, which is the
// program's, and a file for the output, guildhall.log in that directory. Windows runs
// services in its own directory and discards their output.
func (s *service) start(ctx context.Context) int {
	program, err := os.Executable()
	if err != nil {
		return failed(err)
	}
	if err := os.Chdir(filepath.Dir(program)); err != nil {
		return failed(err)
	}
	log, err := os.OpenFile("guildhall.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return failed(err)
	}
	os.Stdout, os.Stderr = log, log
	_ = windows.SetStdHandle(windows.STD_ERROR_HANDLE, windows.Handle(log.Fd())) // for a crash of the runtime
	return s.run(ctx)
}
