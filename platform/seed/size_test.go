package seed

import (
	"strings"
	"testing"
)

func TestMembershipsAreUnique(t *testing.T) {
	t.Parallel()
	tried := 0
	for users := int64(1); users <= 9; users++ {
		for organizations := int64(1); organizations <= 9; organizations++ {
			for members := organizations; members <= users*organizations; members++ {
				s := Size{users, organizations, members}
				if err := s.Check(); err != nil {
					t.Fatal(err)
				}
				tried++
				next := int64(0)
				_, largest := s.MembersOf(0)
				for o := range organizations {
					first, n := s.MembersOf(o)
					if first != next || n < 1 || n > users || n > largest {
						t.Fatalf("%v: organization %d has %d members from %d, after %d; the largest %d", s, o, n, first, next, largest)
					}
					for m := first; m < first+n; m++ {
						if s.OrganizationOf(m) != o {
							t.Fatalf("%v: membership %d is of %d, not %d", s, m, s.OrganizationOf(m), o)
						}
					}
					next += n
				}
				if next != members {
					t.Fatalf("%v: %d memberships", s, next)
				}
			}
		}
	}
	if tried < 1000 {
		t.Errorf("%d sizes only", tried)
	}
	if first, n := (Size{1_000_000, 10_000, 2_000_000}).MembersOf(0); first != 0 || n != 1_000_000 {
		t.Errorf("the largest of a million people has %d", n)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	const last = Kind(20) // more kinds than the modules have
	for k := User; k <= last; k++ {
		for _, i := range []int64{0, 1, 4095, 4096, most - 1} {
			id := k.ID(i)
			if id.Version() != 7 || id.Variant().String() != "RFC4122" || id.String() >= k.ID(i+1).String() || id.String() >= (k+1).ID(0).String() {
				t.Errorf("%d of kind %d is %s", i, k, id)
			}
		}
	}
	if until := last.At(most); until.After(firstDay.AddDate(1, 0, 0)) {
		t.Errorf("times go to %s", until)
	}
}

func TestImpossibleSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size Size
		want string
	}{
		{Size{0, 1, 1}, "0 users: there must be 1 to 10000000"},
		{Size{1, -1, 1}, "-1 organizations"},
		{Size{1, 1, 0}, "0 members"},
		{Size{10_000_001, 1, 1}, "10000001 users"},
		{Size{5, 3, 2}, "2 members are too few"},
		{Size{5, 3, 16}, "16 members are too many: 5 users make 15"},
	} {
		if err := c.size.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.size, err, c.want)
		}
	}
}
