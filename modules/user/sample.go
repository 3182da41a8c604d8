package user

import (
	"fmt"

	"guildhall/platform/search"
	"guildhall/platform/seed"
)

// Rows of user_active_status that have an id.
const (
	sampleStanding       seed.Kind = 4
	sampleMemberStanding seed.Kind = 5
)

func sampleUsers(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"id", "email", "email_canonical", "created_at", "updated_at", "terms_at"}, Count: s.Users, Row: func(i int64) []any {
		return []any{seed.UserID(i), seed.Email(i), seed.Email(i), seed.User.At(i), seed.User.At(i), seed.User.At(i)}
	}}}
}

func sampleProfiles(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"user_id", "name", "bio", "avatar_url"}, Count: s.Users, Row: func(i int64) []any {
		var bio, avatarURL any // some people have none
		if i%3 == 0 {
			bio = fmt.Sprintf("Number %d of the sample data, who is here to be looked at.", i)
		}
		if i%2 == 0 {
			avatarURL = fmt.Sprintf("https://example.com/avatars/%d.png", i)
		}
		return []any{seed.UserID(i), seed.PersonName(i), bio, avatarURL}
	}}}
}

func sampleStandings(s seed.Size) []seed.Rows {
	return []seed.Rows{
		{Columns: []string{"id", "user_id", "activated_at"}, Count: s.Users, Row: func(i int64) []any {
			return []any{sampleStanding.ID(i), seed.UserID(i), seed.User.At(i)}
		}},
		{Columns: []string{"id", "user_id", "organization_id", "activated_at", "activated_by"}, Count: s.Members, Row: func(i int64) []any {
			organization := s.OrganizationOf(i)
			owner, _ := s.OwnerOf(organization)
			return []any{sampleMemberStanding.ID(i), seed.UserID(s.PersonOf(i)), seed.OrganizationID(organization), seed.Membership.At(i), seed.UserID(owner)}
		}},
	}
}

// sampleTermsEach is the maximum number of terms of a person in the sample data.
const sampleTermsEach = 7

func sampleTerm(person, i int64) (term string, has bool) {
	terms := search.TermsOfPerson(seed.PersonName(person), seed.Email(person))
	if n := i % sampleTermsEach; n < int64(len(terms)) {
		return terms[n], true
	}
	return "", false
}

func sampleTerms(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"user_id", "term"}, Count: s.Users * sampleTermsEach, Row: func(i int64) []any {
		person := i / sampleTermsEach
		term, has := sampleTerm(person, i)
		if !has {
			return nil
		}
		return []any{seed.UserID(person), term}
	}}}
}

func sampleMemberTerms(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{"organization_id", "user_id", "term"}, Count: s.Members * sampleTermsEach, Row: func(i int64) []any {
		member := i / sampleTermsEach
		person := s.PersonOf(member)
		term, has := sampleTerm(person, i)
		if !has {
			return nil
		}
		return []any{seed.OrganizationID(s.OrganizationOf(member)), seed.UserID(person), term}
	}}}
}
