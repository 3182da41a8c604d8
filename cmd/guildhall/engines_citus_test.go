package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guildhall/platform/database"
	"guildhall/platform/engine"
	"guildhall/platform/platformtest"
)

// placement is where Citus keeps a table: a copy everywhere, or by a column,
// together with those of the same group.
type placement struct{ column, group string }

func (p placement) everywhere() bool { return p.column == "" }

var (
	createReference   = regexp.MustCompile(`^select create_reference_table\('(\w+)'\)$`)
	createDistributed = regexp.MustCompile(`^select create_distributed_table\('(\w+)', '(\w+)', colocate_with => '(\w+)'\)$|^select create_distributed_table\('(\w+)', '(\w+)'\)$`)
	remark            = regexp.MustCompile(`--[^\n]*`)
)

// distribute does what configs/citus.sql does to a database, as far as one
// PostgreSQL can, and says what Citus would refuse of it.
func distribute(t testing.TB, db *database.DB, script string) (placed map[string]placement, refused []string) {
	t.Helper()
	placed = map[string]placement{}
	for statement := range strings.SplitSeq(remark.ReplaceAllString(script, ""), ";") {
		statement = strings.Join(strings.Fields(statement), " ")
		table, p := "", placement{}
		if m := createReference.FindStringSubmatch(strings.ToLower(statement)); m != nil {
			table = m[1]
		} else if m := createDistributed.FindStringSubmatch(strings.ToLower(statement)); m != nil {
			table, p = m[1]+m[4], placement{column: m[2] + m[5], group: m[3]}
			if p.group == "" || p.group == "none" {
				p.group = table
			}
		}
		if table == "" {
			if statement == "" {
				continue
			}
			if err := db.Conn(context.Background()).Exec(statement).Error; err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
			refused = append(refused, refusedKeys(t, db, placed)...)
			continue
		}
		if _, twice := placed[table]; twice {
			refused = append(refused, table+" is placed twice")
		}
		placed[table] = p
		refused = append(refused, refusedKeys(t, db, placed)...)
	}
	for _, k := range uniqueKeys(t, db) {
		if _, ok := placed[k.table]; !ok && k.table != "schema_migrations" {
			refused = append(refused, k.table+" is placed nowhere")
		}
	}
	return placed, refused
}

// refusedKeys are the unique and foreign keys, the columns and the triggers of
// placed tables that Citus can't keep (develop/reference_ddl, Adding and removing
// constraints).
func refusedKeys(t testing.TB, db *database.DB, placed map[string]placement) (refused []string) {
	t.Helper()
	for _, k := range uniqueKeys(t, db) {
		if p, ok := placed[k.table]; ok && !p.everywhere() && !slices.Contains(k.columns, p.column) {
			refused = append(refused, fmt.Sprintf("the key %s of %s lacks %s", k.name, k.table, p.column))
		}
	}
	for _, f := range catalog(t, db, `SELECT o.conrelid::regclass || ' ' || o.confrelid::regclass || ' ' || o.conname || ' '
		|| (SELECT string_agg(a.attname || '=' || b.attname, ',') FROM unnest(o.conkey, o.confkey) k (x, y)
			JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.x JOIN pg_attribute b ON b.attrelid = o.confrelid AND b.attnum = k.y)
		FROM pg_constraint o WHERE o.contype = 'f' AND o.connamespace = 'public'::regnamespace`) {
		from, isPlaced := placed[f[0]]
		to, isThere := placed[f[1]]
		switch {
		case !isPlaced || isThere && to.everywhere():
		case !isThere:
			refused = append(refused, fmt.Sprintf("%s refers to %s, which is not placed yet (%s)", f[0], f[1], f[2]))
		case from.everywhere():
			refused = append(refused, fmt.Sprintf("%s is everywhere and refers to %s, which is not (%s)", f[0], f[1], f[2]))
		case from.group != to.group || !slices.Contains(strings.Split(f[3], ","), from.column+"="+to.column):
			refused = append(refused, fmt.Sprintf("%s refers to %s elsewhere (%s)", f[0], f[1], f[2]))
		}
	}
	types := map[string]string{}
	for _, c := range catalog(t, db, `SELECT c.relname || ' ' || a.attname || ' ' || a.atttypid::regtype || ' ' || a.attnotnull FROM pg_attribute a
		JOIN pg_class c ON c.oid = a.attrelid WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.oid, a.attnum`) {
		p, ok := placed[c[0]]
		if !ok || p.column != c[1] {
			continue
		}
		if before := types[p.group]; before != "" && before != c[2] || c[3] != "true" {
			refused = append(refused, fmt.Sprintf("%s.%s can't distribute: %s, not null %s", c[0], c[1], c[2], c[3]))
		}
		types[p.group] = c[2]
	}
	for _, g := range catalog(t, db, `SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal`) {
		if _, ok := placed[g[0]]; ok {
			refused = append(refused, fmt.Sprintf("%s has the trigger %s", g[0], g[1]))
		}
	}
	return refused
}

func catalog(t testing.TB, db *database.DB, query string) [][]string {
	t.Helper()
	rows, err := db.Conn(context.Background()).Raw(query).Rows()
	if err != nil {
		t.Fatal(err)
	}
	all, err := database.Collect(rows, func(scan func(...any) error) (fields []string, err error) {
		var line string
		err = scan(&line)
		return strings.Fields(line), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var tableInStatement = regexp.MustCompile(`\b(from|join|update|into) (\w+)(?: (?:as )?(\w+))?`)

// refusedStatement says what Citus refuses of a statement by where its tables
// are (develop/reference_workarounds, Cross-node SQL queries): joins elsewhere than
// on the distribution column, locks on several shards, changes of that column.
func refusedStatement(placed map[string]placement, statement string) (refused []string) {
	text := engine.Normal(statement)
	groups := map[string]bool{}
	names, loose := 0, 0
	for _, m := range tableInStatement.FindAllStringSubmatch(text, -1) {
		p, ok := placed[m[2]]
		if !ok || p.everywhere() {
			continue
		}
		names++
		groups[p.group] = true
		if m[1] == "into" {
			if columns, _, _ := strings.Cut(text, ")"); !regexp.MustCompile(`\b` + p.column + `\b`).MatchString(columns) {
				refused = append(refused, "inserts into "+m[2]+" without "+p.column)
			}
			continue
		}
		set, _, _ := strings.Cut(text, " where ")
		if m[1] == "update" && strings.Contains(set, " set ") && regexp.MustCompile(`\b`+p.column+` ?= ?`).MatchString(set) {
			refused = append(refused, "changes "+p.column+" of "+m[2])
		}
		column := `(?:\b` + m[3] + `\.|\b` + m[2] + `\.|[ (])` + p.column
		compared := regexp.MustCompile(column + `\)? ?(=|in \()|= ?` + strings.TrimPrefix(column, " "))
		if !compared.MatchString(text) {
			loose++
		}
		if strings.Contains(text, " for no key update") && !regexp.MustCompile(column+` = \$\d`).MatchString(text) {
			refused = append(refused, "locks rows of "+m[2]+" on several shards")
		}
	}
	if len(groups) > 1 {
		refused = append(refused, "joins tables that are kept apart")
	}
	if loose > 0 && names > 1 {
		refused = append(refused, "joins elsewhere than on what distributes")
	}
	return refused
}

func TestCitusTakesTheTablesAndStatements(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.PostgresURL(t))
	s.asOwner()
	s.texts.Clear()
	s.everyRequest()
	script, err := os.ReadFile(filepath.Join("..", "..", "configs", "citus.sql"))
	if err != nil {
		t.Fatal(err)
	}
	placed, refused := distribute(t, s.kernel.DB, string(script))
	for _, r := range refused {
		t.Error(r)
	}
	looked := 0
	s.texts.Range(func(text, _ any) bool {
		looked++
		for _, r := range refusedStatement(placed, text.(string)) {
			t.Errorf("%s: %s", r, text)
		}
		return true
	})
	tableLine("| Citus | unique and foreign keys hold the column that distributes; none leads from a copy to a part | 0 of %d keys | configs/citus.sql drops three foreign keys to organizations, none of which is ever deleted | Citus docs (April 2025), develop/reference_ddl: Adding/Removing Constraints |\n", len(uniqueKeys(t, s.kernel.DB)))
	tableLine("| Citus | joins, subqueries and locks go by the column that distributes, which does not change | 0 of %d | not met | Citus docs (April 2025), develop/reference_workarounds: Cross-node SQL queries |\n", looked)
	s.everyRequest() // without the constraints that were dropped
	if broken := invariants(t, s.kernel.DB); len(broken) > 0 {
		t.Error(broken)
	}
}

// TestWhatCitusRefusesIsSeen breaks each rule once.
func TestWhatCitusRefusesIsSeen(t *testing.T) {
	t.Parallel()
	s := start(t, platformtest.PostgresURL(t))
	s.asOwner()
	db := s.kernel.DB
	err := db.Conn(everything).Exec("CREATE TABLE apart (id uuid PRIMARY KEY, organization_id uuid, n bigint UNIQUE, m text NOT NULL)").Error
	if err != nil {
		t.Fatal(err)
	}
	for script, want := range map[string]string{
		"SELECT create_distributed_table('apart', 'organization_id')":                                                                                                  "the key apart_pkey of apart lacks organization_id",
		"SELECT create_distributed_table('apart', 'm')":                                                                                                                "the key apart_n_key of apart lacks m",
		"SELECT create_distributed_table('apart', 'n')":                                                                                                                "apart.n can't distribute: bigint, not null false",
		"SELECT create_reference_table('sessions')":                                                                                                                    "sessions refers to users, which is not placed yet (sessions_user_id_fkey)",
		"SELECT create_reference_table('users'); SELECT create_reference_table('users')":                                                                               "users is placed twice",
		"SELECT create_distributed_table('organizations', 'id'); SELECT create_reference_table('sessions')":                                                            "sessions is everywhere and refers to organizations, which is not (sessions_organization_id_fkey)",
		"SELECT create_distributed_table('organizations', 'id'); SELECT create_distributed_table('organization_members', 'organization_id')":                           "organization_members refers to organizations elsewhere (organization_members_organization_id_fkey)",
		"SELECT create_distributed_table('organizations', 'id'); SELECT create_distributed_table('organization_members', 'user_id', colocate_with => 'organizations')": "organization_members refers to organizations elsewhere (organization_members_organization_id_fkey)",
		"SELECT create_distributed_table('audit_chains', 'hash'); SELECT create_distributed_table('audit_events', 'chain_id', colocate_with => 'audit_chains')":        "audit_events.chain_id can't distribute: uuid, not null true",
		"SELECT create_distributed_table('audit_events', 'chain_id')":                                                                                                  "audit_events has the trigger audit_events_append_only",
		"SELECT 1": "users is placed nowhere",
	} {
		if _, refused := distribute(t, db, script); !slices.Contains(refused, want) {
			t.Errorf("%s: %v, want %q", script, refused, want)
		}
	}
	placed := map[string]placement{
		"users": {}, "organizations": {"id", "organizations"}, "organization_members": {"organization_id", "organizations"}, "rate_limits": {"key", "rate_limits"},
	}
	for statement, want := range map[string]string{
		"SELECT 1 FROM organization_members m JOIN organizations o ON o.name = m.name":                                "joins elsewhere than on what distributes",
		"SELECT 1 FROM organization_members m JOIN rate_limits r ON r.key = m.organization_id":                        "joins tables that are kept apart",
		"SELECT id FROM organizations WHERE name = $1$ FOR NO KEY UPDATE":                                             "locks rows of organizations on several shards",
		"SELECT o.id FROM organizations o WHERE o.id IN ($1$, $2$) FOR NO KEY UPDATE":                                 "locks rows of organizations on several shards",
		`UPDATE "organization_members" SET "organization_id"=$1$ WHERE user_id = $2$`:                                 "changes organization_id of organization_members",
		`INSERT INTO "organization_members" ("user_id") VALUES ($1$)`:                                                 "inserts into organization_members without organization_id",
		"SELECT 1 FROM organization_members m JOIN organizations o ON o.id = m.organization_id WHERE m.user_id = $1$": "",
		"SELECT COUNT(*) FROM organization_members":                                                                   "",
		"SELECT id FROM organizations WHERE id = $1$ FOR NO KEY UPDATE":                                               "",
		"SELECT id FROM users WHERE id = $1$ FOR NO KEY UPDATE":                                                       "",
	} {
		if got := strings.Join(refusedStatement(placed, statement), "; "); got != want {
			t.Errorf("%s: %q, want %q", statement, got, want)
		}
	}
}
