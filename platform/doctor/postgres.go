package doctor

import (
	"context"
	"fmt"
	"strconv"

	"guildhall/platform/database"
)

// setting is a setting of PostgreSQL that matters here.
type setting struct {
	name   string
	bad    func(value string) bool
	level  Level
	why    string
	remedy string
}

func is(bad string) func(string) bool { return func(value string) bool { return value == bad } }

func below(least int) func(string) bool {
	return func(value string) bool {
		n, err := strconv.Atoi(value)
		return err == nil && n < least
	}
}

func settings() []setting {
	set := func(name, value string) string {
		return "ALTER SYSTEM SET " + name + " = " + value + "; SELECT pg_reload_conf();"
	}
	return []setting{
		{"fsync", is("off"), Fail, "a power cut destroys the database", set("fsync", "on")},
		{"full_page_writes", is("off"), Fail, "a power cut can tear pages", set("full_page_writes", "on")},
		{"synchronous_commit", is("off"), Fail, "a crash loses what was acknowledged", set("synchronous_commit", "on")},
		{"server_version_num", below(150000), Warn, "PostgreSQL 14 has had no fixes since November 2026", "upgrade PostgreSQL"},
		{"autovacuum", is("off"), Warn, "tables grow without end", set("autovacuum", "on")},
		{"data_checksums", is("off"), Note, "a disk that returns other bytes is not noticed", "stop the server, then pg_checksums --enable"},
		{"idle_in_transaction_session_timeout", is("0"), Note, "a client that hangs in a transaction holds its locks for ever", set("idle_in_transaction_session_timeout", "'60s'")},
	}
}

// server checks a PostgreSQL server through the service's own connection, so it sees
// the settings for this role and database.
func (o Options) server(ctx context.Context) []Finding {
	const name = "PostgreSQL"
	rows, err := o.DB.Conn(ctx).Raw("SELECT name, setting FROM pg_settings").Rows()
	if err != nil {
		return []Finding{unknown(name, err)}
	}
	values := map[string]string{}
	_, err = database.Collect(rows, func(scan func(...any) error) (none struct{}, err error) {
		var name, value string
		err = scan(&name, &value)
		values[name] = value
		return none, err
	})
	if err != nil {
		return []Finding{unknown(name, err)}
	}
	findings := []Finding{{OK, name, "version " + values["server_version"] + " answers", ""}}
	if err := o.DB.Writable(ctx); err != nil {
		findings = append(findings, Finding{Fail, name, err.Error(), ""})
	}
	if err := o.DB.TryWriting(ctx); err != nil {
		findings = append(findings, Finding{Fail, "disk", "PostgreSQL can't write to its disk: " + err.Error(), "free space there at once: writes are refused when it is full"})
	}
	if err := o.DB.CheckTimeout(ctx); err != nil {
		findings = append(findings, Finding{Warn, name, err.Error(), ""})
	}
	for _, s := range settings() {
		if value, there := values[s.name]; there && s.bad(value) {
			findings = append(findings, Finding{s.level, name, fmt.Sprintf("%s is %s: %s", s.name, value, s.why), s.remedy})
		}
	}
	return append(append(findings, o.connections(values)...), o.housekeeping(ctx)...)
}

func (o Options) connections(values map[string]string) []Finding {
	most, _ := strconv.Atoi(values["max_connections"])
	reserved, _ := strconv.Atoi(values["superuser_reserved_connections"])
	if pool := o.Config.DatabaseMaxConnections; most > 0 && pool*5 > (most-reserved)*4 {
		return []Finding{{Warn, "connections", fmt.Sprintf("DATABASE_MAX_CONNECTIONS is %d of the server's %d, for each process", pool, most-reserved),
			"lower it, raise max_connections, or put PgBouncer in between"}}
	}
	return nil
}

// housekeeping is what PostgreSQL should have done by itself, as queries for failures.
var housekeeping = []struct{ name, query, remedy string }{
	{"vacuum", `SELECT 'the database''s transaction ids are ' || age(datfrozenxid) || ' old: at 2 billion it stops' FROM pg_database
		WHERE datname = current_database() AND age(datfrozenxid) > 1000000000`, "VACUUM FREEZE, and find out what blocks autovacuum"},
	{"vacuum", `SELECT relname || ' has ' || n_dead_tup || ' dead rows beside ' || n_live_tup || ' living' FROM pg_stat_user_tables
		WHERE schemaname = current_schema() AND n_dead_tup > 100000 AND n_dead_tup > n_live_tup`, "VACUUM ANALYZE, and check autovacuum's settings for that table"},
	{"transactions", `SELECT 'somebody has been idle in a transaction since ' || xact_start FROM pg_stat_activity
		WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND xact_start < now() - interval '10 minutes'`, "end it: SELECT pg_terminate_backend(pid) FROM pg_stat_activity …"},
	{"indexes", `SELECT indexrelid::regclass || ' is not valid' FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace`, "REINDEX INDEX CONCURRENTLY, or drop it"},
}

func (o Options) housekeeping(ctx context.Context) (findings []Finding) {
	for _, h := range housekeeping {
		rows, err := o.DB.Conn(ctx).Raw(h.query).Rows()
		if err != nil {
			return append(findings, unknown(h.name, err))
		}
		found, err := database.Collect(rows, func(scan func(...any) error) (s string, err error) { return s, scan(&s) })
		if err != nil {
			return append(findings, unknown(h.name, err))
		}
		for _, message := range found {
			findings = append(findings, Finding{Warn, h.name, message, h.remedy})
		}
	}
	return findings
}
