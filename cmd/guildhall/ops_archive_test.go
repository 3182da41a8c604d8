package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"guildhall/platform/transfer"
)

// unpacked returns the lines of an archive.
func unpacked(t testing.TB, archive []byte) []string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

// packed returns an archive with a content.
func packed(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

var passwordHash = regexp.MustCompile(`"password_hash":"[^"]*"`)

// TestAnArchiveOfVersion1 imports an archive and exports it again: it must have the same
// lines in the same order, byte for byte. testdata/archive.v1.jsonl was written before
// tables declared their lines.
func TestAnArchiveOfVersion1(t *testing.T) {
	content, err := os.ReadFile("testdata/archive.v1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	// Accounts without a hash get one that no password has.
	was := strings.Split(strings.TrimSuffix(passwordHash.ReplaceAllString(string(content), `"password_hash":null`), "\n"), "\n")
	for name, content := range map[string][]byte{"as it is": content, "with optional lines": withOptionalLines(content)} {
		t.Run(name, func(t *testing.T) { importsAndExports(t, was, content) })
	}
}

// withOptionalLines returns the content with a line of an unknown type behind each line.
func withOptionalLines(content []byte) []byte {
	var b bytes.Buffer
	lines := bytes.SplitAfter(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
	for _, line := range lines[:len(lines)-1] {
		b.Write(line)
		b.WriteString(`{"type":"zzz","optional":true}` + "\n")
	}
	fmt.Fprintf(&b, `{"type":"end","lines":%d,"sha256":"%x"}`+"\n", 2*len(lines)-1, sha256.Sum256(b.Bytes()))
	return b.Bytes()
}

func importsAndExports(t *testing.T, was []string, content []byte) {
	t.Helper()
	each(t, func(t *testing.T, s *service) {
		s.later(time.Until(time.Date(2026, time.November, 28, 22, 0, 0, 0, time.UTC))) // it has been exported
		sum, err := transfers(s.kernel, s.app).Import(everything, bytes.NewReader(packed(content)), transfer.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := transfers(s.kernel, s.app).Export(everything, &b, sum.OrganizationID, transfer.ExportOptions{}); err != nil {
			t.Fatal(err)
		}
		is := unpacked(t, b.Bytes())
		// The export is another one, and the import is an event.
		if want := was[1 : len(was)-1]; !slices.Equal(is[1:len(is)-2], want) {
			t.Errorf("it has\n%s\nand had\n%s", strings.Join(is, "\n"), strings.Join(want, "\n"))
		}
	})
}
