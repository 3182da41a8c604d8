package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"guildhall/platform/platformtest"
)

// TestUpgradeAndBack runs the previous version and this one on the same data: each must
// serve what the other has written. GUILDHALL_TEST_PREVIOUS names another commit in place
// of the previous version.
func TestUpgradeAndBack(t *testing.T) {
	t.Parallel()
	previous := previousBinary(t)
	platformtest.Each(t, func(t *testing.T, databaseURL string) {
		dir, environ := t.TempDir(), inProduction(databaseURL, "ENABLE_REGISTRATION=true")
		before, after := installation{t, previous, dir, environ}, installation{t, os.Args[0], dir, environ}

		before.run("migrate", "up")
		old := before.serve()
		answers := recordAnswers(old)
		pending := pendingIDs.FindAllString(after.run("migrate", "status"), -1)
		plan := after.run("migrate", "plan")
		for _, id := range pending {
			if !strings.Contains(plan, "-- "+strings.TrimPrefix(id, "pending ")) {
				t.Errorf("the plan lacks %s:\n%s", id, plan)
			}
		}
		t.Logf("%d migrations between the two", len(pending))

		// PostgreSQL is migrated below the running service, the file after a stop.
		if strings.HasPrefix(databaseURL, "sqlite") {
			old.stop()
		}
		after.run("migrate", "up")
		if strings.HasPrefix(databaseURL, "postgres") {
			answers.areServedBy(old)
			old.do("PATCH", "/api/v1/users/"+answers.bob.str("user_id")+"/profile", answers.bob.str("access_token"), body("bio", "still here")).is(200)
			answers = answers.recordAgain(old)
			old.stop()
		}
		young := after.serve()
		answers.areServedBy(young)
		young.create(answers.ada.str("access_token"), answers.key).is(201).same(answers.created) // the repeated request creates no second one
		refreshed := young.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", answers.ada.str("refresh_token"))).is(200)
		dan := young.register("dan")
		young.do("POST", answers.organization("/members"), refreshed.str("access_token"), body("user_id", dan.str("user_id"))).is(201)
		young.logIn("bob")
		after.run("audit", "verify")
		// The previous version takes an API key for a log-in: none of its tokens must be left.
		key := young.do("POST", answers.organization("/api-keys"), refreshed.str("access_token"), body("name", "CI")).is(201)
		byKey := young.do("POST", "/oauth/token", "", body("grant_type", "client_credentials", "client_id", key.str("id"), "client_secret", key.str("key"))).is(200).str("access_token")
		young.do("GET", answers.organization("/members"), byKey, nil).is(200)
		answers = answers.recordAgain(young)
		young.stop()

		if len(pending) > 0 {
			after.run("migrate", "down", strconv.Itoa(len(pending)))
		}
		old = before.serve()
		answers.areServedBy(old)
		old.do("POST", "/api/v1/auth/refresh", "", body("refresh_token", refreshed.str("refresh_token"))).is(200)
		old.logIn("dan")
		old.do("GET", answers.organization("/members"), dan.str("access_token"), nil).is(200)
		if strings.Contains(strings.Join(pending, " "), "auth_session_kind") {
			old.do("GET", answers.organization("/members"), byKey, nil).is(401)
			old.do("GET", answers.organization("/members"), key.str("key"), nil).is(401)
		}
		old.stop()
		before.run("audit", "verify")
	})
}

var pendingIDs = regexp.MustCompile(`pending \d{12}_\w+`)

// previousBinary builds the previous version from the git history.
func previousBinary(t testing.TB) string {
	t.Helper()
	var args []string
	if commit := os.Getenv("GUILDHALL_TEST_PREVIOUS"); commit != "" {
		args = append(args, commit)
	}
	out, err := exec.Command("../../scripts/previous", args...).Output()
	if err == nil {
		return strings.TrimSpace(string(out))
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) { // bash is not installed
		exit = &exec.ExitError{Stderr: []byte(err.Error())}
	}
	if exit.ProcessState != nil && exit.ExitCode() != 3 || os.Getenv(platformtest.RequirePostgres) != "" {
		t.Fatalf("build the previous version: %v\n%s", err, exit.Stderr)
	}
	t.Skipf("NO UPGRADE TESTED: %s", exit.Stderr)
	return ""
}

// installation is one version in a directory, with its settings.
type installation struct {
	t           testing.TB
	binary, dir string
	environ     []string
}

func (i installation) command(args ...string) *exec.Cmd {
	cmd := command(i.dir, i.environ, args...)
	cmd.Path = i.binary
	return cmd
}

func (i installation) run(args ...string) string {
	i.t.Helper()
	out, err := i.command(args...).CombinedOutput()
	if err != nil {
		i.t.Fatalf("%s %v: %v\n%s", i.binary, args, err, out)
	}
	return string(out)
}

func (i installation) serve() *process {
	i.t.Helper()
	p := serveCommand(i.t, i.command())
	p.do("GET", "/readyz", "", nil).is(http.StatusOK)
	return p
}
