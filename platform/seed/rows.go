package seed

import (
	"fmt"
	"time"

	"guildhall/platform/password"
)

// rows of a table, made by number; there is none where row returns nil.
type rows struct {
	table   string
	columns []string
	count   int64
	row     func(i int64) []any
}

func (r rows) chunk(first, last int64) [][]any {
	chunk := make([][]any, 0, last-first)
	for i := first; i < last; i++ {
		if row := r.row(i); row != nil {
			chunk = append(chunk, row)
		}
	}
	return chunk
}

const (
	adminsEach      = 2
	adminsFrom      = 4 // members
	sessionUsed     = time.Hour
	sessionLifetime = 7 * 24 * time.Hour
)

func rowsOf(s Size) []rows {
	hash := password.HashWithSalt(Password, []byte(salt))
	ownerOf := func(o int64) (user, membership int64) {
		membership, _ = s.MembersOf(o)
		return membership % s.Users, membership
	}
	return []rows{
		{"users", []string{"id", "email", "email_canonical", "created_at", "updated_at"}, s.Users, func(i int64) []any {
			return []any{UserID(i), Email(i), Email(i), user.at(i), user.at(i)}
		}},
		{"user_profile", []string{"user_id", "name", "bio", "avatar_url"}, s.Users, func(i int64) []any {
			return []any{UserID(i), personName(i), bio(i), avatarURL(i)}
		}},
		{"user_login_password", []string{"user_id", "password_hash", "updated_at"}, s.Users, func(i int64) []any {
			return []any{UserID(i), hash, user.at(i)}
		}},
		{"user_active_status", []string{"id", "user_id", "activated_at"}, s.Users, func(i int64) []any {
			return []any{accountStanding.id(i), UserID(i), user.at(i)}
		}},
		{"organizations", []string{"id", "name", "created_at", "updated_at"}, s.Organizations, func(i int64) []any {
			return []any{OrganizationID(i), organizationName(i), organization.at(i), organization.at(i)}
		}},
		{"organization_active_status", []string{"id", "organization_id", "activated_at", "activated_by"}, s.Organizations, func(i int64) []any {
			owner, _ := ownerOf(i)
			return []any{organizationStanding.id(i), OrganizationID(i), organization.at(i), UserID(owner)}
		}},
		{"organization_members", []string{"organization_id", "user_id", "joined_at"}, s.Members, func(i int64) []any {
			return []any{OrganizationID(s.organizationOf(i)), UserID(i % s.Users), membership.at(i)}
		}},
		{"organization_owners", []string{"organization_id", "user_id", "since"}, s.Organizations, func(i int64) []any {
			owner, since := ownerOf(i)
			return []any{OrganizationID(i), UserID(owner), membership.at(since)}
		}},
		{"organization_admins", []string{"organization_id", "user_id", "granted_at", "granted_by"}, s.Organizations * adminsEach, func(i int64) []any {
			o, place := i/adminsEach, 1+i%adminsEach
			if _, n := s.MembersOf(o); n < adminsFrom {
				return nil
			}
			owner, first := ownerOf(o)
			return []any{OrganizationID(o), UserID((first + place) % s.Users), membership.at(first + place), UserID(owner)}
		}},
		{"user_active_status", []string{"id", "user_id", "organization_id", "activated_at", "activated_by"}, s.Members, func(i int64) []any {
			o := s.organizationOf(i)
			owner, _ := ownerOf(o)
			return []any{memberStanding.id(i), UserID(i % s.Users), OrganizationID(o), membership.at(i), UserID(owner)}
		}},
		{"sessions", []string{
			"id", "user_id", "organization_id", "generation", "created_at", "rotated_at", "expires_at", "revoked_at", "revoked_reason", "address", "client",
		}, s.Users, func(i int64) []any {
			var within any // the organization that they were in first
			if i < s.Members {
				within = OrganizationID(s.organizationOf(i))
			}
			began := session.at(i)
			return []any{
				session.id(i), UserID(i), within, int64(1), began, began, began.Add(sessionLifetime), began.Add(sessionUsed), "logged_out",
				fmt.Sprintf("198.51.100.%d", i%256), "sample data",
			}
		}},
	}
}
