package main

import (
	"database/sql/driver"
	"fmt"
	"reflect"
	"testing"

	"github.com/mattn/go-sqlite3"

	"guildhall/platform/platformtest"
)

// TestSQLitePreparesNoStatementAgain runs every statement of the endpoints with several
// sets of values. If the planner depends on a value, SQLite prepares the statement again
// for each value, which takes longer than running it. The fix is to put the parameters
// into a one-row table that the rest joins.
func TestSQLitePreparesNoStatementAgain(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.SQLiteURL(t))
	ada, grace := s.person("Ada"), s.person("Grace")
	s.addCrowd(ada, 5, 5)
	s.texts.Clear()
	s.measure(ada, grace)
	conn, err := (&sqlite3.SQLiteDriver{}).Open("file:" + s.kernel.DB.Path() + "?_query_only=1")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.eachText(func(text string) {
		if n := repreparations(t, conn, text); n > 1 {
			t.Errorf("prepared %d times: %s", n, text)
		}
	})
}

const values = 5

// repreparations returns SQLITE_STMTSTATUS_REPREPARE after a few runs. Writes are
// refused. The driver does not expose the counter.
func repreparations(t *testing.T, conn driver.Conn, text string) int64 {
	t.Helper()
	stmt, err := conn.Prepare(text)
	if err != nil {
		t.Errorf("%v: %s", err, text)
		return 0
	}
	defer stmt.Close()
	for i := range values {
		args := make([]driver.Value, stmt.NumInput())
		for j := range args {
			args[j] = fmt.Sprintf("%08d-0000-7000-8000-%012d", i*len(args)+j, i)
		}
		if rows, err := stmt.Query(args); err == nil { //nolint:staticcheck // the driver's own
			_ = rows.Close()
		}
	}
	return reflect.ValueOf(stmt).Elem().FieldByName("repreps").Int()
}
