package transfer

import (
	"bytes"
	"slices"

	"github.com/google/uuid"
)

// someone is a person of the archive. There may be millions, so this is small.
type someone struct {
	id   uuid.UUID // there
	here uuid.UUID // where it is imported
	role role
}

// role is what has been said of somebody so far.
type role uint8

const (
	isMember role = 1 << iota
	isAdmin
	hasStanding // within the organization
	isActive
	isSuspended
)

// people are read before anything refers to them, and then sorted.
type people []someone

func byID(a, b someone) int { return bytes.Compare(a.id[:], b.id[:]) }

// sort returns an id that two have, if any.
func (p people) sort() (twice uuid.UUID) {
	slices.SortFunc(p, byID)
	for i := 1; i < len(p); i++ {
		if p[i].id == p[i-1].id {
			return p[i].id
		}
	}
	return uuid.Nil
}

// find returns nil for who is not among them.
func (p people) find(id uuid.UUID) *someone {
	i, ok := slices.BinarySearchFunc(p, someone{id: id}, byID)
	if !ok {
		return nil
	}
	return &p[i]
}
