package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFaultsOfOtherSystems checks that each fault is reported on exactly the systems that
// have it, also in tests.
func TestFaultsOfOtherSystems(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                "module example\n\ngo 1.26\n",
		"main.go":               "package main\n\nimport \"syscall\"\n\nfunc main() { println(syscall.SIGSTOP) }\n",
		"cgo.go":                "package main\n\n// int one(void);\nimport \"C\"\n\nvar one = C.one()\n",
		"main_test.go":          "package main\n\nvar n int = 1 << 40\n",
		"only/only_linux.go":    "package only\n",
		"use/use.go":            "package use\n\nimport _ \"example/only\"\n",
		"right/right.go":        "package right\n\nfunc os() string { return name }\n",
		"right/unix.go":         "//go:build unix\n\npackage right\n\nconst name = \"unix\"\n",
		"right/unsafe.go":       "package right\n\nimport \"unsafe\"\n\nvar size = unsafe.Sizeof(*(*int)(unsafe.Pointer(new(int))))\n",
		"right/name_windows.go": "package right\n\nconst name = \"windows\"\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for system, want := range map[string][]string{
		"linux/amd64":   nil,
		"linux/arm":     {"main_test.go:3"},
		"darwin/arm64":  {"example/only"},
		"windows/amd64": {"main.go:5", "example/only"},
	} {
		found, err := check(context.Background(), dir, []string{system})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, system) && strings.Contains(f, w) }) {
				t.Errorf("%s: no fault %q in %q", system, w, found)
			}
		}
		if want == nil && len(found) > 0 {
			t.Errorf("%s: %q", system, found)
		}
		for _, f := range found {
			if strings.Contains(f, "right/") || strings.Contains(f, "cgo.go") {
				t.Errorf("reported without a fault: %s", f)
			}
		}
	}
	if _, err := check(context.Background(), dir, []string{"windows"}); err == nil {
		t.Error("a system without an architecture was accepted")
	}
}
