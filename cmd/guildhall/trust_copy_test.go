package main

import (
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"guildhall/platform/platformtest"
	"guildhall/platform/seed"
	"guildhall/platform/seeding"
)

var copiedTable = regexp.MustCompile(`(?m)^\w+ +\d+ rows  digest \w+$`)

// TestTrustCopyKilled kills a copy again and again until one finishes: from SQLite to
// PostgreSQL, and from there to SQLite, which must then equal the source.
func TestTrustCopyKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, between, to := platformtest.SQLiteURL(t), platformtest.PostgresURL(t), "sqlite://"+filepath.Join(dir, "back.db")
	s := start(t, from)
	n := size(10_000, 1_000_000)
	err := seeding.Fill(everything, seeding.Options{DB: s.kernel.DB, Tables: s.app.Tables(), Size: seed.Size{Users: int64(n), Organizations: int64(n / 100), Members: int64(n)}})
	if err != nil {
		t.Fatal(err)
	}
	chance := trustSeed(t)
	random := rand.New(rand.NewPCG(chance, 1))
	kills := 0
	copied := func(from, to string) (tables []string, took time.Duration) {
		t.Helper()
		for at := size(50*time.Millisecond, 2*time.Second); ; at *= 2 {
			cmd := command(dir, nil, "copy", "--from", from, "--to", to)
			out := &lockedBuffer{}
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			killer := time.AfterFunc(at/2+time.Duration(random.Int64N(int64(at))), func() {
				// After its last transaction the copy is complete, even if it was killed before it reported so.
				if !strings.Contains(out.String(), "creating indexes") {
					_ = cmd.Process.Kill()
				}
			})
			err := cmd.Wait()
			killer.Stop()
			if err == nil {
				return copiedTable.FindAllString(out.String(), -1), time.Since(began)
			}
			if cmd.ProcessState.ExitCode() != -1 {
				t.Fatalf("%v\n%s", err, out)
			}
			kills++
		}
	}
	first, _ := copied(from, between)
	second, _ := copied(between, to)
	wrong := 0
	if strings.Join(first, "\n") != strings.Join(second, "\n") || len(first) < 15 {
		wrong++
		t.Errorf("there\n%s\nand back\n%s", strings.Join(first, "\n"), strings.Join(second, "\n"))
	}
	for _, url := range []string{between, to} {
		if broken := invariants(t, start(t, url).kernel.DB); len(broken) > 0 {
			wrong++
			t.Error(broken)
		}
	}
	recordResult(t, "copy killed and begun again", "both", n, wrong, chance, "people copied to PostgreSQL and back; %d kills", kills)
}
