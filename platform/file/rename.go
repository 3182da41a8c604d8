//go:build !windows

package file

import (
	"errors"
	"os"
	"path/filepath"
)

func patiently(do func() error) error { return do() }

// rename creates a hard link first, because unlike a rename that fails if the file
// exists.
func rename(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	if err := os.Remove(from); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to)) // the new name survives a power cut once its directory has been synced
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
