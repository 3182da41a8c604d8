package engine

// Versions of PostgreSQL that are supported, all of which the tests pass on.
const (
	OldestPostgreSQL = 14
	NewestPostgreSQL = 18
)

// TooOld says that a server, by its server_version_num, is older than what is
// supported. 0 is a server that reports none.
func (e Engine) TooOld(number int) bool {
	return e.isPostgreSQL() && 0 < number && number < OldestPostgreSQL*10000 // mutant: oldest-postgresql
}

// TooNew says that a server is newer than what was tried. It is not refused:
// PostgreSQL rarely takes away what its users rely on.
func (e Engine) TooNew(number int) bool {
	return e.isPostgreSQL() && number >= (NewestPostgreSQL+1)*10000
}

// isPostgreSQL says that the version a server reports is its own: Citus runs within
// PostgreSQL, CockroachDB and YugabyteDB report the one that they resemble.
func (e Engine) isPostgreSQL() bool { return e == PostgreSQL || e == Citus }
