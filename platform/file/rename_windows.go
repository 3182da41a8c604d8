package file

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// patience is for what has a file open for a moment: a rename while others read,
// scanners of viruses while we rename.
const patience = 2 * time.Second

func patiently(do func() error) error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := do()
		isOpen := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !isOpen || time.Since(began) > patience {
			return err
		}
	}
}

// rename replaces nothing, unlike os.Rename, needs no links, which FAT does not
// have, and returns when the disk has the new name: a directory can't be synced.
func rename(from, to string) error {
	old, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	err = patiently(func() error { return windows.MoveFileEx(old, name, windows.MOVEFILE_WRITE_THROUGH) })
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
