package access

import (
	"strings"

	"github.com/google/uuid"

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
	asMember        bool
	orPlatformAdmin bool
	orSelf          bool
	withoutPerson   bool
	orSignedIn      bool
	byKey           bool
	notByKey        bool
	organizationKey bool
	beforeFactor    bool
	leaves          bool
	stepUp          stepUp
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
	ofAPI         // the accounts of registered APIs
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

// API routes are for the accounts of registered APIs, which have keys and nothing else.
func API() Rule { return Rule{scope: ofAPI} }

// OrOrganizationKey admits the API keys of an organization to an API rule, if their holder has
// the role.
func (r Rule) OrOrganizationKey(least Role) Rule { r.min, r.organizationKey = least, true; return r }

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

// AsMember makes a SignedIn rule refuse an organization in which the caller may not act as a
// member, also to platform administrators, and a suspended one even if the request does not
// name it. It is for a route that tells others that the caller acts there.
func (r Rule) AsMember() Rule { r.asMember = true; return r }

// ByKey admits API keys to a SignedIn rule. Otherwise, routes about the caller themselves take
// none: a key acts in one organization.
func (r Rule) ByKey() Rule { r.byKey = true; return r }

// StepUp requires a recent proof of who the caller is, of two factors if they have a second one
// (step_up_required). It does not concern API keys.
func (r Rule) StepUp() Rule { r.stepUp = recentProof; return r }

// StepUpByFactor requires a recent proof only of people who have a second factor.
func (r Rule) StepUpByFactor() Rule { r.stepUp = recentOfTwo; return r }

// StepUpStrongly requires a recent proof of two factors, and refuses people without a second
// one (mfa_enrolment_required).
func (r Rule) StepUpStrongly() Rule { r.stepUp = recentOfEvery; return r }

// MayStepUp lets the handler ask for a recent proof, by Gate.CheckRecent.
func (r Rule) MayStepUp() Rule { r.stepUp = byHandler; return r }

// BeforeFactor admits members who have not proved the second factor that the organization
// requires.
func (r Rule) BeforeFactor() Rule { r.beforeFactor = true; return r }

// OrLeaving is BeforeFactor for requests about the caller themselves: whoever does not want to set
// up a second factor may leave.
func (r Rule) OrLeaving() Rule { r.leaves = true; return r }

// about returns the rule as it is for a request about a person.
func (r Rule) about(caller, person uuid.UUID) Rule {
	r.beforeFactor = r.beforeFactor || r.leaves && person == caller // mutant: leaving-before-factor
	return r
}

// NotByKey refuses API keys (key_not_allowed), for a route about credentials or ownership.
// For a Public rule, that is a key in the Authorization header.
func (r Rule) NotByKey() Rule { r.notByKey = true; return r }

// TakesKeys reports whether API keys may call the route. A new kind of rule takes none.
func (r Rule) TakesKeys() bool {
	switch r.scope {
	case pathOrg, activeOrg, overUser, acquaintance:
		return !r.notByKey
	case ofAPI:
		return true
	case signedIn:
		return r.byKey
	case public:
		return !r.orSignedIn && !r.notByKey
	default:
		return false
	}
}

// Keys says whether API keys may call the route, for the route table; empty for a route that
// needs no credential.
func (r Rule) Keys() string {
	switch {
	case r.scope == undeclared, r.scope == public && r.TakesKeys():
		return ""
	case !r.TakesKeys():
		return "not by key"
	default:
		return "by key"
	}
}

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
	list := r.refusals()
	policy := !r.beforeFactor && (r.ActsInOrganization() || r.scope == ofAPI && r.organizationKey || r.asMember || r.standing || r.scope == acquaintance)
	if policy || r.stepUp != noProof {
		list = append(list, ErrStepUpRequired)
	}
	if policy || r.stepUp == recentOfEvery {
		list = append(list, ErrFactorRequired)
	}
	if policy && r.TakesKeys() {
		list = append(list, ErrKeyWithoutFactor)
	}
	switch r.Keys() {
	case "not by key":
		return append(list, ErrKeyNotAllowed)
	case "by key":
		return append(list, ErrInsufficientScope)
	default:
		return list
	}
}

func (r Rule) refusals() []*fault.Error {
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
	case ofAPI:
		list = append(list, ErrAPIOnly)
		if !r.organizationKey {
			return list
		}
	case signedIn:
		if r.standing || r.asMember {
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
	s := r.who()
	if r.orSelf {
		s += ", or self in any standing there"
	}
	return s + r.while() + r.proofs()
}

func (r Rule) who() string {
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
	case ofAPI:
		if r.organizationKey {
			return "registered API; the organization's key of its " + r.min.String()
		}
		return "registered API"
	case activeOrg:
		return r.min.String() + " of the active organization"
	case overUser:
		return r.min.String() + " over them in the active organization"
	case pathOrg:
		return r.min.String() + " of the organization"
	default:
		return "undeclared"
	}
}

// while returns in which standing of the organization the rule also admits its members.
func (r Rule) while() string {
	var while []string
	if r.suspended {
		while = append(while, "suspended")
	}
	if r.archived {
		while = append(while, "archived")
	}
	if r.beforeFactor {
		while = append(while, "without the second factor")
	}
	if r.leaves {
		while = append(while, "without the second factor, about oneself")
	}
	if len(while) > 0 {
		return " (also while " + strings.Join(while, " or ") + ")"
	}
	return ""
}
