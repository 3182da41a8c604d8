//go:build !windows

package file

import (
	"errors"
	"os"
	"path/filepath"
)

func patiently(do func() error) error { return do() }

// rename makes a link first: unlike a rename, that fails where there is a file.
func rename(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	if err := os.Remove(from); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to)) // a new name survives a power cut once its directory is written
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
