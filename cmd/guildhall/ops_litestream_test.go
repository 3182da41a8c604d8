package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"guildhall/platform/database"
	"guildhall/platform/platformtest"
)

// litestream is the real program with configs/litestream.yml, except for its paths.
type litestream struct {
	t               testing.TB
	program, config string
	database        string
	running         *exec.Cmd
	log             lockedBuffer
}

func newLitestream(t testing.TB, database string) *litestream {
	t.Helper()
	var built []string // by scripts/litestream
	if cache, err := os.UserCacheDir(); err == nil {
		built, _ = filepath.Glob(filepath.Join(cache, "guildhall", "litestream-*", "litestream"))
	}
	l := &litestream{t: t, program: platformtest.Program(t, "litestream", built...), database: database, config: filepath.Join(t.TempDir(), "litestream.yml")}
	if version, err := exec.Command(l.program, "version").Output(); err != nil || !strings.HasPrefix(string(version), "v0.3.") {
		t.Skipf("NOT TESTED WITH litestream: %s is %s(%v), not 0.3", l.program, version, err)
	}
	text, err := os.ReadFile("../../configs/litestream.yml")
	if err != nil {
		t.Fatal(err)
	}
	var settings struct {
		DBs []struct {
			Path     string           `yaml:"path"`
			Replicas []map[string]any `yaml:"replicas"`
		} `yaml:"dbs"`
	}
	if err := yaml.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	settings.DBs[0].Path = database
	replica := settings.DBs[0].Replicas[0]
	for _, ofS3 := range []string{"endpoint", "region", "bucket"} {
		delete(replica, ofS3)
	}
	replica["type"], replica["path"] = "file", filepath.Join(t.TempDir(), "replica")
	if text, err = yaml.Marshal(settings); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.kill)
	return l
}

func (l *litestream) start() {
	l.t.Helper()
	l.running = exec.Command(l.program, "replicate", "-config", l.config)
	l.running.Stdout, l.running.Stderr = &l.log, &l.log
	if err := l.running.Start(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *litestream) kill() {
	if l.running == nil {
		return
	}
	_ = l.running.Process.Kill()
	_ = l.running.Wait()
	l.running = nil
}

// restore writes what was replicated so far to a new file.
func (l *litestream) restore() (string, error) {
	file := filepath.Join(l.t.TempDir(), "restored.db")
	if out, err := exec.Command(l.program, "restore", "-config", l.config, "-o", file, l.database).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
}

// synced waits until a restore has all of the organizations, and returns its file.
// Until then the file may be malformed: Litestream copies the database during writes, and
// uploads the changes that make the copy consistent after it. On a busy machine the copy may
// have all organizations, and not yet what belongs to them.
func (l *litestream) synced(names map[string]bool) string {
	l.t.Helper()
	var last any
	for range 200 {
		file, err := l.restore()
		var there map[string]bool
		if err == nil {
			there, err = namesIn(file)
		}
		if err == nil {
			missing := without(names, there)
			if len(missing) == 0 {
				return file
			}
			err = fmt.Errorf("%d of %d are missing", len(missing), len(names))
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	l.t.Fatalf("not replicated: %v\n%s", last, l.log.String())
	return ""
}

// namesIn returns the names of the organizations in a file that no process has open, if it is
// sound.
func namesIn(file string) (map[string]bool, error) {
	db, err := database.Open(context.Background(), database.Options{File: file})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Conn(everything).Raw("SELECT name FROM organizations").Rows()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	_, err = database.Collect(rows, func(scan func(...any) error) (name string, err error) {
		err = scan(&name)
		names[name] = true
		return name, err
	})
	if err != nil {
		return nil, err
	}
	var found string
	if err := db.Row(everything, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return nil, err
	}
	if found != "ok" {
		return nil, fmt.Errorf("the file is damaged: %s", found)
	}
	return names, nil
}

func without(all, these map[string]bool) (missing []string) {
	for name := range all {
		if !these[name] {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

const litestreamWriters = 4

// writeOrganizations creates organizations with a few concurrent clients, named "ROUND
// CLIENT NUMBER", until the service ends or each client has created most. It calls
// halfway after half of them, and returns how many were acknowledged to each client.
func writeOrganizations(p *process, token, round string, most int, halfway func()) [litestreamWriters]int {
	var acknowledged [litestreamWriters]int
	var all atomic.Int64
	var once sync.Once
	var clients sync.WaitGroup
	for c := range acknowledged {
		clients.Go(func() {
			for n := range most {
				body := fmt.Sprintf(`{"name":"%s %d %d"}`, round, c, n)
				r, _ := http.NewRequestWithContext(context.Background(), "POST", p.base+"/api/v1/organizations", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+token)
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					return
				}
				_ = resp.Body.Close()
				if resp.StatusCode != 201 {
					p.t.Errorf("%s: %d", body, resp.StatusCode)
					return
				}
				acknowledged[c] = n + 1
				if all.Add(1) == int64(most*litestreamWriters/2) {
					once.Do(halfway)
				}
			}
		})
	}
	clients.Wait()
	return acknowledged
}

func addNames(to map[string]bool, round string, acknowledged [litestreamWriters]int) {
	for c, n := range acknowledged {
		for i := range n {
			to[fmt.Sprintf("%s %d %d", round, c, i)] = true
		}
	}
}

// TestLitestream kills both processes and restores. Everything that was replicated before
// must exist, and of later writes a prefix without gaps. `guildhall restore` turns the
// file into a service without sessions, and replication continues from there.
func TestLitestream(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "data", "guildhall.db")
	l := newLitestream(t, file)
	environ := inProduction("sqlite://"+file, "MIGRATE_ON_START=true", "ENABLE_REGISTRATION=true", "RATE_LIMIT_ENABLED=false")
	serve := func() *process { return serveProcess(t, dir, environ...) }
	kill := func(p *process) {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	most := size(150, 2000)
	p := serve()
	l.start()
	ada := p.do("POST", "/api/v1/auth/register", "", body("email", "ada@example.com", "password", password, "name", "Ada")).is(201)
	token := ada.str("access_token")

	// Kill the service during writes. Litestream replicates the rest.
	names := map[string]bool{}
	addNames(names, "first", writeOrganizations(p, token, "first", most, func() { kill(p) }))
	if len(names) < most*litestreamWriters/2 {
		t.Fatalf("only %d were acknowledged", len(names))
	}
	l.synced(names)

	// Kill Litestream during writes, then the service: a restore has a prefix of the writes.
	p = serve()
	second := writeOrganizations(p, token, "second", most, l.kill)
	kill(p)
	left, err := l.restore()
	if err != nil {
		t.Fatal(err)
	}
	there, err := namesIn(left)
	if err != nil {
		t.Fatal(err)
	}
	if missing := without(names, there); len(missing) > 0 {
		t.Errorf("lost, though it had been replicated: %v", missing)
	}
	for c, n := range second {
		for i := 1; i < n; i++ {
			if there[fmt.Sprintf("second %d %d", c, i)] && !there[fmt.Sprintf("second %d %d", c, i-1)] {
				t.Errorf("client %d: number %d is there without the one before", c, i)
			}
		}
	}
	if out, status := run(t, dir, inProduction("sqlite://"+left), "doctor"); status != 0 {
		t.Errorf("doctor: %d\n%s", status, out)
	}

	// Both start again, and Litestream catches up. Commands work meanwhile.
	addNames(names, "second", second)
	l.start()
	p = serve()
	addNames(names, "third", writeOrganizations(p, token, "third", most, func() {}))
	for _, args := range [][]string{{"backup", filepath.Join(t.TempDir(), "b")}, {"doctor"}, {"admin", "list"}} {
		if out, status := run(t, dir, environ, args...); status != 0 {
			t.Errorf("%v beside Litestream: %d\n%s", args, status, out)
		}
	}
	p.do("POST", "/api/v1/auth/logout", token, body()).is(204)
	token = p.do("POST", "/api/v1/auth/token", "", body("username", "ada@example.com", "password", password)).is(200).str("access_token")
	addNames(names, "in this session", writeOrganizations(p, token, "in this session", 1, func() {})) // so that it is replicated, too
	l.synced(names)
	kill(p)
	l.kill()

	// The machine is lost. Follow configs/README.md:
	if err := os.Rename(filepath.Dir(file), filepath.Join(dir, "lost")); err != nil {
		t.Fatal(err)
	}
	restored, err := l.restore()
	if err != nil {
		t.Fatal(err)
	}
	if out, status := run(t, dir, environ, "restore", restored); status != 0 {
		t.Fatalf("restore: %d\n%s", status, out)
	}
	if out, status := run(t, dir, environ, "doctor"); status != 0 || !strings.Contains(out, "every invariant holds") {
		t.Errorf("doctor: %d\n%s", status, out)
	}
	p = serve()
	l.start()
	p.do("GET", "/api/v1/auth/me", token, nil).is(401) // no session is valid after a restore
	token = p.do("POST", "/api/v1/auth/token", "", body("username", "ada@example.com", "password", password)).is(200).str("access_token")
	addNames(names, "fourth", writeOrganizations(p, token, "fourth", size(10, 100), func() {}))
	l.synced(names)
	p.stop()
}

// TestLitestreamsTablesAreNotOurs checks that doctor, backup and restore work on a file
// with Litestream's tables, and that doctor reports any other foreign object, such as a
// trigger on them.
func TestLitestreamsTablesAreNotOurs(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	ada := s.person("Ada")
	s.exec("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
	s.exec("CREATE TABLE _litestream_lock (id INTEGER)")
	s.commandIs(0, "every invariant holds", "doctor")
	dir := t.TempDir()
	file, restored := filepath.Join(dir, "backup.db"), "sqlite://"+filepath.Join(dir, "restored.db")
	s.commandIs(0, "audit events are valid", "backup", file)
	if out, status := run(t, dir, inProduction(restored), "restore", file); status != 0 {
		t.Fatalf("restore: %d\n%s", status, out)
	}
	start(t, restored).logIn(ada.email, password).is(200)

	s.exec("CREATE TRIGGER undead AFTER INSERT ON _litestream_seq BEGIN UPDATE sessions SET revoked_at = NULL; END")
	s.commandIs(1, "there is CREATE TRIGGER undead", "doctor")
	s.exec("DROP TRIGGER undead")
	s.exec("CREATE TABLE notes (id INTEGER)") // without a key
	out := s.commandIs(1, "there is CREATE TABLE notes", "doctor")
	if !strings.Contains(out, "every invariant holds") {
		t.Errorf("the data was not checked:\n%s", out)
	}
}
