// Package file gives files their names: whole or not at all, and never in the
// place of another.
package file

import (
	"errors"
	"os"
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
