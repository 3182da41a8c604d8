package membership

import "guildhall/platform/seed"

// sampleAdmins is how many admins an organization of the sample data has, if it has at
// least sampleAdminsFrom members.
const (
	sampleAdmins     = 2
	sampleAdminsFrom = 4 // members
)

func sampleMembers(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"organization_id", "user_id", "joined_at", "searchable"}, Count: s.Members, Row: func(i int64) []any {
		return []any{seed.OrganizationID(s.OrganizationOf(i)), seed.UserID(s.PersonOf(i)), seed.Membership.At(i), true}
	}}}
}

func sampleOwners(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"organization_id", "user_id", "since"}, Count: s.Organizations, Row: func(i int64) []any {
		owner, membership := s.OwnerOf(i)
		return []any{seed.OrganizationID(i), seed.UserID(owner), seed.Membership.At(membership)}
	}}}
}

func sampleGrants(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"organization_id", "user_id", "granted_at", "granted_by"}, Count: s.Organizations * sampleAdmins, Row: func(i int64) []any {
		organization, place := i/sampleAdmins, 1+i%sampleAdmins
		if _, n := s.MembersOf(organization); n < sampleAdminsFrom {
			return nil
		}
		owner, first := s.OwnerOf(organization)
		return []any{seed.OrganizationID(organization), seed.UserID(s.PersonOf(first + place)), seed.Membership.At(first + place), seed.UserID(owner)}
	}}}
}
