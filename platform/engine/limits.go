package engine

// Where the limits are written. All was read in November 2026; nothing was run.
const (
	crdb = "CockroachDB v26.3 docs, "
	yb   = "YugabyteDB stable docs, "
	cts  = "Citus docs (April 2025), "

	crdbUnsupported = crdb + "PostgreSQL Compatibility: Unsupported features"
	ybUnsupported   = yb + "develop/postgresql-compatibility: Unsupported PostgreSQL features"
	ctsLimits       = cts + "develop/reference_workarounds: Limitations"
)

// What several engines lack, and no statement of ours may use.
const (
	events    = `^(listen|notify|unlisten)\b|\bpg_notify\(`
	advisory  = `\bpg_(try_)?advisory_`
	tableLock = `^lock\b`
	otherKind = `\busing (gist|spgist|gin|brin|hash)\b`
)

var limits = []Limit{
	// CockroachDB
	{
		Engine: CockroachDB, What: "no deferrable constraints", Omit: true,
		Source:  "cockroachdb/cockroach issues 31632 and 158886, open; " + crdb + "Foreign Key Constraint: RESTRICT and NO ACTION are equivalent until checks can be deferred",
		Instead: "organizations_has_owner is left out. One transaction makes an organization, its first member and its owner; no statement deletes an owner; the integrity check (I1) finds what breaks it",
		Example: "ALTER TABLE a ADD CONSTRAINT organizations_has_owner FOREIGN KEY (id) REFERENCES b (a) DEFERRABLE INITIALLY DEFERRED",
		meets:   matches(`\bdeferrable\b|\binitially deferred\b|\bdrop constraint organizations_has_owner\b`),
	},
	{Engine: CockroachDB, What: "advisory locks are accepted and lock nothing", Source: crdbUnsupported, Example: "SELECT pg_advisory_xact_lock(1)", meets: matches(advisory)},
	{Engine: CockroachDB, What: "no LISTEN and NOTIFY", Source: crdbUnsupported + " (events)", Example: "NOTIFY changed", meets: matches(events)},
	{Engine: CockroachDB, What: "no domains and range types", Source: crdbUnsupported, Example: "CREATE DOMAIN email AS text", meets: matches(`^create domain\b|\b(ts|tstz|int4|int8|num|date)(multi)?range\b`)},
	{Engine: CockroachDB, What: "a primary key is dropped and added in one statement", Source: crdb + "ALTER TABLE: Drop and add a primary key constraint", Example: "ALTER TABLE a DROP CONSTRAINT a_pkey", meets: matchesBut(`\bdrop constraint \w+_pkey\b`, `\badd constraint \w+ primary key\b`)},
	{Engine: CockroachDB, What: "no statement triggers, UPDATE OF, INSTEAD OF, REFERENCING, constraint triggers", Source: crdb + "Triggers: Known limitations (126362, 126363, 135655, 135656)", Example: "CREATE TRIGGER t AFTER UPDATE OF name ON a FOR EACH ROW EXECUTE FUNCTION f()", meets: matches(`^create constraint trigger\b|^create trigger .*\b(for each statement|update of|instead of|referencing)\b`)},
	{
		Engine: CockroachDB, What: "row triggers since v24.3", Source: crdb + "CREATE TRIGGER; not in the docs of v24.2",
		Instead: "v25.2 or newer is asked for", Example: "CREATE TRIGGER t BEFORE DELETE ON a FOR EACH ROW EXECUTE FUNCTION f()", meets: matches(`^create trigger\b`),
	},
	{
		Engine: CockroachDB, What: "row-level security since v25.2; some UPDATEs are wrongly filtered by policies for SELECT", Source: crdb + "CREATE POLICY; Known limitations 145894, 35370",
		Instead: "v25.2 or newer is asked for; DATABASE_ROW_SECURITY stays off, and policies have no effect", Example: "CREATE POLICY p ON a USING (true)", meets: matches(`^create policy\b`),
	},
	{Engine: CockroachDB, What: "PL/pgSQL without PERFORM, EXECUTE, FOREACH, FOUND, %TYPE, ASSERT", Source: crdb + "PL/pgSQL: Known limitations (105246, 117744, 122306, 114676)", Example: "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$", meets: matches(`^create (or replace )?function\b.*(\b(perform|execute|foreach|found|assert|get diagnostics)\b|%(row)?type)`)},
	{
		Engine: CockroachDB, What: "FOR NO KEY UPDATE is FOR UPDATE, and its locks are best effort at SERIALIZABLE", Source: crdb + "SELECT FOR UPDATE: Locking strengths; Known limitations",
		Instead: "what the lock puts in order is checked again by SERIALIZABLE at the commit, and InTx runs the whole transaction again", Example: "SELECT id FROM a WHERE id = $1 FOR NO KEY UPDATE", meets: matches(`\bfor (no key )?update\b`),
	},
	{Engine: CockroachDB, What: "one statement does not change a table twice", Source: crdb + "Known limitations: subquery mutations (70731)", Example: "WITH x AS (DELETE FROM a RETURNING id) INSERT INTO a SELECT id FROM x", meets: matches(`^with\b.*\bas (materialized |not materialized )?\( ?(insert|update|delete)\b`)},
	{Engine: CockroachDB, What: "no expressions as targets of ON CONFLICT", Source: "CockroachDB v23.2 docs, Known limitations", Example: "INSERT INTO a VALUES (1) ON CONFLICT (lower(email)) DO NOTHING", meets: matches(`\bon conflict \([^)]*\(`)},
	{Engine: CockroachDB, What: "the division of integers gives decimals", Source: crdb + "PostgreSQL Compatibility: Integer division", Example: "SELECT n / 2 FROM a", meets: matches(`[\w)] ?/ ?[\w($]`)},
	{Engine: CockroachDB, What: "SET is not undone by ROLLBACK", Source: crdb + "SET: Known limitations (69396)", Example: "SET search_path = x", meets: matchesBut(`^(set|reset)\b`, `^set local\b`)},
	{Engine: CockroachDB, What: "no added column with a sequence or an identity", Source: crdb + "ALTER TABLE: Known limitations (42508)", Example: "ALTER TABLE a ADD COLUMN n bigserial", meets: matches(`\b(small|big)?serial\b|\bas identity\b|\bnextval\(`)},
	{
		Engine: CockroachDB, What: "ascending keys make one range hot", Source: crdb + "Understand Hotspots",
		Instead: "ids are UUIDv7: see the operator's guide", Example: "CREATE TABLE a (id uuid NOT NULL PRIMARY KEY)", meets: matches(`^create table\b.*\bid uuid not null primary key\b`),
	},

	// YugabyteDB
	{Engine: YugabyteDB, What: "no deferrable constraints but foreign keys", Source: yb + "ALTER TABLE: Deferrable constraints; yugabyte-db issue 4700", Example: "ALTER TABLE a ADD CONSTRAINT u UNIQUE (b) DEFERRABLE", meets: matches(`\b(unique|primary key)( \([^)]*\))? deferrable\b`)},
	{
		Engine: YugabyteDB, What: "deferred foreign keys fail where a row is put in and taken out in one transaction", Source: "yugabyte-db issue 17657, open",
		Instead: "no transaction of ours deletes an organization or an owner", Example: "ALTER TABLE a ADD FOREIGN KEY (id) REFERENCES b (a) DEFERRABLE INITIALLY DEFERRED", meets: matches(`\bforeign key\b.*\bdeferrable\b`),
	},
	{Engine: YugabyteDB, What: "advisory locks only where a flag is set", Source: yb + "explore/transactions/explicit-locking: Advisory locks", Example: "SELECT pg_try_advisory_lock(1)", meets: matches(advisory)},
	{Engine: YugabyteDB, What: "no LISTEN and NOTIFY", Source: ybUnsupported, Example: "LISTEN changed", meets: matches(events)},
	{Engine: YugabyteDB, What: "no LOCK TABLE", Source: ybUnsupported, Example: "LOCK TABLE a IN EXCLUSIVE MODE", meets: matches(tableLock)},
	{Engine: YugabyteDB, What: "no exclusion constraints", Source: ybUnsupported, Example: "CREATE TABLE a (n bigint, EXCLUDE USING btree (n WITH =))", meets: matches(`\bexclude (using \w+ )?\(`)},
	{Engine: YugabyteDB, What: "no GiST and few other kinds of index", Source: ybUnsupported, Example: "CREATE INDEX i ON a USING gist (n)", meets: matches(otherKind)},
	{Engine: YugabyteDB, What: "no constraint triggers, no REFERENCING", Source: ybUnsupported, Example: "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()", meets: matches(`^create constraint trigger\b|^create trigger .*\breferencing\b`)},
	{Engine: YugabyteDB, What: "no unlogged tables, no inheritance", Source: ybUnsupported, Example: "CREATE UNLOGGED TABLE a (id uuid)", meets: matches(`^create unlogged\b|\binherits \(`)},
	{Engine: YugabyteDB, What: "no stored generated columns", Source: ybUnsupported, Example: "CREATE TABLE a (n bigint, m bigint GENERATED ALWAYS AS (n + 1) STORED)", meets: matches(`\bgenerated always as \(`)},
	{Engine: YugabyteDB, What: "no transaction ids", Source: ybUnsupported, Example: "SELECT xmin FROM a", meets: matches(`\b(xmin|xmax|cmin|cmax|txid_current|pg_current_xact_id)\b`)},
	{Engine: YugabyteDB, What: "a changed type rewrites the table and loses what is written meanwhile", Source: yb + "ALTER TABLE: Alter type with table rewrite", Example: "ALTER TABLE a ALTER COLUMN n TYPE text", meets: matches(`^alter table\b.*\balter (column )?\w+ (set data )?type\b`)},
	{
		Engine: YugabyteDB, What: "a changed primary key rewrites the table and loses what is written meanwhile", Source: "yugabyte-db release tag 2.25.1.0-b54 (table rewrite); " + yb + "technical advisory TA-24007",
		Instead: "the tables are empty on a new database; on one with data the service is stopped while it migrates", Example: "ALTER TABLE a DROP CONSTRAINT a_pkey, ADD CONSTRAINT a_pkey PRIMARY KEY (b, id)", meets: matches(`\badd constraint \w+ primary key\b`),
	},
	{
		Engine: YugabyteDB, What: "the first column of a key is hashed: no order, no ranges", Source: yb + "develop/postgresql-compatibility: Default ascending indexing",
		Instead: "migrate with yb_use_hash_splitting_by_default=off in DATABASE_URL", Example: "CREATE INDEX i ON a (at)", meets: matches(`^create (unique )?index\b|\bprimary key\b`),
	},

	// Citus
	{
		Engine: Citus, What: "no triggers on distributed and reference tables", Source: "citusdata/citus pull requests 3858 and 5705; " + cts + "extra/triggers",
		Instead: "configs/citus.sql drops it from audit_events. REVOKE UPDATE, DELETE refuses what it refused; the chain of hashes shows the rest", Example: "CREATE TRIGGER t BEFORE DELETE ON a FOR EACH ROW EXECUTE FUNCTION f()", meets: matches(`^create (constraint )?trigger\b`),
	},
	{
		Engine: Citus, What: "settings of a session reach no worker but by SET LOCAL and citus.propagate_set_commands", Source: cts + "develop/api_guc: citus.propagate_set_commands",
		Instead: "DATABASE_ROW_SECURITY stays off, and policies have no effect; on, they would show no row", Example: "CREATE POLICY p ON a USING (true)", meets: matches(`^create policy\b`),
	},
	{
		Engine: Citus, What: "ADD CONSTRAINT stands alone in its statement on a distributed table", Source: "citusdata/citus, message \"cannot execute ADD CONSTRAINT command with other subcommands\"",
		Instead: "migrations run before configs/citus.sql distributes the tables", Example: "ALTER TABLE a DROP CONSTRAINT a_pkey, ADD CONSTRAINT a_pkey PRIMARY KEY (b, id)", meets: matches(`^alter table\b.*, add constraint\b|^alter table\b.*\badd constraint\b.*, (add|drop|alter)\b`),
	},
	{Engine: Citus, What: "no rules", Source: ctsLimits, Example: "CREATE RULE r AS ON DELETE TO a DO INSTEAD NOTHING", meets: matches(`^create (or replace )?rule\b`)},
	{Engine: Citus, What: "no subqueries within INSERT", Source: ctsLimits, Example: "INSERT INTO a (n) VALUES ((SELECT 1))", meets: matches(`^insert into\b.*\bvalues\b.*\( ?select\b`)},
	{Engine: Citus, What: "no volatile functions in UPDATE", Source: ctsLimits, Example: "UPDATE a SET n = random()", meets: matches(`^update\b.*\b(random|gen_random_uuid|clock_timestamp|nextval|timeofday)\(`)},
	{Engine: Citus, What: "recursive CTEs, grouping sets and TABLESAMPLE on one shard only", Source: ctsLimits, Example: "WITH RECURSIVE c AS (SELECT 1) SELECT * FROM c", meets: matches(`\bwith recursive\b|\bgrouping sets\b|\b(cube|rollup) ?\(|\btablesample\b`)},
	{Engine: Citus, What: "MERGE has no reference table as its target", Source: ctsLimits, Example: "MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", meets: matches(`^merge\b`)},
}
