package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds what is read, in bytes: a NAME_FILE of /dev/zero should be a
// problem and not a process that eats the machine.
const maxFile = 1 << 20

// readValue returns the content of a file that holds one setting, without the
// newline that editors and echo put at its end. Its errors don't name the
// file: a secret put in NAME_FILE by mistake would be printed.
func (o Options) readValue(path string) (string, error) {
	content, err := o.read(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if text == "" {
		return "", errors.New("is empty")
	}
	return text, nil
}

// read returns a file of the working directory, or an error that reads as the
// end of a sentence about it.
func (o Options) read(path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(o.Dir, path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer file.Close()

	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if len(content) > maxFile {
		return nil, errors.New("is larger than 1 MiB")
	}
	return utf8Text(content)
}

// utf8Text takes off the mark that editors on Windows put before UTF-8. What
// its older PowerShell writes with > is UTF-16: a secret would not be what
// people see in the file.
func utf8Text(content []byte) ([]byte, error) {
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		return nil, errors.New("is in UTF-16: save it as UTF-8")
	}
	return bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")), nil
}

// unreadable drops the path from an error.
func unreadable(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return fmt.Errorf("can't be read: %w", err)
}
