package databaseurl

import (
	"database/sql"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"
)

func TestFileOfAURL(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ system, url, file, refusal string }{
		{"linux", "sqlite://data/guildhall.db", "data/guildhall.db", ""},
		{"linux", "sqlite:///srv/guildhall.db", "/srv/guildhall.db", ""},
		{"linux", "sqlite:////srv/guildhall.db", "//srv/guildhall.db", ""}, // SQLAlchemy's absolute path
		{"linux", "sqlite://a b.db", "a b.db", ""},
		{"linux", "sqlite:///srv/a%20b%3Fc%23d%25.db", "/srv/a b?c#d%.db", ""},
		{"linux", "sqlite://%C3%BC+1@x.db", "ü+1@x.db", ""},
		{"linux", "sqlite://x.db?cache=shared", "", `has a ?, after which there can be nothing here: for the file "x.db" write sqlite://x.db, for the file "x.db?cache=shared" write sqlite://x.db%3Fcache=shared`},
		{"linux", "sqlite://a b?c#d/x.db", "", `for the file "a b" write sqlite://a b, for the file "a b?c#d/x.db" write sqlite://a b%3Fc%23d/x.db`},
		{"linux", "sqlite://#hash.db", "", "names no file"},
		{"linux", "sqlite://a#b.db", "", `has a #, after which there can be nothing here: for the file "a" write sqlite://a, for the file "a#b.db" write sqlite://a%23b.db`},
		{"linux", "sqlite://100%.db", "", `for the file "100%.db" write sqlite://100%25.db`},
		{"linux", "sqlite://a%zz.db", "", "without two hexadecimal digits"},
		{"linux", "sqlite://a%00.db", "", "control character"},
		{"linux", "sqlite://a%0Ab.db", "", "control character"},
		{"linux", "sqlite://%3Amemory%3A", "", "in memory"},
		{"linux", "sqlite:///srv%2F", "", "names no file"},
		{"linux", `sqlite://a\b.db`, `a\b.db`, ""},
		{"linux", "sqlite://10:30.db", "10:30.db", ""},
		{"linux", "sqlite://", "", "names no file"},
		{"linux", "sqlite:///srv/", "", "names no file"},
		{"linux", "sqlite://?x=y", "", "names no file"},
		{"linux", "sqlite://:memory:", "", "in memory"},
		{"linux", "sqlite://x.db?mode=memory", "", "in memory"},
		{"linux", "sqlite://C:/data/x.db", "", "names a Windows drive, which linux does not have"},
		{"darwin", `sqlite:///C:\data\x.db`, "", "names a Windows drive, which darwin does not have"},
		{"linux", "sqlite://C:", "", "names a Windows drive"},
		{"linux", "postgres://h/d", "", "does not begin with sqlite://"},

		{"windows", "sqlite://data/guildhall.db", `data\guildhall.db`, ""},
		{"windows", `sqlite://data\guildhall.db`, `data\guildhall.db`, ""},
		{"windows", "sqlite://C:/data/x.db", `C:\data\x.db`, ""},
		{"windows", "sqlite:///C:/data/x.db", `C:\data\x.db`, ""},
		{"windows", "sqlite:////C:/data/x.db", `C:\data\x.db`, ""},
		{"windows", `sqlite://C:\data\x.db`, `C:\data\x.db`, ""},
		{"windows", `sqlite:///C:\data\x.db`, `C:\data\x.db`, ""},
		{"windows", `sqlite://\C:\data\x.db`, `C:\data\x.db`, ""},
		{"windows", `sqlite://C:\Program Data\ü\x.db`, `C:\Program Data\ü\x.db`, ""},
		{"windows", "sqlite:///C:/Program%20Data/x%23.db", `C:\Program Data\x#.db`, ""},
		{"windows", `sqlite:///C:%5Cdata%5Cx.db`, `C:\data\x.db`, ""},
		{"windows", `sqlite:///C%3A/data/x.db`, `C:\data\x.db`, ""},
		{"windows", `sqlite://C:\data\x.db?x=y`, "", `for the file "C:\\data\\x.db" write sqlite://C:\data\x.db, for the file`},
		{"windows", `sqlite://C:\100%.db`, "", `write sqlite://C:\100%25.db`},
		{"windows", `sqlite://D:\/guildhall.db`, `D:\\guildhall.db`, ""}, // DATA_DIR=D:\
		{"windows", "sqlite:///data/x.db", `\data\x.db`, ""},             // on the current drive
		{"windows", "sqlite://../x.db", `..\x.db`, ""},
		{"windows", "sqlite://", "", "names no file"},
		{"windows", "sqlite://C:", "", "names no file"},
		{"windows", "sqlite://C:/", "", "names no file"},
		{"windows", `sqlite:///C:\data\`, "", "names no file"},
		{"windows", "sqlite://C:x.db", "", "a drive is written as in sqlite://C:/data/guildhall.db"},
		{"windows", "sqlite://C:/data/x.db:stream", "", "has a colon"},
		{"windows", "sqlite://CD:/x.db", "", "has a colon"},
		{"windows", "sqlite:////server/share/x.db", "", "on another machine"},
		{"windows", `sqlite://\\server\share\x.db`, "", "on another machine"},
		{"windows", "sqlite://:memory:", "", "in memory"},
	} {
		file, err := fileOn(test.system, test.url)
		switch {
		case test.refusal == "" && (err != nil || file != test.file):
			t.Errorf("on %s %s is %q, %v; want %q", test.system, test.url, file, err, test.file)
		case test.refusal != "" && (err == nil || !strings.Contains(err.Error(), test.refusal)):
			t.Errorf("on %s %s is %q, %v; want an error with %q", test.system, test.url, file, err, test.refusal)
		}
	}
}

func TestDSN(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ system, path, options, dsn string }{
		{"linux", "data/x.db", "", "file:data/x.db"},
		{"linux", "/srv/x.db", "mode=ro", "file:///srv/x.db?mode=ro"},
		{"linux", "//srv/x.db", "", "file:////srv/x.db"},
		{"linux", "/srv/a b#c?d%.db", "", "file:///srv/a%20b%23c%3Fd%25.db"},
		{"windows", `data\x.db`, "", "file:data/x.db"},
		{"windows", `C:\Program Data\x.db`, "mode=ro", "file:///C:/Program%20Data/x.db?mode=ro"},
		{"windows", `\data\x.db`, "", "file:///data/x.db"},
	} {
		if dsn := dsnOn(test.system, test.path, test.options); dsn != test.dsn {
			t.Errorf("on %s the DSN of %s is %s, want %s", test.system, test.path, dsn, test.dsn)
		}
	}
}

// TestSQLiteOpensWhatTheURLNames tests paths of the system that it runs on.
func TestSQLiteOpensWhatTheURLNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain.db", "a b.db", "100%.db", "100%25.db", "#hash.db", "a?b.db", "ü.db"} {
		if strings.Contains(name, "?") && runtime.GOOS == "windows" {
			continue
		}
		want := filepath.Join(t.TempDir(), name)
		for _, slashes := range []string{"", "/", "//"} { // SQLAlchemy's absolute path has one more
			path, err := fileOf(prefix + slashes + Escape(filepath.ToSlash(want)))
			if err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite3", DSN(path, ""))
			if err == nil {
				_, err = db.Exec("CREATE TABLE t (x)")
			}
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(want); err != nil {
				t.Errorf("%s was not made: %v", path, err)
			}
			_ = os.Remove(want)
		}
	}
}

// TestAFileOfAnEarlierVersionIsNotLeftBehind: earlier versions did not decode %20.
func TestAFileOfAnEarlierVersionIsNotLeftBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, decoded := filepath.Join(dir, "a%20b.db"), filepath.Join(dir, "a b.db")
	raw := prefix + filepath.ToSlash(old)
	names := func() {
		t.Helper()
		path, err := fileOf(raw)
		if err == nil || !strings.Contains(err.Error(), "a%20b.db") || !strings.Contains(err.Error(), "a b.db") {
			t.Errorf("%s, %v", path, err)
		}
	}
	if path, err := fileOf(raw); err != nil || path != decoded {
		t.Errorf("neither is there: %s, %v", path, err)
	}
	for _, path := range []string{old, decoded} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		names()
	}
	if path, err := fileOf(OfFile(old)); err != nil || path != old {
		t.Errorf("as the message says: %s, %v", path, err)
	}
	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	if path, err := fileOf(raw); err != nil || path != decoded {
		t.Errorf("renamed: %s, %v", path, err)
	}
}
