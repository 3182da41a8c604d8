package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/uuid"

	"guildhall/platform/person"
)

// A backup of before an erasure has the person, so a restore of it must erase them again. The
// list of the erased is in the directory of the backups.

const (
	erasedName     = "erased.txt"
	erasedLockName = ".erased.lock"
	erasedLockWait = 10 * time.Second
)

// ErasedLine returns the line of a list.
func ErasedLine(e person.Erased) string { return e.ID.String() + " " + e.At.UTC().Format(time.RFC3339) }

// ErasedList returns the path of the list of erased people beside a backup.
func ErasedList(file string) string { return filepath.Join(filepath.Dir(file), erasedName) }

// NoteErased adds people to the list in a directory of backups. It never removes one: an old
// backup may be anywhere.
func NoteErased(dir string, people ...person.Erased) error {
	if len(people) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("note who was erased: %w", err)
	}
	unlock, err := lockErased(dir)
	if err != nil {
		return fmt.Errorf("note who was erased: %w", err)
	}
	defer unlock()
	path := filepath.Join(dir, erasedName)
	known, err := ReadErased(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all := known
	for _, p := range people {
		if !slices.ContainsFunc(all, func(e person.Erased) bool { return e.ID == p.ID }) { // mutant: erased-merged
			all = append(all, p)
		}
	}
	if len(all) == len(known) {
		return nil
	}
	return writeErased(path, all)
}

// writeErased replaces the list as a whole, so that a crash leaves the old one or the new one.
func writeErased(path string, all []person.Erased) (err error) {
	var text bytes.Buffer
	for _, e := range all {
		text.WriteString(ErasedLine(e) + "\n")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".erased-*.partial")
	if err != nil {
		return fmt.Errorf("note who was erased: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // fails once it has its name
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("note who was erased: %w", err)
	}
	return nil
}

// lockErased waits for other processes that change the list.
func lockErased(dir string) (unlock func(), err error) {
	lock := flock.New(filepath.Join(dir, erasedLockName), flock.SetPermissions(0o600))
	for end := time.Now().Add(erasedLockWait); ; time.Sleep(10 * time.Millisecond) {
		taken, err := lock.TryLock()
		switch {
		case err != nil:
			return nil, err
		case taken:
			return func() { _ = lock.Close() }, nil
		case time.Now().After(end):
			return nil, fmt.Errorf("another process has locked %s", dir)
		}
	}
}

// ReadErased reads a list of erased people: an id and a time a line.
func ReadErased(path string) (all []person.Erased, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, when, _ := strings.Cut(line, " ")
		var e person.Erased
		e.ID, err = uuid.Parse(id)
		if err == nil {
			e.At, err = time.Parse(time.RFC3339, strings.TrimSpace(when))
		}
		if err != nil { // mutant: erased-list-whole
			return nil, fmt.Errorf("%s, line %d: %q is not an id and a time", path, number, line)
		}
		all = append(all, e)
	}
	return all, nil
}
