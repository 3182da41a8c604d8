package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"guildhall/platform/file"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// stream names standard input or output in place of a file.
const stream = "-"

// oneResult refuses --json if the file goes to standard output too.
func oneResult(asJSON bool, file string) error {
	if asJSON && file == stream {
		return usageError("--json and - both write to standard output: name a file, or omit --json")
	}
	return nil
}

// standardInput returns standard input. It refuses a terminal, because the input is a file.
func standardInput(cmd *cobra.Command) (io.Reader, error) {
	in := cmd.InOrStdin()
	if isTerminal(in) {
		return nil, errors.New("standard input is a terminal: redirect a file or a pipe to it")
	}
	return in, nil
}

// standardOutput returns standard output for binary data. It refuses a terminal.
func standardOutput(cmd *cobra.Command) (io.Writer, error) {
	out := cmd.OutOrStdout()
	under := out
	if checked, ok := out.(*checkedOutput); ok {
		under = checked.Writer
	}
	if isTerminal(under) {
		return nil, errors.New("standard output is a terminal: redirect it to a file or a pipe")
	}
	return out, nil
}

// writeOutput creates a file, which must not exist, or writes to standard output for -.
func writeOutput(cmd *cobra.Command, name string, write func(io.Writer) error) error {
	if name != stream {
		return file.Create(name, write)
	}
	out, err := standardOutput(cmd)
	if err != nil {
		return err
	}
	return write(out)
}

func isTerminal(file any) bool {
	f, ok := file.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) //nolint:gosec // a file descriptor is small
}

// openInput opens a file, or standard input for -. A regular file can be read twice.
func openInput(cmd *cobra.Command, name string) (in io.ReadCloser, isRegular bool, err error) {
	if name == stream {
		in, err := standardInput(cmd)
		if err != nil {
			return nil, false, err
		}
		return io.NopCloser(in), false, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, false, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", name)
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, info.Mode().IsRegular(), nil
}
