package seed

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Password is the password of all sample users. It is public.
const Password = "sample-data-only"

// Salt is the salt of the only password hash. A random one would change the data in
// each run.
const Salt = "sample data salt"

// Kind is a kind of object with an id and a time. Each kind has a day of its own,
// derived from its number. On that day its objects follow each other at intervals of a
// millisecond, so that ids are in the order of numbers. A module defines the kinds that
// only it uses.
type Kind int

// These are the kinds that several modules refer to.
const (
	User Kind = iota
	Organization
	Membership
)

var firstDay = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

// At returns the time of an object, by number.
func (k Kind) At(i int64) time.Time {
	return firstDay.AddDate(0, 0, int(k)).Add(time.Duration(i) * time.Millisecond)
}

// ID returns a UUIDv7 (RFC 9562 §5.7) of that time. It contains the number in place of
// the random bits.
func (k Kind) ID(i int64) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(k.At(i).UnixMilli())<<16) //nolint:gosec // after 1970
	binary.BigEndian.PutUint64(id[8:], uint64(i))                      //nolint:gosec // not negative
	id[6] |= 0x70
	id[8] |= 0x80
	return id
}

// UserID returns the id of a user, by number.
func UserID(i int64) uuid.UUID { return User.ID(i) }

// OrganizationID returns the id of an organization, by number.
func OrganizationID(i int64) uuid.UUID { return Organization.ID(i) }

// Email returns the email address of a user, by number.
func Email(i int64) string { return fmt.Sprintf("user%d@example.com", i) }

var (
	givenNames  = [...]string{"Ada", "Grace", "Charles", "Zoë", "Karen", "Edsger", "Barbara", "José", "Frances", "Alan", "Margaret", "Donald", "Radia", "Linus", "Søren", "Hedy"}
	familyNames = [...]string{"Lovelace", "Hopper", "Babbage", "Müller", "Spärck Jones", "Dijkstra", "Liskov", "Nuñez", "Allen", "Turing", "Hamilton", "Knuth", "Perlman"}
	trades      = [...]string{"Engines", "Foundry", "Observatory", "Press", "Instruments", "Gardens", "Railways"}
)

// PersonName returns the name of a user, by number.
func PersonName(i int64) string {
	return givenNames[i%int64(len(givenNames))] + " " + familyNames[i%int64(len(familyNames))]
}

// OrganizationName returns the name of an organization, by number.
func OrganizationName(i int64) string {
	return fmt.Sprintf("%s %s %d", familyNames[i%int64(len(familyNames))], trades[i%int64(len(trades))], i)
}
