package file

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// patience is how long to wait for another process that has a file open briefly: a
// reader during a rename, or a virus scanner.
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

// rename does not replace a file, unlike os.Rename. It needs no hard links, which FAT
// does not have. It returns when the new name is on the disk: a directory can't be
// synced.
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
