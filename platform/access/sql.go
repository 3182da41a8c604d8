package access

import (
	"fmt"
	"slices"
	"strings"
)

// SQL fragments, also for the queries of modules. Only this file defines what a
// suspension, an archive and a role are.

// OpenSuspension returns the condition that a row of user_suspensions or
// organization_suspensions is in force at a time.
func OpenSuspension(alias, now string) string {
	return fmt.Sprintf("%[1]s.lifted_at IS NULL AND (%[1]s.suspended_until IS NULL OR %[1]s.suspended_until > %[2]s)", alias, now) // mutant: suspension-end
}

// OpenArchive returns the condition that a row of user_archives or organization_archives
// is in force.
func OpenArchive(alias string) string { return alias + ".restored_at IS NULL" }

// wasMember is the condition that the person of k is or was a member of the organization
// of k: a membership leaves a standing behind.
const wasMember = "EXISTS (SELECT 1 FROM user_active_status wa WHERE wa.user_id = k.user_id AND wa.organization_id = k.organization_id)"

// RoleColumn selects the Role of m, a row of organization_members or none. It needs
// RoleJoins.
const (
	RoleColumn = `(CASE WHEN m.user_id IS NULL THEN 0 WHEN ow.user_id IS NOT NULL THEN 3 WHEN ad.user_id IS NOT NULL THEN 2 ELSE 1 END)`
	RoleJoins  = `
LEFT JOIN organization_owners ow ON ow.organization_id = m.organization_id AND ow.user_id = m.user_id
LEFT JOIN organization_admins ad ON ad.organization_id = m.organization_id AND ad.user_id = m.user_id`
)

// TableOf returns the table of those with the role of an owner or admin.
func TableOf(r Role) string {
	if r == Owner {
		return "organization_owners"
	}
	return "organization_admins"
}

// HasRole returns the condition that a person has a role in an organization, for a row of
// members with organization_id and user_id.
func HasRole(alias string, r Role) string {
	in := func(r Role) string {
		return fmt.Sprintf("EXISTS (SELECT 1 FROM %[2]s r WHERE r.organization_id = %[1]s.organization_id AND r.user_id = %[1]s.user_id)", alias, TableOf(r))
	}
	if r == Member {
		return "NOT " + in(Owner) + " AND NOT " + in(Admin)
	}
	return in(r)
}

// AsksForFactor returns the condition that an organization's policy asks a member for a second
// factor, for a row with organization_id and user_id. Now is an expression.
func AsksForFactor(alias, now string) string {
	has := func(r Role) string {
		return "EXISTS (SELECT 1 FROM " + TableOf(r) + " r WHERE r.organization_id = o.id AND r.user_id = " + alias + ".user_id)"
	}
	policy := policyOf("o", now)
	return "EXISTS (SELECT 1 FROM organizations o WHERE o.id = " + alias + ".organization_id AND (" +
		policy + " = 'everyone' OR " + policy + " = 'admins' AND (" + has(Admin) + " OR " + has(Owner) + ")))"
}

// IsArchived, IsSuspended and IsActive return the conditions that this is so for a row with
// user_id: for the account or, if the row is of a member and has organization_id, for the
// account or the membership (for IsActive: for both). Now is an expression.
func IsArchived(alias string) string {
	return "EXISTS (SELECT 1 FROM user_archives a WHERE a.user_id = " + alias + ".user_id AND " + OpenArchive("a") + ")"
}

// IsSuspended is described at IsArchived.
func IsSuspended(alias string, member bool, now string) string {
	scope := "x.organization_id IS NULL"
	if member {
		scope = "(" + scope + " OR x.organization_id = " + alias + ".organization_id)"
	}
	return "EXISTS (SELECT 1 FROM (SELECT " + now + " AS now) k JOIN user_suspensions x ON x.user_id = " + alias + ".user_id AND " + scope + " AND " + OpenSuspension("x", "k.now") + ")"
}

// HasSuspension returns the condition that the person of a row with user_id has a suspension
// anywhere that nobody lifted. As WasInactive, it is checked before IsSuspended.
func HasSuspension(alias string) string {
	return "EXISTS (SELECT 1 FROM user_suspensions x WHERE x.user_id = " + alias + ".user_id AND x.lifted_at IS NULL)"
}

// WasInactive returns the condition that the person of a row with user_id was inactive
// anywhere, or is. There are few, with an index of their own, so it is checked sooner than
// IsActive.
func WasInactive(alias string) string {
	return "EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = " + alias + ".user_id AND a.deactivated_at IS NOT NULL)"
}

// IsActive is described at IsArchived.
func IsActive(alias string, member bool) string {
	is := func(scope string) string {
		return "EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = " + alias + ".user_id AND a.organization_id " + scope + " AND a.deactivated_at IS NULL)"
	}
	if member {
		return is("IS NULL") + " AND " + is("= "+alias+".organization_id")
	}
	return is("IS NULL")
}

// policyOf returns an organization's policy about second factors at a time.
func policyOf(alias, now string) string {
	return "(CASE WHEN " + alias + ".mfa_from > " + now + " THEN " + alias + ".mfa_before ELSE " + alias + ".mfa END)"
}

// Bits is a standing as the database computes it.
type Bits int64

// Scan implements sql.Scanner: without it, database/sql converts the number to text and
// back.
func (b *Bits) Scan(src any) error {
	n, is := src.(int64)
	if !is {
		return fmt.Errorf("a standing is a number, not a %T", src)
	}
	*b = Bits(n)
	return nil
}

const (
	sessionLive Bits = 1 << iota
	accountActive
	accountSuspended
	accountArchived
	isPlatformAdmin
	organizationExists
	organizationSuspended
	suspendedByPlatform
	organizationArchived
	isMember
	isAdmin
	isOwner
	membershipActive
	membershipSuspended
	accountExists
	sessionStrong
	factorEnrolled
	ownKey
	factorOfEveryone
	factorOfAdmins
	factorLater
)

// condition says when a bit is set. It refers to the aliases of standingJoins.
type condition struct {
	bit  Bits
	when string
}

var (
	ofOrganization = []condition{
		{organizationExists, "o.id IS NOT NULL"},
		{organizationSuspended, "os.id IS NOT NULL"},
		{suspendedByPlatform, "os.by_operator"},
		{organizationArchived, "oa.id IS NOT NULL"},
		{factorOfEveryone, policyOf("o", "k.now") + " = 'everyone'"},
		{factorOfAdmins, policyOf("o", "k.now") + " = 'admins'"},
		{factorLater, "o.mfa_from > k.now"},
	}
	ofPerson = []condition{
		{accountExists, ""}, // otherwise the query returns no row
		{accountActive, "ua.id IS NOT NULL"},
		{accountSuspended, "us.id IS NOT NULL"},
		{accountArchived, "ux.id IS NOT NULL"},
		{isMember, "m.user_id IS NOT NULL"},
		{isAdmin, "ad.user_id IS NOT NULL"},
		{isOwner, "ow.user_id IS NOT NULL"},
		{membershipActive, "ma.id IS NOT NULL"},
		{membershipSuspended, "ms.id IS NOT NULL"},
	}
	ofEverything = slices.Concat([]condition{
		{sessionLive, "s.id IS NOT NULL"},
		{sessionStrong, "s.aal >= 2"},
		{ownKey, "s.created_by = s.user_id"},
		{isPlatformAdmin, "pa.user_id IS NOT NULL"},
		{factorEnrolled, "u.factor_enrolled_at IS NOT NULL"},
	}, ofPerson, ofOrganization)
)

// PersonBits selects the Bits of u, a row of users, and of m, their row of
// organization_members or none: the account, the role and the membership. It needs
// PersonJoins, which refer to k.now.
var (
	PersonBits  = sumOf(ofPerson)
	PersonJoins = RoleJoins + `
LEFT JOIN user_active_status ua ON ua.user_id = u.id AND ua.organization_id IS NULL AND ua.deactivated_at IS NULL
LEFT JOIN user_suspensions us ON us.user_id = u.id AND us.organization_id IS NULL
	AND ` + OpenSuspension("us", "k.now") + `
LEFT JOIN user_archives ux ON ux.user_id = u.id AND ` + OpenArchive("ux") + MembershipJoins
	// MembershipJoins joins the standing of m alone: ma is there if it is active, ms if
	// it is suspended.
	MembershipJoins = `
LEFT JOIN user_active_status ma ON ma.user_id = m.user_id AND ma.organization_id = m.organization_id AND ma.deactivated_at IS NULL
LEFT JOIN user_suspensions ms ON ms.user_id = m.user_id AND ms.organization_id = m.organization_id
	AND ` + OpenSuspension("ms", "k.now")
)

// sumOf returns a column with the sum of the bits whose condition is true.
func sumOf(conditions []condition) string {
	terms := make([]string, len(conditions))
	for i, c := range conditions {
		terms[i] = fmt.Sprintf("(CASE WHEN %s THEN %d ELSE 0 END)", c.when, c.bit)
		if c.when == "" {
			terms[i] = fmt.Sprint(c.bit)
		}
	}
	return strings.Join(terms, "\n\t+ ")
}
