package engine

// Versions of PostgreSQL that are supported, all of which the tests pass on.
const (
	OldestPostgreSQL = 14
	NewestPostgreSQL = 18
)

// TooOld says that a server, by its server_version_num, is older than what is
// supported. CockroachDB and YugabyteDB report the version of PostgreSQL that they
// resemble, which says nothing about them; Citus runs within the real one. 0 is a
// server that reports none.
func (e Engine) TooOld(number int) bool {
	return !e.MigratesInSteps() && 0 < number && number < OldestPostgreSQL*10000
}

// TooNew says that a server is newer than what was tried. It is not refused:
// PostgreSQL rarely takes away what its users rely on.
func (e Engine) TooNew(number int) bool {
	return !e.MigratesInSteps() && number >= (NewestPostgreSQL+1)*10000
}
