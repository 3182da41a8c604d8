package seed

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Password is everybody's, which whoever can read this knows.
const Password = "sample-data-only"

// salt of its one hash: with another in each run the data would not be the same.
const salt = "sample data salt"

// kind of things that have an id and a time. Each has a day of its own, in which
// they follow each other by a millisecond, so that ids are in the order of numbers.
type kind int

const (
	user kind = iota
	organization
	membership
	session
	accountStanding // rows of user_active_status
	memberStanding
	organizationStanding
)

var firstDay = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

func (k kind) at(i int64) time.Time {
	return firstDay.AddDate(0, 0, int(k)).Add(time.Duration(i) * time.Millisecond)
}

// id is a UUIDv7 (RFC 9562 §5.7) of that time, with the number where chance
// would be.
func (k kind) id(i int64) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(k.at(i).UnixMilli())<<16) //nolint:gosec // after 1970
	binary.BigEndian.PutUint64(id[8:], uint64(i))                      //nolint:gosec // not negative
	id[6] |= 0x70
	id[8] |= 0x80
	return id
}

// UserID is the id of a user, by number.
func UserID(i int64) uuid.UUID { return user.id(i) }

// OrganizationID is the id of an organization, by number.
func OrganizationID(i int64) uuid.UUID { return organization.id(i) }

// Email is the address that a user logs in with, by number.
func Email(i int64) string { return fmt.Sprintf("user%d@example.com", i) }

var (
	givenNames  = [...]string{"Ada", "Grace", "Charles", "Zoë", "Karen", "Edsger", "Barbara", "José", "Frances", "Alan", "Margaret", "Donald", "Radia", "Linus", "Søren", "Hedy"}
	familyNames = [...]string{"Lovelace", "Hopper", "Babbage", "Müller", "Spärck Jones", "Dijkstra", "Liskov", "Nuñez", "Allen", "Turing", "Hamilton", "Knuth", "Perlman"}
	trades      = [...]string{"Engines", "Foundry", "Observatory", "Press", "Instruments", "Gardens", "Railways"}
)

func personName(i int64) string {
	return givenNames[i%int64(len(givenNames))] + " " + familyNames[i%int64(len(familyNames))]
}

func organizationName(i int64) string {
	return fmt.Sprintf("%s %s %d", familyNames[i%int64(len(familyNames))], trades[i%int64(len(trades))], i)
}

// bio and avatarURL are what some have and others don't.
func bio(i int64) any {
	if i%3 != 0 {
		return nil
	}
	return fmt.Sprintf("Number %d of the sample data, who is here to be looked at.", i)
}

func avatarURL(i int64) any {
	if i%2 != 0 {
		return nil
	}
	return fmt.Sprintf("https://example.com/avatars/%d.png", i)
}
