package seed

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Password is everybody's, which whoever can read this knows.
const Password = "sample-data-only"

// Salt of its one hash: with another in each run the data would not be the same.
const Salt = "sample data salt"

// Kind of things that have an id and a time. Each has a day of its own, by its number, in
// which they follow each other by a millisecond, so that ids are in the order of numbers.
// Those of a single module are its own.
type Kind int

// The kinds that several modules refer to.
const (
	User Kind = iota
	Organization
	Membership
)

var firstDay = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

// At is the time of one, by number.
func (k Kind) At(i int64) time.Time {
	return firstDay.AddDate(0, 0, int(k)).Add(time.Duration(i) * time.Millisecond)
}

// ID is a UUIDv7 (RFC 9562 §5.7) of that time, with the number where chance
// would be.
func (k Kind) ID(i int64) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(k.At(i).UnixMilli())<<16) //nolint:gosec // after 1970
	binary.BigEndian.PutUint64(id[8:], uint64(i))                      //nolint:gosec // not negative
	id[6] |= 0x70
	id[8] |= 0x80
	return id
}

// UserID is the id of a user, by number.
func UserID(i int64) uuid.UUID { return User.ID(i) }

// OrganizationID is the id of an organization, by number.
func OrganizationID(i int64) uuid.UUID { return Organization.ID(i) }

// Email is the address that a user logs in with, by number.
func Email(i int64) string { return fmt.Sprintf("user%d@example.com", i) }

var (
	givenNames  = [...]string{"Ada", "Grace", "Charles", "Zoë", "Karen", "Edsger", "Barbara", "José", "Frances", "Alan", "Margaret", "Donald", "Radia", "Linus", "Søren", "Hedy"}
	familyNames = [...]string{"Lovelace", "Hopper", "Babbage", "Müller", "Spärck Jones", "Dijkstra", "Liskov", "Nuñez", "Allen", "Turing", "Hamilton", "Knuth", "Perlman"}
	trades      = [...]string{"Engines", "Foundry", "Observatory", "Press", "Instruments", "Gardens", "Railways"}
)

// PersonName is that of a user, by number.
func PersonName(i int64) string {
	return givenNames[i%int64(len(givenNames))] + " " + familyNames[i%int64(len(familyNames))]
}

// OrganizationName is that of an organization, by number.
func OrganizationName(i int64) string {
	return fmt.Sprintf("%s %s %d", familyNames[i%int64(len(familyNames))], trades[i%int64(len(trades))], i)
}
