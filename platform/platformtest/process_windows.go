package platformtest

import (
	"os/exec"
	"syscall"
)

// unprivileged changes nothing: an administrator may not start PostgreSQL's
// server here either, and there is nobody to hand the directory to.
func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, nil } //nolint:nilnil // no attributes are needed

// Apart puts a program that is to be started into a process group of its own: a
// Ctrl-C at the console is not for it.
func Apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// Interrupt ends a program that runs apart: Windows sends no signal.
func Interrupt(cmd *exec.Cmd) error { return cmd.Process.Kill() }
