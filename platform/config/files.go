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

// maxFile is the maximum size of a file, in bytes: NAME_FILE=/dev/zero should be an
// error, and must not exhaust the memory.
const maxFile = 1 << 20

// readValue returns the content of a file with the value of one setting, without the
// newline that editors and echo append. Its errors don't name the file: a secret that
// was set as NAME_FILE by mistake would be printed.
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

// read returns the content of a file, whose path is relative to the working directory.
// Its error reads as the end of a sentence about the file.
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

// utf8Text removes the byte order mark that editors on Windows write. It refuses
// UTF-16, which older versions of PowerShell write with >: a secret would differ from
// what people see in the file.
func utf8Text(content []byte) ([]byte, error) {
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		return nil, errors.New("is in UTF-16: save it as UTF-8")
	}
	return bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")), nil
}

// unreadable removes the path from an error.
func unreadable(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return fmt.Errorf("can't be read: %w", err)
}
