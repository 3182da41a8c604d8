package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"guildhall/platform/platformtest"
)

// replacing is a service on a SQLite file, and a valid file to put in its place.
type replacing struct {
	*process
	t          *testing.T
	dir        string
	path, with string
	environ    []string
	client     client
}

func newReplacing(t *testing.T) *replacing {
	url := platformtest.SQLiteURL(t)
	r := &replacing{t: t, dir: t.TempDir(), path: strings.TrimPrefix(url, "sqlite://"), environ: inProduction(url, crashEnvironment...)}
	r.with = filepath.Join(r.dir, "another.db")
	r.serve()
	if out, status := run(t, r.dir, r.environ, "backup", r.with); status != 0 {
		t.Fatal(out)
	}
	r.client = r.process.client("c@example.com")
	return r
}

func (r *replacing) serve() { r.process = serveProcess(r.t, r.dir, r.environ...) }

func (r *replacing) rename(from, to string) {
	r.t.Helper()
	if err := os.Rename(from, to); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replacing) logIn() answer {
	r.t.Helper()
	return r.do("POST", "/api/v1/auth/token", "", body("username", "c@example.com", "password", password))
}

// siblings returns the files whose names begin with the database's.
func (r *replacing) siblings() string {
	entries, err := filepath.Glob(r.path + "*")
	if err != nil {
		r.t.Fatal(err)
	}
	for i, e := range entries {
		entries[i] = strings.TrimPrefix(e, r.path)
	}
	return strings.Join(entries, " ")
}

// TestAFileThatIsReplacedUnderAService checks that the service acknowledges only writes
// to the file that has the name, and that no acknowledged write is lost.
func TestAFileThatIsReplacedUnderAService(t *testing.T) {
	t.Parallel()
	r := newReplacing(t)
	r.rename(r.with, r.path)
	r.client.write(r.process).is(503, "storage_unavailable")
	r.do("GET", "/readyz", "", nil).is(503, "not_ready")
	r.client.read(r.process).is(503, "storage_unavailable")
	r.says("was replaced by another while it is open", "restart the service to use the new one")
	r.stop()
	if out, status := run(t, r.dir, r.environ, "user", "list"); status != 0 || strings.Contains(out, "c@example.com") {
		t.Errorf("%d\n%s", status, out)
	}
	r.serve()
	r.do("GET", "/readyz", "", nil).is(200)
	r.logIn().is(401)
	kept, _ := filepath.Glob(r.path + ".replaced-*")
	if len(kept) != 1 {
		t.Fatalf("%v is kept\n%s", kept, r.out)
	}
	r.says("the old file is kept")
	if out, _ := run(t, r.dir, r.environ, "doctor"); !strings.Contains(out, "kept the old file: "+kept[0]) {
		t.Errorf("doctor says\n%s", out)
	}
	r.stop()
	r.rename(kept[0], r.path)
	r.serve()
	r.logIn().is(200)
	r.stop()
	if siblings := r.siblings(); siblings != "" {
		t.Errorf("files left: %q", siblings)
	}
}

// TestAFileThatIsRemovedUnderAService checks that the service notices at once that its
// file is missing, and that it is back.
func TestAFileThatIsRemovedUnderAService(t *testing.T) {
	t.Parallel()
	r := newReplacing(t)
	away := filepath.Join(r.dir, "away.db")
	r.rename(r.path, away)
	r.client.write(r.process).is(503, "storage_unavailable")
	r.do("GET", "/readyz", "", nil).is(503, "not_ready")
	r.says("was removed or renamed while it is open")
	r.rename(away, r.path)
	r.do("GET", "/readyz", "", nil).is(200)
	r.client.write(r.process).is(200)
	r.stop()
	r.serve()
	r.logIn().is(200)
	r.stop()
}

// TestALogThatIsRemovedUnderAService removes the write-ahead log. SQLite would continue
// to write to it, and a crash would lose those writes.
func TestALogThatIsRemovedUnderAService(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"-wal", "-shm"} {
		t.Run(suffix, func(t *testing.T) {
			t.Parallel()
			r := newReplacing(t)
			r.client.write(r.process).is(200)
			away := filepath.Join(r.dir, "away")
			r.rename(r.path+suffix, away)
			r.client.write(r.process).is(503, "storage_unavailable")
			r.do("GET", "/readyz", "", nil).is(503, "not_ready")
			r.says(suffix + ", without which the SQLite file lacks its last changes, was removed")
			r.rename(away, r.path+suffix)
			r.do("GET", "/readyz", "", nil).is(200)
			r.client.write(r.process).is(200)
			if err := os.Remove(r.path + suffix); err != nil {
				t.Fatal(err)
			}
			r.client.write(r.process).is(503, "storage_unavailable")
			r.stop()
			r.serve()
			r.logIn().is(200)
			r.stop()
			if siblings := r.siblings(); siblings != "" {
				t.Errorf("files left: %q", siblings)
			}
		})
	}
}

// TestALogThatBelongsToAnotherFile checks that a write-ahead log is not applied to a file
// that it does not belong to.
func TestALogThatBelongsToAnotherFile(t *testing.T) {
	t.Parallel()
	killed := func(t *testing.T) *replacing {
		r := newReplacing(t)
		_ = r.cmd.Process.Kill()
		<-r.done
		if info, err := os.Stat(r.path + "-wal"); err != nil || info.Size() == 0 {
			t.Fatal("there is no log", err)
		}
		return r
	}
	refused := func(r *replacing, says string) {
		r.t.Helper()
		for _, args := range [][]string{{"migrate", "up"}, {"user", "list"}, {"backup", filepath.Join(r.dir, "b.db")}, {"serve"}} {
			if out, status := run(r.t, r.dir, r.environ, args...); status != 1 || !strings.Contains(out, says) {
				r.t.Fatalf("%v: %d\n%s", args, status, out)
			}
		}
	}
	const replaced = "was replaced, and the write-ahead log"
	t.Run("on with the new file", func(t *testing.T) {
		t.Parallel()
		r := killed(t)
		r.rename(r.with, r.path)
		refused(r, replaced)
		r.rename(r.path+"-open", r.path+".old")
		r.rename(r.path+"-wal", r.path+".old-wal")
		_ = os.Remove(r.path + "-shm")
		r.serve()
		r.logIn().is(401)
		r.stop()
		environ := inProduction("sqlite://"+r.path+".old", crashEnvironment...)
		if out, status := run(t, r.dir, environ, "user", "list"); status != 0 || !strings.Contains(out, "c@example.com") {
			t.Errorf("the old one: %d\n%s", status, out)
		}
	})
	t.Run("back to the old one", func(t *testing.T) {
		t.Parallel()
		r := killed(t)
		r.rename(r.with, r.path)
		refused(r, replaced)
		r.rename(r.path, r.path+".new")
		r.rename(r.path+"-open", r.path)
		_ = os.Remove(r.path + "-shm")
		r.serve()
		r.logIn().is(200)
		r.stop()
	})
	t.Run("the file is gone", func(t *testing.T) {
		t.Parallel()
		r := killed(t)
		r.rename(r.path, r.path+".away")
		refused(r, "is missing or empty")
		r.rename(r.path+".away", r.path)
		r.serve()
		r.logIn().is(200)
		r.stop()
	})
	t.Run("the directory is copied", func(t *testing.T) {
		t.Parallel()
		r := killed(t)
		to := t.TempDir()
		if err := os.CopyFS(to, os.DirFS(filepath.Dir(r.path))); err != nil {
			t.Fatal(err)
		}
		r.path = filepath.Join(to, filepath.Base(r.path))
		r.environ = inProduction("sqlite://"+r.path, crashEnvironment...)
		r.serve()
		r.logIn().is(200)
		r.stop()
	})
}
