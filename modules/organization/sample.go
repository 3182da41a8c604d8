package organization

import "guildhall/platform/seed"

const sampleStanding seed.Kind = 6

func sampleOrganizations(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"id", "name", "created_at", "updated_at"}, Count: s.Organizations, Row: func(i int64) []any {
		return []any{seed.OrganizationID(i), seed.OrganizationName(i), seed.Organization.At(i), seed.Organization.At(i)}
	}}}
}

func sampleStandings(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"id", "organization_id", "activated_at", "activated_by"}, Count: s.Organizations, Row: func(i int64) []any {
		owner, _ := s.OwnerOf(i)
		return []any{sampleStanding.ID(i), seed.OrganizationID(i), seed.Organization.At(i), seed.UserID(owner)}
	}}}
}
