package engine

// These are the supported versions of PostgreSQL. The tests pass on all of them.
const (
	OldestPostgreSQL = 14
	NewestPostgreSQL = 18
)

// TooOld reports whether a server, by its server_version_num, is older than the oldest
// supported version. A number of 0 means that the server reports none.
func (e Engine) TooOld(number int) bool {
	return e.isPostgreSQL() && 0 < number && number < OldestPostgreSQL*10000 // mutant: oldest-postgresql
}

// TooNew reports whether a server is newer than the tested versions. It is not refused:
// PostgreSQL rarely removes what its users rely on.
func (e Engine) TooNew(number int) bool {
	return e.isPostgreSQL() && number >= (NewestPostgreSQL+1)*10000
}

// isPostgreSQL reports whether the version that a server reports is its own: Citus runs
// within PostgreSQL; CockroachDB and YugabyteDB report the version that they resemble.
func (e Engine) isPostgreSQL() bool { return e == PostgreSQL || e == Citus }
