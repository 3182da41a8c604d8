package access

import (
	"strings"

	"guildhall/platform/fault"
)

// Rule says who may call a route. It is declared with the route, enforced by the Gate and
// printed in the route table. Create it with a constructor and refine it with methods.
type Rule struct {
	scope     scope
	min       Role
	suspended bool
	archived  bool
	row       row // additional columns that the gate reads; nil for most rules

	standing        bool
	orPlatformAdmin bool
	orSelf          bool
	withoutPerson   bool
	orSignedIn      bool
}

type scope int8

const (
	undeclared scope = iota
	public
	signedIn
	self          // the person in the path
	acquaintance  // the person in the path, and those who share an organization with them
	activeOrg     // the organization of the token or of X-Organization-ID
	overUser      // like activeOrg; without one, platform administrators for an account
	pathOrg       // the organization in the path
	platformAdmin // platform administrators
)

// Path parameters that rules read.
const (
	OrganizationParam = "organization_id"
	UserParam         = "user_id"
)

// Public routes need no credential.
func Public() Rule { return Rule{scope: public} }

// SignedIn routes concern only the caller, regardless of their organization.
func SignedIn() Rule { return Rule{scope: signedIn} }

// Self routes act on the caller's own account, named in the path.
func Self() Rule { return Rule{scope: self} }

// Acquaintance routes show the person in the path to themselves and to those who
// share an organization with them.
func Acquaintance() Rule { return Rule{scope: acquaintance} }

// PlatformAdminOnly routes are for platform administrators, who act on the person in the
// path.
func PlatformAdminOnly() Rule { return Rule{scope: platformAdmin} }

// Active routes act in the active organization of the caller.
func Active(least Role) Rule { return Rule{scope: activeOrg, min: least} }

// OverUser routes change the standing of the person in the path: within the active
// organization for callers with the role, anywhere for platform administrators.
func OverUser(least Role) Rule { return Rule{scope: overUser, min: least} }

// Org routes act in the organization named in the path.
func Org(least Role) Rule { return Rule{scope: pathOrg, min: least} }

// OrSignedIn makes a Public rule authenticate a caller who sends an access token, and
// refuse an invalid one: for a route that does more for them.
func (r Rule) OrSignedIn() Rule { r.orSignedIn = true; return r }

// OrPlatformAdmin admits platform administrators to a Self rule.
func (r Rule) OrPlatformAdmin() Rule { r.orPlatformAdmin = true; return r }

// OrSelf admits the person in the path to an Org rule, if they are a member: with any
// role, and although they are suspended or inactive there.
func (r Rule) OrSelf() Rule { r.orSelf = true; return r }

// InGoodStanding makes a SignedIn rule refuse a suspended organization that
// X-Organization-ID names. It is for a route that returns the caller's role there.
func (r Rule) InGoodStanding() Rule { r.standing = true; return r }

// WithoutPerson says that the path names no person, so that the route never answers that
// the person does not exist.
func (r Rule) WithoutPerson() Rule { r.withoutPerson = true; return r }

// WhileSuspended admits members although the organization is suspended.
func (r Rule) WhileSuspended() Rule { r.suspended = true; return r }

// WhileArchived admits the owner although the organization is archived.
func (r Rule) WhileArchived() Rule { r.archived = true; return r }

// Declared reports whether the rule is not the zero Rule, with which a route can't be
// registered.
func (r Rule) Declared() bool { return r.scope != undeclared }

// IsPublic reports whether the route needs no credential.
func (r Rule) IsPublic() bool { return r.scope == public }

// Recognizes reports whether the gate authenticates callers who send an access token,
// although the route needs none.
func (r Rule) Recognizes() bool { return r.scope == public && r.orSignedIn }

// InPath reports whether the path names the organization, which takes precedence over
// X-Organization-ID and the token.
func (r Rule) InPath() bool { return r.scope == pathOrg }

// ActsInOrganization reports whether the route acts within an organization.
func (r Rule) ActsInOrganization() bool {
	return r.scope == pathOrg || r.scope == activeOrg || r.scope == overUser
}

// isBeyondRoles reports whether no role in an organization suffices: the rule is for
// platform administrators only, or the route acts on another person's account.
func (r Rule) isBeyondRoles(another bool) bool {
	return r.scope == platformAdmin || r.scope == self && another
}

// needed returns the role that the rule requires. A platform administrator with a lower
// role acts as a platform administrator.
func (r Rule) needed() Role {
	if r.orPlatformAdmin {
		return Owner
	}
	return max(r.min, Member)
}

// Refusals returns the gate's possible refusals for the rule, except those of the token.
func (r Rule) Refusals() []*fault.Error {
	// Refusals about the caller's membership in the organization.
	membership := []*fault.Error{ErrOrganizationNotFound, ErrMembershipSuspended, ErrMembershipInactive}
	var list []*fault.Error
	switch r.scope {
	case public:
		if r.orSignedIn {
			return append(membership, ErrInvalidToken)
		}
		return nil
	case undeclared:
		return nil
	case signedIn:
		if r.standing {
			return append(membership, ErrOrganizationSuspended)
		}
		return membership
	case acquaintance:
		return append(membership, ErrUserNotFound)
	case self:
		return append(membership, ErrUserNotFound, ErrNotYours)
	case platformAdmin:
		list = []*fault.Error{ErrOrganizationNotFound, ErrPlatformAdminRequired}
		if !r.withoutPerson {
			list = append(list, ErrUserNotFound)
		}
		return list
	case overUser:
		list = append(list, ErrUserNotFound, ErrOrganizationRequired)
	case activeOrg:
		list = append(list, ErrOrganizationRequired)
	case pathOrg:
	}
	list = append(list, membership...)
	if !r.suspended {
		list = append(list, ErrOrganizationSuspended)
	}
	if r.min > Member {
		list = append(list, ErrInsufficientRole)
	}
	return list
}

// String returns the rule as the route table and the OpenAPI document print it.
func (r Rule) String() string {
	var s string
	switch r.scope {
	case public:
		if r.orSignedIn {
			return "anyone; signed in for more"
		}
		return "anyone"
	case signedIn:
		return "signed in"
	case self:
		if r.orPlatformAdmin {
			return "self or platform administrator"
		}
		return "self"
	case acquaintance:
		return "self or shares an organization"
	case platformAdmin:
		return "platform administrator"
	case activeOrg:
		s = r.min.String() + " of the active organization"
	case overUser:
		s = r.min.String() + " over them in the active organization"
	case pathOrg:
		s = r.min.String() + " of the organization"
	default:
		return "undeclared"
	}
	if r.orSelf {
		s += ", or self in any standing there"
	}
	var while []string
	if r.suspended {
		while = append(while, "suspended")
	}
	if r.archived {
		while = append(while, "archived")
	}
	if len(while) > 0 {
		s += " (also while " + strings.Join(while, " or ") + ")"
	}
	return s
}
