package file

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/windows"
)

// patience is for programs that open every new file for a moment, as scanners of
// viruses do: until then it can't be renamed.
const patience = 2 * time.Second

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
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := windows.MoveFileEx(old, name, windows.MOVEFILE_WRITE_THROUGH)
		if err == nil {
			return nil
		}
		isOpen := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !isOpen || time.Since(began) > patience {
			return fmt.Errorf("rename %s to %s: %w", from, to, err)
		}
	}
}
