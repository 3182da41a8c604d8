package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// TryDir says why no backup could be written to a directory: it writes to it, or,
// where it is not there yet, to the one in which it would be made. It leaves
// nothing.
func TryDir(dir string) (there bool, err error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	there = true
	for {
		_, err := os.Stat(at)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		there, at = false, filepath.Dir(at)
	}
	f, err := os.CreateTemp(at, ".guildhall-try-")
	if err != nil {
		return there, err
	}
	_, err = f.Write(make([]byte, 4096)) // a full disk takes names
	return there, errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// failedName is a file in the directory that says why the last try failed, for
// whoever looks while another process makes the backups. A success removes it.
const failedName = ".guildhall-backup-failed"

// noteFailure is for who looks later; where even this can't be written, TryDir
// tells why.
func noteFailure(dir string, at time.Time, cause error) {
	line := at.UTC().Format(time.RFC3339) + " " + strings.ReplaceAll(cause.Error(), "\n", " ") + "\n"
	_ = os.WriteFile(filepath.Join(dir, failedName), []byte(line), 0o600)
}

func noteSuccess(dir string) { _ = os.Remove(filepath.Join(dir, failedName)) }

// LastFailure is when the last try of a schedule failed, and why; empty where it
// did not.
func LastFailure(dir string) (at time.Time, cause string, err error) {
	content, err := os.ReadFile(filepath.Join(dir, failedName))
	if errors.Is(err, fs.ErrNotExist) {
		return at, "", nil
	}
	if err != nil {
		return at, "", err
	}
	when, cause, _ := strings.Cut(strings.TrimSpace(string(content)), " ")
	if at, err = time.Parse(time.RFC3339, when); err != nil {
		return at, "", fmt.Errorf("read %s: %w", filepath.Join(dir, failedName), err)
	}
	return at, cause, nil
}
