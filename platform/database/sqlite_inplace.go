package database

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"github.com/mattn/go-sqlite3"
)

// SQLite keeps using the file that it opened, even if the name leads to another file by
// now (a restore by mv, rsync). What is written then is lost at the next start, and the
// write-ahead log would be applied to the wrong file. So no write is acknowledged
// unless the name leads to the file that is open.
//
// The same is true of the write-ahead log and its index: SQLite keeps writing to a log
// whose name is gone, which is lost in a crash, and a process that creates another
// index does not see our locks.
//
// A file that is overwritten in place (cp, rsync --inplace) stays the same file. That
// can't be detected.

// opened is a SQLite file that is open.
type opened struct {
	path string // without symbolic links, as SQLite derives the names of its other files from it
	file os.FileInfo
	// besides are the log and the log's index, which stay the same files for as long as
	// a connection is open. It is nil before HoldFile.
	besides atomic.Pointer[[]beside]
	// replaced is never reset: the files beside the name may belong to either database
	// file.
	replaced atomic.Bool
}

// beside is a file that SQLite keeps beside the database.
type beside struct {
	path string
	file os.FileInfo
}

// misplaced means that a file that is open is not, or no longer, at its path.
type misplaced struct{ unfit }

// check returns an error if the open file no longer has its name. It takes
// microseconds.
func (o *opened) check() error {
	info, err := os.Stat(o.path)
	switch {
	case err == nil && os.SameFile(o.file, info) && !o.replaced.Load(): // mutant: replaced-file
		return o.checkBesides()
	case errors.Is(err, fs.ErrNotExist) && !o.replaced.Load():
		return misplaced{unfit{fmt.Sprintf("the SQLite file %s was removed or renamed while it is open", o.path), "move it back, or stop the service"}}
	case err != nil && !o.replaced.Load():
		return misplaced{unfit{fmt.Sprintf("the SQLite file %s can't be checked (%v)", o.path, err), "check the permissions of its directory"}}
	}
	o.replaced.Store(true)
	return misplaced{unfit{
		fmt.Sprintf("the SQLite file %s was replaced by another while it is open, and what is written now would be lost with it", o.path),
		"restart the service to use the new one; the old one is then kept in the same directory, as " + filepath.Base(o.path) + keptInfix + "…",
	}}
}

func (o *opened) checkBesides() error {
	besides := o.besides.Load()
	if besides == nil {
		return nil
	}
	for _, b := range *besides {
		if info, err := os.Stat(b.path); err != nil || !os.SameFile(b.file, info) {
			return misplaced{unfit{
				fmt.Sprintf("%s, without which the SQLite file lacks its last changes, was removed, renamed or replaced while it is open", b.path),
				"move it back, or stop the service without killing it and start it again: the changes are written to the file when it stops",
			}}
		}
	}
	return nil
}

// holdBesides makes check include the log and its index from now on. On Windows a file
// that SQLite has open can't be removed or renamed, nor can the index be compared.
func (o *opened) holdBesides() {
	if runtime.GOOS == "windows" {
		return
	}
	var besides []beside
	for _, suffix := range []string{"-wal", "-shm"} {
		if info, err := os.Stat(o.path + suffix); err == nil {
			besides = append(besides, beside{o.path + suffix, info})
		}
	}
	o.besides.Store(&besides)
}

// InPlace returns an error if writes would be lost, because the SQLite file that is
// open is not the one that has its name.
func (d *DB) InPlace() error {
	if d.driver != SQLite {
		return nil
	}
	return d.opened.check()
}

// refuseReplaced refuses to read a file that was replaced. It costs nothing, because it
// relies on an earlier check.
func (d *DB) refuseReplaced() error {
	if d.driver == SQLite && d.opened.replaced.Load() {
		return d.opened.check()
	}
	return nil
}

// sqliteConnector opens connections to the one file that was opened first.
type sqliteConnector struct {
	opened *opened
	dsn    string
}

func (c sqliteConnector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{}
}

func (c sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	if err := c.opened.check(); err != nil {
		return nil, err
	}
	conn, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	if err := c.opened.check(); err != nil { // it may have been replaced meanwhile
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

const (
	// heldSuffix ends the second name of the file that a service has open. When the
	// file is replaced, this name keeps the old file, and shows to which file a log
	// belongs.
	heldSuffix = "-open"
	keptInfix  = ".replaced-"
)

// HoldFile watches the SQLite file, and the files that SQLite keeps beside it, until
// Close. It also gives the file a second name (a hard link), by which the next start
// recognises it. On a file system without hard links, a replacement after a crash is
// not noticed.
func (d *DB) HoldFile(ctx context.Context) {
	if d.driver != SQLite || d.InPlace() != nil {
		return
	}
	d.opened.holdBesides()
	held := d.opened.path + heldSuffix
	info, err := os.Stat(held)
	if err == nil && os.SameFile(info, d.opened.file) { // left by a process that was killed
		d.secondName = held
		return
	}
	if err == nil {
		kept := d.opened.path + keptInfix + d.options.Now().UTC().Format(asideTime)
		if err = os.Rename(held, kept); err == nil {
			d.options.Log.WarnContext(ctx, "the SQLite file was replaced; the old file is kept: remove it when it is no longer needed", "file", d.opened.path, "kept", kept)
		}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.Link(d.opened.path, held)
	}
	if err != nil {
		d.options.Log.DebugContext(ctx, "the SQLite file has no second name", "cause", err)
		return
	}
	d.secondName = held
}

// unlinkHeld removes the second name, unless the log still needs it.
func (d *DB) unlinkHeld() {
	if d.secondName != "" && !hasLog(d.opened.path) {
		_ = os.Remove(d.secondName)
	}
}

func hasLog(path string) bool {
	log, err := os.Stat(path + "-wal")
	return err == nil && log.Size() > 0
}

// requireOwnLog refuses a write-ahead log that was not written for the file beside it,
// before SQLite applies it, or removes it if the file does not exist.
func requireOwnLog(path string) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if !hasLog(path) {
		return nil
	}
	file, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || file.Size() == 0 {
		return unfit{
			fmt.Sprintf("%s is missing or empty, but its write-ahead log %[1]s-wal exists and contains the last changes to it", path),
			"move the file back next to its log or, to start with a new file, move the log away as well",
		}
	}
	held, err := os.Stat(path + heldSuffix)
	if err != nil || os.SameFile(file, held) { // mutant: foreign-log
		return nil //nolint:nilerr // nothing is known against it
	}
	if same, err := sameContent(path, path+heldSuffix); err != nil || same { // the directory was copied
		return err
	}
	return unfit{
		fmt.Sprintf("%s was replaced, and the write-ahead log %[1]s-wal was written for the file before, which is now %[1]s%s", path, heldSuffix),
		fmt.Sprintf("to go on with the new file, move %[1]s%[2]s to %[1]s.old, %[1]s-wal to %[1]s.old-wal, and remove %[1]s-shm; to go back to the old one, move %[1]s away, %[1]s%[2]s to %[1]s, and remove %[1]s-shm", path, heldSuffix),
	}
}

func sameContent(one, another string) (same bool, err error) {
	a, err := os.Open(one)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := os.Open(another)
	if err != nil {
		return false, err
	}
	defer b.Close()
	const chunk = 1 << 20
	ofA, ofB := make([]byte, chunk), make([]byte, chunk)
	for {
		n, endOfA := io.ReadFull(a, ofA)
		m, endOfB := io.ReadFull(b, ofB)
		if !bytes.Equal(ofA[:n], ofB[:m]) {
			return false, nil
		}
		switch {
		case isEnd(endOfA) && isEnd(endOfB):
			return true, nil
		case endOfA != nil || endOfB != nil:
			return false, errors.Join(endOfA, endOfB)
		}
	}
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
