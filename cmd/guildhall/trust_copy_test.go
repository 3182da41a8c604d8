package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"guildhall/platform/platformtest"
)

// crowdSQL makes a hundred people an organization, by SQLite's own means: n of
// them in a few seconds.
var crowdSQL = []string{
	`CREATE TABLE crowd AS WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < %d - 1)
		SELECT i, i %% 100 AS k, printf('0193e3a8-%%04x-7%%03x-8000-%%012x', i / 4096, i %% 4096, i) AS u,
			printf('0193e3a9-%%04x-7%%03x-9000-%%012x', i / 100 / 4096, i / 100 %% 4096, i / 100) AS o, '2026-11-01 10:00:00.123456+00:00' AS at FROM c`,
	`INSERT INTO users SELECT u, 'person' || i || '@example.com', 'person' || i || '@example.com', at, at FROM crowd`,
	`INSERT INTO user_profile SELECT u, 'Person ' || i, NULL, NULL FROM crowd`,
	`INSERT INTO user_login_password SELECT u, '$argon2id$v=19$m=19456,t=2,p=1$AAAA$' || hex(randomblob(32)), at FROM crowd`,
	`INSERT INTO user_active_status (id, user_id, activated_at) SELECT '0193e3b0' || substr(u, 9), u, at FROM crowd`,
	`INSERT INTO organizations SELECT o, 'Organization ' || i, at, at FROM crowd WHERE k = 0`,
	`INSERT INTO organization_active_status (id, organization_id, activated_at, activated_by) SELECT '0193e3b1' || substr(o, 9), o, at, u FROM crowd WHERE k = 0`,
	`INSERT INTO organization_members SELECT o, u, at FROM crowd`,
	`INSERT INTO organization_owners SELECT o, u, at FROM crowd WHERE k = 0`,
	`INSERT INTO organization_admins SELECT o, u, at, u FROM crowd WHERE k IN (1, 2)`,
	`INSERT INTO user_active_status (id, user_id, organization_id, activated_at) SELECT '0193e3b2' || substr(u, 9), u, o, at FROM crowd`,
	`DROP TABLE crowd`,
}

func (s *service) fill(people int) {
	s.t.Helper()
	err := s.kernel.DB.InTx(everything, func(ctx context.Context) error {
		for i, statement := range crowdSQL {
			if i == 0 {
				statement = fmt.Sprintf(statement, people)
			}
			if err := s.kernel.DB.Conn(ctx).Exec(statement).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

var copiedTable = regexp.MustCompile(`(?m)^\w+ +\d+ rows  digest \w+$`)

// TestTrustCopyKilled kills a copy again and again, until one gets through: from
// SQLite to PostgreSQL and from there to SQLite, which is then what it was.
func TestTrustCopyKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, between, to := platformtest.SQLiteURL(t), platformtest.PostgresURL(t), "sqlite://"+filepath.Join(dir, "back.db")
	s := start(t, from)
	n := size(10_000, 1_000_000)
	s.fill(n - n%100)
	seed := trustSeed(t)
	random := rand.New(rand.NewPCG(seed, 1))
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
				// After its last transaction the copy is one, whether it says so or not.
				if !strings.Contains(out.String(), "making indexes") {
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
	figure(t, "copy killed and begun again", "both", n, wrong, seed, "people copied to PostgreSQL and back; %d kills", kills)
}
