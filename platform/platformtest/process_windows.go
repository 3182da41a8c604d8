package platformtest

import (
	"os/exec"
	"syscall"
)

// unprivileged does nothing: an administrator may not start PostgreSQL's server here
// either, and there is no other user to give the directory to.
func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, nil } //nolint:nilnil // no attributes are needed

// Apart makes a command start in a process group of its own, so that a Ctrl-C at the
// console does not reach it.
func Apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// Interrupt kills a program that was started apart, because Windows has no signals.
func Interrupt(cmd *exec.Cmd) error { return cmd.Process.Kill() }
