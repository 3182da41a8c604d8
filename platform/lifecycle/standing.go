package lifecycle

import (
	"github.com/swaggest/jsonschema-go"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/field"
)

// Standing is the standing of an account, of a membership, or of both together. Of several
// reasons why it is not good, it names the strongest.
type Standing string

const (
	Good      Standing = "good"
	Inactive  Standing = "inactive"
	Suspended Standing = "suspended"
	Archived  Standing = "archived" // only an account
)

// JSONSchema lists the values for the OpenAPI document.
func (Standing) JSONSchema() (jsonschema.Schema, error) {
	return field.OpenEnum(Good, Suspended, Inactive, Archived), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Standing) UnmarshalText(text []byte) error {
	return field.Choose(s, text, Good, Suspended, Inactive, Archived)
}

// Is returns the condition that a row with user_id is of an account in this standing, as
// OfAccount returns it, or of a member with organization_id, as OfMember does. Each of its
// parameters is now.
func (s Standing) Is(db *database.DB, alias string, member bool) string {
	archived, suspended, active := access.IsArchived(alias), access.IsSuspended(alias, member, db.Param("timestamptz")), access.IsActive(alias, member)
	switch s {
	case Archived:
		return archived
	case Suspended:
		return access.HasSuspension(alias) + " AND " + suspended + " AND NOT " + archived
	case Inactive:
		return access.WasInactive(alias) + " AND NOT (" + active + ") AND NOT " + suspended + " AND NOT " + archived
	default:
		return active + " AND NOT " + suspended + " AND NOT " + archived
	}
}

// OfAccount returns the standing of an account.
func OfAccount(s access.Standing) Standing {
	return standing(s.AccountArchived, s.AccountSuspended, s.AccountActive)
}

// OfMembership returns the standing of a membership, regardless of the account's.
func OfMembership(s access.Standing) Standing {
	return standing(false, s.MembershipSuspended, s.MembershipActive)
}

// OfMember returns the standing of a member: of their account and membership together.
func OfMember(s access.Standing) Standing {
	return standing(s.AccountArchived, s.AccountSuspended || s.MembershipSuspended, s.AccountActive && s.MembershipActive)
}

func standing(archived, suspended, active bool) Standing {
	switch {
	case archived:
		return Archived
	case suspended:
		return Suspended
	case !active:
		return Inactive
	default:
		return Good
	}
}
