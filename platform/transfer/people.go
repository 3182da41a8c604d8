package transfer

import (
	"bytes"
	"slices"

	"github.com/google/uuid"
)

// person is a person in the archive. An archive may have millions, so this is small.
type person struct {
	id   uuid.UUID // in the archive
	here uuid.UUID // in this database
	role role
}

// role is the set of facts that the lines have stated about a person so far.
type role uint8

const (
	isMember role = 1 << iota
	isAdmin
	hasStanding // a standing within the organization
	isActive
	isSuspended
)

// people are all read before any line refers to them, and then sorted.
type people []person

func byID(a, b person) int { return bytes.Compare(a.id[:], b.id[:]) }

// sort sorts the people. It returns an id that occurs twice, if there is one.
func (p people) sort() (twice uuid.UUID) {
	slices.SortFunc(p, byID)
	for i := 1; i < len(p); i++ {
		if p[i].id == p[i-1].id {
			return p[i].id
		}
	}
	return uuid.Nil
}

// find returns the person with an id, or nil.
func (p people) find(id uuid.UUID) *person {
	i, ok := slices.BinarySearchFunc(p, person{id: id}, byID)
	if !ok {
		return nil
	}
	return &p[i]
}
