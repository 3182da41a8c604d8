// Package sqliteurl reads a URL of the kind sqlite://path, on every system.
package sqliteurl

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"runtime"
	"strings"
)

// Prefix is what such a URL begins with.
const Prefix = "sqlite://"

// Is reports whether a URL is of this kind, whatever it names.
func Is(raw string) bool { return strings.HasPrefix(raw, Prefix) }

// File returns the file that a URL names, as this system writes it. Its errors
// read as the end of a sentence about the URL.
func File(raw string) (string, error) { return fileOn(runtime.GOOS, raw) }

// drive is the beginning of a path on Windows that says on which drive it is.
// Slashes before it are those of URLs: sqlite:///C:/data/guildhall.db.
var drive = regexp.MustCompile(`^[/\\]*([A-Za-z]:)([/\\]|$)`)

func fileOn(system, raw string) (string, error) {
	rest, ok := strings.CutPrefix(raw, Prefix)
	if !ok {
		return "", errors.New("does not begin with " + Prefix)
	}
	path, query, _ := strings.Cut(rest, "?")
	if strings.Contains(path, ":memory:") || strings.Contains(query, "mode=memory") {
		// Each connection would see its own.
		return "", errors.New("names a database in memory, which a restart loses")
	}
	if system == "windows" {
		return windowsFile(path)
	}
	if drive.MatchString(path) {
		// Settings that came along from Windows would begin anew, in a directory
		// with the name of a drive.
		return "", fmt.Errorf("names a Windows drive, which %s does not have: write sqlite:///directory/guildhall.db", system)
	}
	if path == "" || strings.HasSuffix(path, "/") {
		return "", errNoFile
	}
	return path, nil
}

var errNoFile = errors.New("names no file after " + Prefix)

// windowsFile takes slashes and backslashes, and the leading slashes that URLs
// and SQLAlchemy put before a drive.
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

// DSN names a file to SQLite, with options in the form of a URL's query.
func DSN(path, options string) string { return dsnOn(runtime.GOOS, path, options) }

// dsnOn follows https://sqlite.org/uri.html. What stands between file:// and the
// next slash would be a host: an absolute path has an empty one before it.
func dsnOn(system, path, options string) string {
	if system == "windows" {
		path = strings.ReplaceAll(path, `\`, "/")
		if drive.MatchString(path) {
			path = "/" + path
		}
	}
	prefix := "file:"
	if strings.HasPrefix(path, "/") {
		prefix = "file://"
	}
	dsn := prefix + (&url.URL{Path: path}).EscapedPath()
	if options != "" {
		dsn += "?" + options
	}
	return dsn
}
