package organization

import (
	"guildhall/platform/search"
	"guildhall/platform/seed"
)

const sampleStanding seed.Kind = 6

func sampleOrganizations(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"id", "name", "created_at", "updated_at", "terms_at"}, Count: s.Organizations, Row: func(i int64) []any {
		return []any{seed.OrganizationID(i), seed.OrganizationName(i), seed.Organization.At(i), seed.Organization.At(i), seed.Organization.At(i)}
	}}}
}

func sampleStandings(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"id", "organization_id", "activated_at", "activated_by"}, Count: s.Organizations, Row: func(i int64) []any {
		owner, _ := s.OwnerOf(i)
		return []any{sampleStanding.ID(i), seed.OrganizationID(i), seed.Organization.At(i), seed.UserID(owner)}
	}}}
}

// sampleTermsEach is the maximum number of terms of an organization in the sample data.
const sampleTermsEach = 4

func sampleTerms(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"organization_id", "term"}, Count: s.Organizations * sampleTermsEach, Row: func(i int64) []any {
		organization, n := i/sampleTermsEach, i%sampleTermsEach
		terms := search.TermsOfName(seed.OrganizationName(organization))
		if n >= int64(len(terms)) {
			return nil
		}
		return []any{seed.OrganizationID(organization), terms[n]}
	}}}
}
