// Package moving imports people and organizations from other systems, and exports them.
//
// A file has a line for each person and each organization: format.go has the members. An
// import reads it several times: to check it and to learn which organizations it has; to
// make the accounts of their owners; to make the organizations; and to make everybody
// else and the memberships. Each batch is a transaction, so an import that was interrupted
// continues when it is run again: it finds what it has made.
package moving

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/audit"
	"guildhall/platform/clone"
	"guildhall/platform/database"
	"guildhall/platform/field"
)

// Dependencies of an import. All are required, except for Invite.
type Dependencies struct {
	DB    *database.DB
	Trail *audit.Trail
	Now   func() time.Time
	// Stored returns what to store for a password hash of another system, and the salt that
	// its file has beside it. It refuses one that log-ins could not check.
	Stored func(given, salt string) (string, error)
	// Unchanged reports whether Stored would return what is stored, but for random bytes.
	Unchanged func(given, salt, stored string) bool
	// Matches reports whether a password is the one of a stored hash.
	Matches func(ctx context.Context, stored, password string) (bool, error)
	// Unusable returns a hash that no password matches.
	Unusable func() string
	// Invite sends a link to set a password, within the transaction of the context. It is
	// nil if there is no mail.
	Invite func(ctx context.Context, p Invited) error
}

// Invited is a person who gets a link to set a password.
type Invited struct {
	ID          uuid.UUID
	Email, Name string
	Locale      field.Locale
}

// Options of an import.
type Options struct {
	// Name is that of the other system. A later import of the same name may change what an
	// earlier one has made. It is empty, or in the form of Name.
	Name   string
	DryRun bool // everything except for writing
	Strict bool // nothing is imported if anything is refused
	// TrustVerified believes the file that a person has proved an address.
	TrustVerified bool
	// ExistingOrganizations lets people join organizations that this import did not make.
	ExistingOrganizations bool
	// Invite sends the people whose accounts have no password a link to set one.
	Invite bool
	// WithoutPassword is called for each new account without a password. It may be nil.
	WithoutPassword func(email string) error
	// Gone is called for each active account that earlier imports of this name have made, and
	// whose person is in no row now. It may be nil.
	Gone     func(email string) error
	Refused  func(Refusal) error  // called for each refused row, in the order of the lines
	Progress func(clone.Progress) // called often
	Verify   *Source              // known passwords, tried before anything is written; or nil
}

// Refusal is a row that was not imported, or not wholly.
type Refusal struct {
	File    string `json:"-"`
	Line    int64  `json:"line"`
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Email   string `json:"email,omitempty"` // of a person, if it is readable
}

// Summary is the result of an import.
type Summary struct {
	People          int64 `json:"people"`           // rows
	Made            int64 `json:"accounts_made"`    //
	Found           int64 `json:"accounts_found"`   // who keep their password and profile, unless changed
	Changed         int64 `json:"accounts_changed"` // of those found
	Gone            int64 `json:"accounts_gone"`    // they are not changed
	WithoutPassword int64 `json:"without_password"` // of those made
	Invited         int64 `json:"invited"`
	Organizations   int64 `json:"organizations_made"`
	Existing        int64 `json:"organizations_found"`
	Memberships     int64 `json:"memberships_made"`
	Members         int64 `json:"memberships_found"`
	Ended           int64 `json:"memberships_ended"`
	Refused         int64 `json:"refused"` // rows
	Verified        int64 `json:"passwords_verified"`
}

// batchSize is how many rows one transaction writes. On SQLite it excludes other writers for
// about half a second, and its time per row is the shorter the more rows there are.
const batchSize = 5000

// pageCache is the memory in bytes for pages of a SQLite file, of which a batch changes many.
const pageCache = 32 << 20

// writersOnPostgres write at the same time, each half as many rows at once: the server has a
// process for each.
const writersOnPostgres = 2

// key identifies a text in the indexes of a file, which are kept in memory.
type key [16]byte

func keyOf(kind, text string) (k key) {
	sum := sha256.Sum256([]byte(kind + "\x00" + text))
	copy(k[:], sum[:])
	return k
}

func emailKey(e field.Email) key { return keyOf("email", e.Canonical()) }
