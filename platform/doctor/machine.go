package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	usage "github.com/shirou/gopsutil/v4/disk"

	"guildhall/platform/backup"
	"guildhall/platform/password"
)

// logWarning is a size of the write-ahead log that checkpoints normally prevent: they
// begin at 4 MB.
const logWarning = 256 << 20

// file checks a SQLite file and the files around it.
func (o Options) file() []Finding {
	path := o.DB.Path()
	info, err := os.Stat(path)
	if err != nil {
		return []Finding{unknown("file", err)}
	}
	findings := []Finding{{OK, "file", fmt.Sprintf("%s has %s", path, bytes(info.Size())), ""}}
	// On Windows the mode means nothing: permissions are inherited from the directory.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		findings = append(findings, Finding{Warn, "file", fmt.Sprintf("others may open it (mode %o)", mode), "chmod 600 " + path})
	}
	if kept, _ := filepath.Glob(path + ".replaced-*"); len(kept) > 0 {
		findings = append(findings, Finding{Note, "file", "was replaced while the service was running, which kept the old file: " + strings.Join(kept, ", "), "check whether its data is still needed, then remove it"})
	}
	log, err := os.Stat(path + "-wal")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		findings = append(findings, unknown("write-ahead log", err))
	case log.Size() > logWarning:
		findings = append(findings, Finding{Warn, "write-ahead log", "has grown to " + bytes(log.Size()),
			"a process reads for very long, such as a copy or sqlite3: end it; the service truncates the log when it is idle"})
	default:
		findings = append(findings, Finding{OK, "write-ahead log", "has " + bytes(log.Size()), ""})
	}
	return append(findings, disk("disk", filepath.Dir(path), info.Size()))
}

// disk requires a tenth of a file system to be free, and enough space for a copy of the
// database.
func disk(name, dir string, database int64) Finding {
	space, err := usage.Usage(dir)
	if err != nil {
		return unknown(name, fmt.Errorf("%s: %w", dir, err))
	}
	free, all := int64(space.Free), int64(space.Total) //nolint:gosec // no disk is that large
	message := fmt.Sprintf("%s of %s are free in %s", bytes(free), bytes(all), dir)
	switch {
	case free < 64<<20:
		return Finding{Fail, name, message, "free space at once: writes are refused when it is full"}
	case free < all/10:
		return Finding{Warn, name, message, "free space: writes are refused when it is full"}
	case free < database:
		return Finding{Warn, name, message, "free space for a copy of the database: a migration makes one first"}
	}
	return Finding{OK, name, message, ""}
}

// breachedPasswords examines the list of breached passwords, if there is one.
func (o Options) breachedPasswords() []Finding {
	const name = "breached passwords"
	path := o.Config.PasswordBreachedFile
	if path == "" {
		return nil
	}
	if err := password.CheckBreachedFile(path); err != nil {
		return []Finding{{Fail, name, err.Error(), "until then, only the built-in list of common passwords is refused, and the service does not start again"}}
	}
	info, err := os.Stat(path)
	if err != nil {
		return []Finding{unknown(name, err)}
	}
	return []Finding{{OK, name, fmt.Sprintf("%s of %s has %s", path, info.ModTime().UTC().Format(time.DateOnly), bytes(info.Size())), ""}}
}

func (o Options) backups() []Finding {
	const name = "backups"
	dir, interval := o.Config.BackupDir, o.Config.BackupInterval
	if dir == "" {
		return []Finding{{Note, name, "none are scheduled", "set BACKUP_DIR to a directory on another disk, or run `guildhall backup` from cron"}}
	}
	newest := backup.Newest(dir, o.Now())
	age := o.Now().Sub(newest)
	var findings []Finding
	switch {
	case newest.IsZero():
		findings = []Finding{{Warn, name, "none exists yet in " + dir, "look for \"no backup was made\" in the log of the service"}}
	case age > 2*interval:
		findings = []Finding{{Fail, name, fmt.Sprintf("the last one is %s old, one is due every %s", age.Round(time.Minute), interval), "look for \"no backup was made\" in the log of the service"}}
	default:
		findings = []Finding{{OK, name, fmt.Sprintf("the last one is %s old", age.Round(time.Minute)), ""}}
	}
	if _, err := backup.TryDir(dir); err != nil {
		findings = append(findings, Finding{Fail, name, "none can be written: " + err.Error(), "let the service's user write to that directory, or free space on its disk; BACKUP_DIR can name another"})
	}
	if at, cause, err := backup.LastFailure(dir); err != nil {
		findings = append(findings, unknown(name, err))
	} else if cause != "" {
		findings = append(findings, Finding{Fail, name, fmt.Sprintf("the last attempt, at %s, failed: %s", at.Format(time.RFC3339), cause), "fix that; the service retries by itself"})
	}
	if unsound, _ := filepath.Glob(filepath.Join(dir, "*.unsound")); len(unsound) > 0 {
		findings = append(findings, Finding{Warn, name, fmt.Sprintf("%d were not sound", len(unsound)), "repair the data, then remove " + filepath.Join(dir, "*.unsound")})
	}
	if _, err := os.Stat(dir); err == nil {
		findings = append(findings, disk("disk of the backups", dir, 0))
	}
	return findings
}
