package systems

import (
	"strings"

	"guildhall/platform/moving"
)

// teams are the memberships that a file of organizations has, for the rows of people in
// another file.
type teams struct {
	memberships map[string][]moving.MembershipRow // by the person's id or address, as the file has it
	owned       map[string]bool                   // organizations with an owner, by id
}

func newTeams() teams { return teams{map[string][]moving.MembershipRow{}, map[string]bool{}} }

// add adds a membership. An organization has one owner: the first one. Other owners are
// admins.
func (t *teams) add(organization, person, role string, joined *string) {
	if person == "" || organization == "" {
		return
	}
	if role == "owner" {
		if t.owned[organization] {
			role = "admin"
		}
		t.owned[organization] = true
	}
	t.memberships[person] = append(t.memberships[person], moving.MembershipRow{Organization: &organization, Role: &role, JoinedAt: joined})
}

// own sets the owner of an organization without one.
func (t *teams) own(r *moving.Row, id string, o Options) *moving.Row {
	if r.Owner == nil && !t.owned[id] && o.Owner != "" {
		r.Owner = &o.Owner
	}
	return r
}

// roleOf returns the role here of one that another system calls by any of these names:
// owner or admin if a name is that, perhaps with a prefix such as org:admin, else member.
func roleOf(names ...string) string {
	role := "member"
	for _, name := range names {
		name = strings.ToLower(name)
		if i := strings.LastIndexAny(name, ":/"); i >= 0 {
			name = name[i+1:]
		}
		switch name {
		case "owner":
			return "owner"
		case "admin", "administrator":
			role = "admin"
		}
	}
	return role
}
