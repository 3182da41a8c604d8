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

// prefix is what the URL of a SQLite file begins with.
const prefix = "sqlite://"

// IsSQLite reports whether a URL is of this kind, whatever it names.
func IsSQLite(raw string) bool { return strings.HasPrefix(raw, prefix) }

// fileOf returns the file that a URL names, as this system writes it. Its errors
// read as the end of a sentence about the URL.
//
// Earlier versions did not decode a path. Where the file is there that they would
// have opened, it is refused, rather than beginning another one beside it.
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

// OfFile is the text of a URL that names a file, whatever characters are in its path.
func OfFile(path string) string { return prefix + Escape(path) }

// Escape writes a path, or a part of one, as it stands in a URL. Only what would end
// it or be decoded is escaped, so that people can read it.
func Escape(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(path)
}

// drive is the beginning of a path on Windows that says on which drive it is.
// Slashes before it are those of URLs: sqlite:///C:/data/guildhall.db.
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
		// Each connection would see its own.
		return "", errors.New("names a database in memory, which a restart loses")
	}
	path, err := pathOn(system, decoded)
	if err == nil && hasQuery {
		err = fmt.Errorf("has a %c, after which there can be nothing here: for the file %q write %s, for the file %q write %s",
			rest[len(encoded)], path, OfFile(decoded), rest, OfFile(rest))
	}
	return path, err
}

// pathOn is a path as a system writes it.
func pathOn(system, path string) (string, error) {
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

var errNoFile = errors.New("names no file after " + prefix)

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
