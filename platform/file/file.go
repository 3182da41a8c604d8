// Package file gives files their names: whole or not at all, and never in the
// place of another.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Publish gives a closed file its name, in the same directory or at least on the
// same disk, and returns when the disk has both. Where the name is taken it
// fails with fs.ErrExist, and the file keeps the name that it has.
func Publish(from, to string) error {
	if err := sync(from); err != nil {
		return err
	}
	return rename(from, to)
}

// Create makes a file for its owner alone, with all that write writes or not at all.
// One that exists already is left as it is.
func Create(path string, write func(io.Writer) error) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s already exists", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".guildhall-*.part")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	return Publish(f.Name(), path)
}

// Read reads a file that another process may be publishing.
func Read(path string) (content []byte, err error) {
	err = patiently(func() error {
		content, err = os.ReadFile(path)
		return err
	})
	return content, err
}

// sync opens for writing: without that right Windows writes nothing out.
func sync(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
