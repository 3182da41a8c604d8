package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"guildhall/platform/file"
)

func TestPublishReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, ".part"), filepath.Join(dir, "whole")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(path, want string) {
		t.Helper()
		if content, err := os.ReadFile(path); err != nil || string(content) != want {
			t.Errorf("%s holds %q, %v; want %q", path, content, err, want)
		}
	}
	write(from, "first")
	if err := file.Publish(from, to); err != nil {
		t.Fatal(err)
	}
	holds(to, "first")
	if _, err := os.Stat(from); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file still has its old name: %v", err)
	}
	write(from, "second")
	if err := file.Publish(from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second file of that name: %v; want fs.ErrExist", err)
	}
	holds(to, "first")
	holds(from, "second")
}
