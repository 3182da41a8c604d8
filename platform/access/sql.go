package access

import (
	"fmt"
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

// RoleColumn selects the Role of m, a row of organization_members or none. It needs
// RoleJoins.
const (
	RoleColumn = `(CASE WHEN m.user_id IS NULL THEN 0 WHEN ow.user_id IS NOT NULL THEN 3 WHEN ad.user_id IS NOT NULL THEN 2 ELSE 1 END)`
	RoleJoins  = `
LEFT JOIN organization_owners ow ON ow.organization_id = m.organization_id AND ow.user_id = m.user_id
LEFT JOIN organization_admins ad ON ad.organization_id = m.organization_id AND ad.user_id = m.user_id`
)

// Bits is a standing as the database computes it.
type Bits int64

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
	}
	ofEverything = append([]condition{
		{accountExists, ""}, // otherwise the query returns no row
		{sessionLive, "s.id IS NOT NULL"},
		{accountActive, "ua.id IS NOT NULL"},
		{accountSuspended, "us.id IS NOT NULL"},
		{accountArchived, "ux.id IS NOT NULL"},
		{isPlatformAdmin, "pa.user_id IS NOT NULL"},
		{isMember, "m.user_id IS NOT NULL"},
		{isAdmin, "ad.user_id IS NOT NULL"},
		{isOwner, "ow.user_id IS NOT NULL"},
		{membershipActive, "ma.id IS NOT NULL"},
		{membershipSuspended, "ms.id IS NOT NULL"},
	}, ofOrganization...)
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
