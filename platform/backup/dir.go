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

// TryDir returns an error if no backup can be written to a directory. It tests that by
// writing to the directory or, if it does not exist yet, to the one in which it would
// be created. It leaves nothing behind.
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
	_, err = f.Write(make([]byte, 4096)) // a full disk still accepts new names
	return there, errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// failedName is a file in the directory that says why the last attempt failed, for
// other processes than the one that makes the backups. The next successful backup
// removes it.
const failedName = ".guildhall-backup-failed"

// noteFailure records the failure. If even that can't be written, TryDir returns the
// reason.
func noteFailure(dir string, at time.Time, cause error) {
	line := at.UTC().Format(time.RFC3339) + " " + strings.ReplaceAll(cause.Error(), "\n", " ") + "\n"
	_ = os.WriteFile(filepath.Join(dir, failedName), []byte(line), 0o600)
}

func noteSuccess(dir string) { _ = os.Remove(filepath.Join(dir, failedName)) }

// LastFailure returns when the last scheduled backup failed, and why. The cause is
// empty if it did not fail.
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
