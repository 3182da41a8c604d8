package main

import (
	"strings"
	"testing"

	"guildhall/platform/platformtest"
)

// TestTheLimitOfMemoryIsHeeded sets GOMEMLIMIT, which takes precedence over a container's
// limit. Concurrent log-ins beyond the memory limit are answered or shed.
func TestTheLimitOfMemoryIsHeeded(t *testing.T) {
	t.Parallel()
	environ := inProduction(platformtest.SQLiteURL(t), "MIGRATE_ON_START=true", "ENABLE_REGISTRATION=true", "PASSWORD_HASH_QUEUE=1", "GOMEMLIMIT=48MiB")
	p := serveProcess(t, t.TempDir(), environ...)
	p.says(`"go_limit_bytes":50331648`)
	statuses := make(chan int)
	for range 20 {
		go func() {
			statuses <- p.try("POST", "/api/v1/auth/token", "", body("username", "nobody@example.com", "password", "a wrong guess")).status
		}()
	}
	shed := 0
	for range 20 {
		if status := <-statuses; status == 503 {
			shed++
		} else if status != 401 && status != 429 {
			t.Errorf("answered %d", status)
		}
	}
	if shed == 0 {
		t.Error("no log-in was shed, though one hash runs at a time and one may wait")
	}
	p.stop()
	p = serveProcess(t, t.TempDir(), append(environ, "GOMEMLIMIT=off")...)
	if strings.Contains(p.out.String(), "go_limit_bytes") {
		t.Errorf("the log has a limit, though none is set:\n%s", p.out)
	}
	p.stop()
}
