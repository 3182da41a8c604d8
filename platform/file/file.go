// Package file creates files atomically, and never replaces an existing one.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Publish moves a closed file to its final name, on the same disk, and returns when the
// file and the name are on the disk. If the name exists, it fails with fs.ErrExist and
// does not move the file.
func Publish(from, to string) error {
	if err := sync(from); err != nil {
		return err
	}
	return rename(from, to)
}

// Create creates a file that only its owner may access. It creates the file with
// everything that write writes, or not at all. It does not change a file that exists.
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

// Read reads a file that another process may be publishing at this moment.
func Read(path string) (content []byte, err error) {
	err = patiently(func() error {
		content, err = os.ReadFile(path)
		return err
	})
	return content, err
}

// sync opens the file for writing: without that permission Windows does not flush it.
func sync(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
