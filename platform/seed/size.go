package seed

import "fmt"

// Size is how much there is of what.
type Size struct{ Users, Organizations, Members int64 }

const most = 10_000_000

// Check refuses what can't be.
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

// The memberships are numbered through: number m is that of user m modulo Users,
// and an organization has a run of them. Nobody is in a run twice, for none is
// longer than there are users.

// MembersOf says which memberships are an organization's: the first one's
// number, and how many. The first is the owner's and, where there are more than
// three, the next two are admins'.
func (s Size) MembersOf(organization int64) (first, n int64) {
	first = s.firstOf(organization)
	return first, s.firstOf(organization+1) - first
}

// largest is how many members organization 0 has: half of all, as far as there
// are people for it and each other organization gets an owner.
func (s Size) largest() int64 {
	if s.Organizations == 1 {
		return s.Members
	}
	return min((s.Members+1)/2, s.Users, s.Members-s.others())
}

func (s Size) others() int64 { return s.Organizations - 1 }

// firstOf spreads what organization 0 leaves evenly over the others.
func (s Size) firstOf(organization int64) int64 {
	if organization == 0 {
		return 0
	}
	if organization == s.Organizations {
		return s.Members
	}
	return s.largest() + (s.Members-s.largest())*(organization-1)/s.others()
}

// OwnerOf says who owns an organization, and by which membership.
func (s Size) OwnerOf(organization int64) (user, membership int64) {
	membership, _ = s.MembersOf(organization)
	return s.PersonOf(membership), membership
}

// PersonOf says whose a membership is.
func (s Size) PersonOf(membership int64) (user int64) { return membership % s.Users }

// OrganizationOf says which organization a membership is in: it turns firstOf around.
func (s Size) OrganizationOf(membership int64) int64 {
	if membership < s.largest() {
		return 0
	}
	return 1 + ((membership-s.largest()+1)*s.others()-1)/(s.Members-s.largest())
}
