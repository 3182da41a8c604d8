package seed

import "fmt"

// Size is the amount of sample data.
type Size struct{ Users, Organizations, Members int64 }

const most = 10_000_000

// Check refuses impossible sizes.
func (s Size) Check() error {
	for _, n := range []struct {
		is int64
		of string
	}{{s.Users, "users"}, {s.Organizations, "organizations"}, {s.Members, "members"}} {
		if n.is < 1 || n.is > most {
			return fmt.Errorf("%d %s: there must be 1 to %d", n.is, n.of, most)
		}
	}
	if s.Members < s.Organizations {
		return fmt.Errorf("%d members are too few: each of %d organizations has an owner, who is one", s.Members, s.Organizations)
	}
	if s.Members > s.Users*s.Organizations {
		return fmt.Errorf("%d members are too many: %d users make %d in %d organizations at most", s.Members, s.Users, s.Users*s.Organizations, s.Organizations)
	}
	return nil
}

// The memberships are numbered: membership m belongs to user m modulo Users, and each
// organization has a contiguous range of them. No user is in a range twice, because no
// range is longer than the number of users.

// MembersOf returns the range of an organization's memberships: the number of the first
// one, and how many there are. The first belongs to the owner. In a range of more than
// three, the next two belong to admins.
func (s Size) MembersOf(organization int64) (first, n int64) {
	first = s.firstOf(organization)
	return first, s.firstOf(organization+1) - first
}

// largest returns how many members organization 0 has: half of all, limited by the
// number of users and by the memberships that the owners of the other organizations
// need.
func (s Size) largest() int64 {
	if s.Organizations == 1 {
		return s.Members
	}
	return min((s.Members+1)/2, s.Users, s.Members-s.others())
}

func (s Size) others() int64 { return s.Organizations - 1 }

// firstOf spreads the memberships that organization 0 leaves evenly over the others.
func (s Size) firstOf(organization int64) int64 {
	if organization == 0 {
		return 0
	}
	if organization == s.Organizations {
		return s.Members
	}
	return s.largest() + (s.Members-s.largest())*(organization-1)/s.others()
}

// OwnerOf returns who owns an organization, and through which membership.
func (s Size) OwnerOf(organization int64) (user, membership int64) {
	membership, _ = s.MembersOf(organization)
	return s.PersonOf(membership), membership
}

// PersonOf returns the user of a membership.
func (s Size) PersonOf(membership int64) (user int64) { return membership % s.Users }

// OrganizationOf returns the organization of a membership. It is the inverse of
// firstOf.
func (s Size) OrganizationOf(membership int64) int64 {
	if membership < s.largest() {
		return 0
	}
	return 1 + ((membership-s.largest()+1)*s.others()-1)/(s.Members-s.largest())
}
