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
)

// logWarning is a write-ahead log that checkpoints should have kept far below:
// they begin at 4 MB.
const logWarning = 256 << 20

// file looks at a SQLite file and what is around it.
func (o Options) file() []Finding {
	path := o.DB.Path()
	info, err := os.Stat(path)
	if err != nil {
		return []Finding{unknown("file", err)}
	}
	findings := []Finding{{OK, "file", fmt.Sprintf("%s has %s", path, bytes(info.Size())), ""}}
	// On Windows the mode says nothing: who may open a file is inherited from its directory.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		findings = append(findings, Finding{Warn, "file", fmt.Sprintf("others may open it (mode %o)", mode), "chmod 600 " + path})
	}
	if kept, _ := filepath.Glob(path + ".replaced-*"); len(kept) > 0 {
		findings = append(findings, Finding{Note, "file", "was replaced under the running service, which kept the one before: " + strings.Join(kept, ", "), "look whether anybody needs what it holds, then remove it"})
	}
	log, err := os.Stat(path + "-wal")
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		findings = append(findings, unknown("write-ahead log", err))
	case log.Size() > logWarning:
		findings = append(findings, Finding{Warn, "write-ahead log", "has grown to " + bytes(log.Size()),
			"something reads for very long, a copy or somebody's sqlite3: end it; the service gives the room back when it is quiet"})
	default:
		findings = append(findings, Finding{OK, "write-ahead log", "has " + bytes(log.Size()), ""})
	}
	return append(findings, disk("disk", filepath.Dir(path), info.Size()))
}

// disk wants a tenth of a file system free, and room for a copy of the database.
func disk(name, dir string, database int64) Finding {
	space, err := usage.Usage(dir)
	if err != nil {
		return unknown(name, fmt.Errorf("%s: %w", dir, err))
	}
	free, all := int64(space.Free), int64(space.Total) //nolint:gosec // no disk is that large
	message := fmt.Sprintf("%s of %s are free in %s", bytes(free), bytes(all), dir)
	switch {
	case free < 64<<20:
		return Finding{Fail, name, message, "make room at once: writes are refused when it is full"}
	case free < all/10:
		return Finding{Warn, name, message, "make room: writes are refused when it is full"}
	case free < database:
		return Finding{Warn, name, message, "make room for a copy of the database: a migration makes one first"}
	}
	return Finding{OK, name, message, ""}
}

func (o Options) backups() []Finding {
	const name = "backups"
	dir, interval := o.Config.BackupDir, o.Config.BackupInterval
	if dir == "" {
		return []Finding{{Note, name, "none are made by schedule", "set BACKUP_DIR to a directory on another disk, or run `guildhall backup` from cron"}}
	}
	newest := backup.Newest(dir, o.Now())
	age := o.Now().Sub(newest)
	var findings []Finding
	switch {
	case newest.IsZero():
		findings = []Finding{{Warn, name, "there is none yet in " + dir, "look for \"no backup was made\" in the log of the service"}}
	case age > 2*interval:
		findings = []Finding{{Fail, name, fmt.Sprintf("the last one is %s old, one is due every %s", age.Round(time.Minute), interval), "look for \"no backup was made\" in the log of the service"}}
	default:
		findings = []Finding{{OK, name, fmt.Sprintf("the last one is %s old", age.Round(time.Minute)), ""}}
	}
	if _, err := backup.TryDir(dir); err != nil {
		findings = append(findings, Finding{Fail, name, "none can be written: " + err.Error(), "give the service's user that directory, or room on its disk; BACKUP_DIR names another"})
	}
	if at, cause, err := backup.LastFailure(dir); err != nil {
		findings = append(findings, unknown(name, err))
	} else if cause != "" {
		findings = append(findings, Finding{Fail, name, fmt.Sprintf("the last try, at %s, failed: %s", at.Format(time.RFC3339), cause), "mend that; the service tries again by itself"})
	}
	if unsound, _ := filepath.Glob(filepath.Join(dir, "*.unsound")); len(unsound) > 0 {
		findings = append(findings, Finding{Warn, name, fmt.Sprintf("%d were not sound", len(unsound)), "mend what is wrong with the data, then remove " + filepath.Join(dir, "*.unsound")})
	}
	if _, err := os.Stat(dir); err == nil {
		findings = append(findings, disk("disk of the backups", dir, 0))
	}
	return findings
}
