package engine_test

import (
	"strings"
	"testing"

	"guildhall/platform/engine"
)

func TestEnginesByTheirVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]engine.Engine{
		"PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc":              engine.PostgreSQL,
		"CockroachDB CCL v25.4.1 (x86_64-pc-linux-gnu, built 2025/11/24 18:42:18, go1.25.3)":             engine.CockroachDB,
		"PostgreSQL 15.12-YB-2025.2.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17, 64-bit": engine.YugabyteDB,
	} {
		if got := engine.Detect(version, false); got != want {
			t.Errorf("%s: %s", version, got)
		}
	}
	if got := engine.Detect("PostgreSQL 17.2 on x86_64", true); got != engine.Citus {
		t.Errorf("with the extension: %s", got)
	}
}

func TestCockroachDBOmitsDeferrableConstraints(t *testing.T) {
	t.Parallel()
	deferred := "alter table a add foreign key (b) references c (b)\n\tDEFERRABLE"
	if !engine.CockroachDB.Omits(deferred) || engine.CockroachDB.Omits("CREATE TABLE a (id uuid NOT NULL PRIMARY KEY)") {
		t.Error("CockroachDB omits deferrable constraints and nothing else")
	}
	for _, e := range []engine.Engine{engine.PostgreSQL, engine.YugabyteDB, engine.Citus, ""} {
		if e.Omits(deferred) {
			t.Errorf("%q omits it as well", e)
		}
	}
}

func TestEnginesThatMigrateInSteps(t *testing.T) {
	t.Parallel()
	var steps []string
	for _, e := range append(engine.Distributed(), engine.PostgreSQL, "") {
		if e.MigratesInSteps() {
			steps = append(steps, string(e))
		}
	}
	if got := strings.Join(steps, " "); got != "CockroachDB YugabyteDB" {
		t.Error(got)
	}
}

func TestWhichVersionsAreSupported(t *testing.T) {
	t.Parallel()
	for number, want := range map[int]string{
		0: "", 90624: "too old", 130023: "too old", 139999: "too old", 140000: "", 150018: "", 180004: "", 189999: "", 190000: "too new", 200001: "too new",
	} {
		for _, e := range []engine.Engine{engine.PostgreSQL, engine.Citus, engine.CockroachDB, engine.YugabyteDB} {
			got := ""
			if e.TooOld(number) {
				got += "too old"
			}
			if e.TooNew(number) {
				got += "too new"
			}
			// These two report a version of PostgreSQL that they resemble, such as 11.2
			// or 13.
			if distributed := e == engine.CockroachDB || e == engine.YugabyteDB; distributed && got != "" || !distributed && got != want {
				t.Errorf("%s with %d: %q", e, number, got)
			}
		}
	}
}
