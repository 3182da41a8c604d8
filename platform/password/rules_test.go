package password

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"guildhall/platform/fault"
)

const breached = "five boxing wizards"

// withBreached writes a list that has one password among many hashes.
func withBreached(t *testing.T, path, password string) string {
	t.Helper()
	return writeList(t, path, append(hashesOf(1000, sha), fmt.Sprintf("%X", sha1.Sum([]byte(password)))))
}

// judged are Rules with a file, what they log, and what they count.
type judged struct {
	*Rules
	log     strings.Builder
	results []string
	now     time.Time
}

func judgedBy(path string) *judged {
	j := &judged{now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	j.Rules = NewRules(RulesOptions{
		BreachedFile: path, Log: slog.New(slog.NewTextHandler(&j.log, nil)), Now: func() time.Time { return j.now },
		LookedUp: func(result string) { j.results = append(j.results, result) },
	})
	return j
}

func (j *judged) refuses(t *testing.T, password string, want bool) {
	t.Helper()
	if err := j.Check(t.Context(), password, "ada@example.com"); (err != nil) != want || want && err.Error() != fault.CommonPassword.Text {
		t.Errorf("%q: %v", password, err)
	}
}

// TestBreachedPasswordsAreRefused checks that the list adds to the other rules, and that an
// operator can replace it while the service runs.
func TestBreachedPasswordsAreRefused(t *testing.T) {
	dir := t.TempDir()
	path := withBreached(t, filepath.Join(dir, "list.txt"), breached)
	rules := judgedBy(path)
	rules.refuses(t, breached, true)
	rules.refuses(t, strings.ToUpper(breached), false) // the list has exactly what was found
	rules.refuses(t, "password1", true)                // in the built-in list only
	if want := []string{"breached", "clear"}; !slices.Equal(rules.results, want) {
		t.Errorf("counted %v, want %v", rules.results, want)
	}
	judgedBy("").refuses(t, breached, false)

	const other = "six boxing wizards"
	if err := os.Rename(withBreached(t, filepath.Join(dir, "new.txt"), other), path); err != nil {
		t.Fatal(err)
	}
	rules.refuses(t, breached, false)
	rules.refuses(t, other, true)
	if rules.log.Len() > 0 {
		t.Errorf("logged: %s", rules.log.String())
	}
}

// TestAnUnreadableBreachedFileIsLogged checks that people can still choose passwords, that the
// built-in list still applies, and that the log is not filled.
func TestAnUnreadableBreachedFileIsLogged(t *testing.T) {
	path := withBreached(t, filepath.Join(t.TempDir(), "list.txt"), breached)
	rules := judgedBy(path)
	rules.refuses(t, breached, true)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string]func() error{
		"does not exist": func() error { return os.Remove(path) },
		"is empty":       func() error { return os.WriteFile(path, nil, 0o600) },
		"is not a list":  func() error { return os.WriteFile(path, []byte("<html>\n"), 0o600) },
		"is not sorted":  func() error { return os.WriteFile(path, slices.Concat(content, content), 0o600) },
		"is not a file":  func() error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	}
	for _, cause := range []string{"does not exist", "is empty", "is not a list", "is not sorted", "is not a file"} {
		if err := broken[cause](); err != nil {
			t.Fatal(err)
		}
		rules.log.Reset()
		rules.now = rules.now.Add(time.Hour)
		for range 100 {
			rules.refuses(t, breached, false)
			rules.refuses(t, "password1", true)
		}
		if out := rules.log.String(); strings.Count(out, "\n") != 1 || !strings.Contains(out, cause) || strings.Contains(out, breached) {
			t.Errorf("%s: logged %q", cause, out)
		}
		rules.now = rules.now.Add(logInterval)
		rules.refuses(t, breached, false)
		if out := rules.log.String(); strings.Count(out, "\n") != 2 || !strings.Contains(out, "others_since_last_line=99") {
			t.Errorf("%s: a minute later, logged %q", cause, out)
		}
	}
	if failed := len(slices.DeleteFunc(rules.results, func(result string) bool { return result != "failed" })); failed != 5*101 {
		t.Errorf("%d failures counted", failed)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	withBreached(t, path, breached)
	rules.refuses(t, breached, true)
}

// TestRefusedBreachedFiles checks that an operator reads what to do.
func TestRefusedBreachedFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "list.txt")
	const again = ": download it again"
	for _, c := range []struct {
		content string
		want    string
	}{
		{"", path + ": is empty" + again},
		{"0B434FF2A4E57A8D1C762A899AAE5E0F:3\n", "haveibeenpwned-downloader writes them, near byte 0" + again + ", without -n"},
		{strings.Repeat("F", 40) + ":2\n" + strings.Repeat("0", 40) + ":1\n", path + ": is not sorted by its hashes, near byte 0" + again + "; a list that is sorted by how often"},
	} {
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := CheckBreachedFile(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	for at, want := range map[string]string{
		dir:                             dir + ": is not a file: download the list as one file, without -s false",
		filepath.Join(dir, "other.txt"): "other.txt does not exist: download it with haveibeenpwned-downloader, or correct the path",
	} {
		if err := CheckBreachedFile(at); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 && runtime.GOOS != "windows" { // root reads everything
		if err := CheckBreachedFile(path); err == nil || !strings.Contains(err.Error(), "permission denied: let the service's user read it") {
			t.Error(err)
		}
	}
	if err := CheckBreachedFile(""); err != nil {
		t.Error(err)
	}
}

func TestManySearchABreachedFileAtOnce(t *testing.T) {
	hashes := hashesOf(20_000, sha)
	path := writeList(t, filepath.Join(t.TempDir(), "list"), hashes)
	file := &breachedFile{path: path}
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < 40_000; i += 16 * 5 {
				if found, err := file.has(sha(i)); err != nil || found != (i < 20_000) {
					t.Errorf("%d: %v %v", i, found, err)
				}
			}
		})
	}
	wg.Wait()
}

func writeList(t testing.TB, path string, hashes []string) string {
	t.Helper()
	slices.Sort(hashes)
	if err := os.WriteFile(path, regularly(hashes, func(h string) string { return h + ":1\r\n" }), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// BenchmarkBreachedFile searches a file of four million lines, and reports the pages read.
func BenchmarkBreachedFile(b *testing.B) {
	path := writeList(b, filepath.Join(b.TempDir(), "list"), hashesOf(4_000_000, sha))
	file := &breachedFile{path: path}
	reads, searches := int64(0), int64(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		err := file.use(func(l breachedList) error {
			c := &counted{ReaderAt: l.from}
			_, err := breachedList{c, l.size}.has(sha(i * 7919 % 8_000_000))
			reads, searches = reads+c.reads.Load(), searches+1
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(reads)/float64(searches), "pages/op")
}
