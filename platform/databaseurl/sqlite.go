package databaseurl

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"strings"
	"unicode"
)

// prefix is the beginning of a SQLite URL.
const prefix = "sqlite://"

// IsSQLite reports whether a URL is a SQLite URL. It does not check the file name.
func IsSQLite(raw string) bool { return strings.HasPrefix(raw, prefix) }

// fileOf returns the path of the file that a URL names, in this system's form. Its
// errors read as the end of a sentence about the URL.
//
// Earlier versions did not decode a path. If the file that they would have opened
// exists, the URL is refused, so that the service does not create another file next to
// it.
func fileOf(raw string) (string, error) {
	path, err := fileOn(runtime.GOOS, raw)
	if err != nil {
		return "", err
	}
	undecoded, err := pathOn(runtime.GOOS, strings.TrimPrefix(raw, prefix))
	if err != nil || undecoded == path {
		return path, nil //nolint:nilerr // there can be no such file
	}
	if _, err := os.Stat(undecoded); err == nil {
		return "", fmt.Errorf("names the file %q, and earlier versions took it for %q, which is there: write %%25 for a %% in the name, or rename that file", path, undecoded)
	}
	return path, nil
}

// OfFile returns the URL of a file. The path may contain any characters.
func OfFile(path string) string { return prefix + Escape(path) }

// Escape escapes a path, or a part of one, for a URL. It escapes only what would end
// the path or be decoded, so that people can read it.
func Escape(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(path)
}

// drive is the beginning of a path on Windows that names a drive. Slashes before it
// belong to the URL: sqlite:///C:/data/guildhall.db.
var drive = regexp.MustCompile(`^[/\\]*([A-Za-z]:)([/\\]|$)`)

func fileOn(system, raw string) (string, error) {
	rest, ok := strings.CutPrefix(raw, prefix)
	if !ok {
		return "", errors.New("does not begin with " + prefix)
	}
	encoded, query, hasQuery := rest, "", false
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		encoded, query, hasQuery = rest[:end], rest[end+1:], true
	}
	decoded, err := url.PathUnescape(encoded)
	if err != nil {
		return "", fmt.Errorf("has a %% without two hexadecimal digits after it: for the file %q write %s", rest, OfFile(rest))
	}
	if strings.ContainsFunc(decoded, unicode.IsControl) {
		return "", errors.New("has a control character in it")
	}
	if strings.Contains(decoded, ":memory:") || strings.Contains(query, "mode=memory") {
		// Each connection would have its own database.
		return "", errors.New("names a database in memory, which a restart loses")
	}
	path, err := pathOn(system, decoded)
	if err == nil && hasQuery {
		err = fmt.Errorf("has a %c, after which there can be nothing here: for the file %q write %s, for the file %q write %s",
			rest[len(encoded)], path, OfFile(decoded), rest, OfFile(rest))
	}
	return path, err
}

// pathOn converts a path to a system's form.
func pathOn(system, path string) (string, error) {
	if system == "windows" {
		return windowsFile(path)
	}
	if drive.MatchString(path) {
		// Settings copied from Windows would otherwise create a new database, in a
		// directory named after a drive.
		return "", fmt.Errorf("names a Windows drive, which %s does not have: write sqlite:///directory/guildhall.db", system)
	}
	if path == "" || strings.HasSuffix(path, "/") {
		return "", errNoFile
	}
	return path, nil
}

var errNoFile = errors.New("names no file after " + prefix)

// windowsFile accepts slashes and backslashes, and the leading slashes that URLs and
// SQLAlchemy put before a drive.
func windowsFile(path string) (string, error) {
	afterDrive := path
	if found := drive.FindStringSubmatchIndex(path); found != nil {
		path, afterDrive = path[found[2]:], path[found[3]:]
	}
	path = strings.ReplaceAll(path, "/", `\`)
	switch {
	case path == "" || strings.HasSuffix(path, `\`) || afterDrive == "":
		return "", errNoFile
	case strings.HasPrefix(path, `\\`):
		return "", errors.New("names a file on another machine, where SQLite's write-ahead log does not work: take a local disk, or PostgreSQL")
	case strings.Contains(afterDrive, ":"):
		return "", errors.New("has a colon where there can be none: a drive is written as in sqlite://C:/data/guildhall.db")
	}
	return path, nil
}

// DSN returns the data source name of a file for SQLite's driver, with options in the
// form of a URL's query.
func DSN(path, options string) string { return dsnOn(runtime.GOOS, path, options) }

// dsnOn follows https://sqlite.org/uri.html. The text between file:// and the next
// slash would be a host, so an absolute path gets an empty one.
func dsnOn(system, path, options string) string {
	if system == "windows" {
		path = strings.ReplaceAll(path, `\`, "/")
		if drive.MatchString(path) {
			path = "/" + path
		}
	}
	scheme := "file:"
	if strings.HasPrefix(path, "/") {
		scheme = "file://"
	}
	dsn := scheme + (&url.URL{Path: path}).EscapedPath()
	if options != "" {
		dsn += "?" + options
	}
	return dsn
}
