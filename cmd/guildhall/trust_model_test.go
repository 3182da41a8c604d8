package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The model is a second implementation of the contract's rules on roles and standing, as
// simple as possible: maps in memory, one request after the other.

const (
	none = iota
	member
	admin
	owner
)

type modelSuspension struct {
	until      time.Time // zero: until it is lifted
	byOperator bool
}

type modelStanding struct {
	active    bool
	suspended *modelSuspension
}

type modelUser struct {
	id, email string
	account   modelStanding
	archived  bool
	operator  bool
}

type modelOrganization struct {
	id        string
	archived  bool
	suspended *modelSuspension
	roles     map[string]int
	standing  map[string]*modelStanding
}

// modelClient is a session as its client knows it.
type modelClient struct {
	user            *modelUser
	access, refresh string
	organization    string // of the token
	live            bool
}

type model struct {
	now           func() time.Time
	users         map[string]*modelUser
	organizations map[string]*modelOrganization
	clients       []*modelClient
}

func (m *model) open(s *modelSuspension) bool {
	return s != nil && (s.until.IsZero() || s.until.After(m.now()))
}

func (m *model) good(s modelStanding) bool { return s.active && !m.open(s.suspended) }

func (m *model) accountGood(u *modelUser) bool { return m.good(u.account) && !u.archived }

func (m *model) role(o *modelOrganization, userID string) int {
	if o == nil {
		return none
	}
	return o.roles[userID]
}

func (m *model) memberGood(o *modelOrganization, userID string) bool {
	return m.role(o, userID) >= member && m.good(*o.standing[userID])
}

// verdict is a status and, for a problem, its code.
type verdict struct {
	status int
	code   string
}

func (v verdict) String() string { return strings.TrimSpace(fmt.Sprint(v.status, " ", v.code)) }

var fine = verdict{200, ""}

// rule is an operation's permission, as in the contract's table.
type rule struct {
	about     string // organization, active, over, self, selfOrOperator, acquaintance, operator, signedIn
	min       int
	suspended bool // also while the organization is suspended
	archived  bool
}

// in decides on a request within an organization.
func (m *model) in(r rule, u *modelUser, o *modelOrganization) verdict {
	role := m.role(o, u.id)
	switch {
	case o == nil || role == none && !u.operator:
		return verdict{404, "organization_not_found"}
	case o.archived && !(r.archived && (u.operator || role == owner && m.memberGood(o, u.id))):
		return verdict{404, "organization_not_found"}
	case u.operator:
		return fine
	case m.open(o.standing[u.id].suspended):
		return verdict{403, "membership_suspended"}
	case !o.standing[u.id].active:
		return verdict{403, "membership_inactive"}
	case m.open(o.suspended) && !r.suspended:
		return verdict{403, "organization_suspended"}
	case role < r.min:
		return verdict{403, "insufficient_role"}
	}
	return fine
}

// sees reports whether a user may know of another.
func (m *model) sees(u *modelUser, other string) bool {
	if m.users[other] == nil {
		return false
	}
	if u.id == other || u.operator {
		return true
	}
	for _, o := range m.organizations {
		if o.roles[other] >= member && m.memberGood(o, u.id) && !o.archived && !m.open(o.suspended) {
			return true
		}
	}
	return false
}

// about returns a refusal that concerns another user, or user_not_found if the caller may
// not know of them.
func (m *model) about(u *modelUser, other string, v verdict) verdict {
	if !m.sees(u, other) {
		return verdict{404, "user_not_found"}
	}
	return v
}

// admit models the gate. It returns the resulting active organization: a token's may have
// been lost.
func (m *model) admit(r rule, c *modelClient, path, target string) (verdict, *modelOrganization) {
	u := c.user
	if !c.live || !m.accountGood(u) {
		return verdict{401, "invalid_token"}, nil
	}
	active := m.organizations[c.organization]
	left := active
	if !(active != nil && (u.operator && !active.archived || m.role(active, u.id) >= member && !active.archived && m.memberGood(active, u.id))) {
		left = nil
	}
	switch r.about {
	case "organization":
		o := m.organizations[path]
		return m.in(r, u, o), o
	case "active", "over":
		if c.organization == "" || u.operator && active.archived {
			if u.operator {
				return fine, nil
			}
			return verdict{403, "organization_required"}, nil
		}
		v := m.in(r, u, active)
		if v.code == "insufficient_role" && r.about == "over" {
			v = m.about(u, target, v)
		}
		return v, active
	case "self", "selfOrOperator":
		if target == u.id || r.about == "selfOrOperator" && u.operator {
			return fine, left
		}
		return m.about(u, target, verdict{403, "not_yourself"}), left
	case "acquaintance":
		return m.about(u, target, fine), left
	case "operator":
		if u.operator {
			return fine, left
		}
		return m.about(u, target, verdict{403, "platform_administrator_required"}), left
	}
	return fine, left
}

// over decides on a change of another user's role or standing in an organization.
func (m *model) over(u *modelUser, o *modelOrganization, target string) verdict {
	mine := none
	if m.memberGood(o, u.id) {
		mine = m.role(o, u.id)
	}
	switch {
	case target == u.id:
		return verdict{403, "own_standing"}
	case u.operator:
		return fine
	case mine < admin:
		return verdict{403, "insufficient_role"}
	case m.role(o, target) >= mine:
		return verdict{403, "equal_or_higher_role"}
	}
	return fine
}

// endSessions logs out the clients of an account that may no longer act.
func (m *model) endSessions(userID string, but *modelClient) {
	for _, c := range m.clients {
		if c.user.id == userID && c != but {
			c.live = false
		}
	}
}

// operation is one request and its expected effect.
type operation struct {
	name, method, path string
	body               any
	// expect returns the verdict in the current state of the model. If the request succeeds,
	// it also applies its effect.
	expect func() verdict
	// after applies what only the answer contains, such as ids and tokens.
	after func(a answer)
}

// random chooses a client's next operation.
func (m *model) random(r *rand.Rand, c *modelClient) operation {
	ids := slices.Sorted(maps.Keys(m.organizations))
	people := slices.Sorted(maps.Keys(m.users))
	o := ids[r.IntN(min(3, len(ids)))] // mostly the busy ones
	if r.IntN(8) == 0 {
		o = ids[r.IntN(len(ids))]
	}
	if r.IntN(40) == 0 {
		o = uuid.NewString()
	}
	target := people[r.IntN(len(people))]
	if r.IntN(40) == 0 {
		target = uuid.NewString()
	}
	var until time.Time
	if r.IntN(2) == 0 {
		until = m.now().Add(time.Duration(1+r.IntN(5)) * time.Hour).Truncate(time.Microsecond)
	}
	org := func(name, method, rest string, ru rule, b any, do func(u *modelUser, o *modelOrganization) verdict) operation {
		ru.about = "organization"
		return operation{name, method, "/organizations/" + o + rest, b, func() verdict {
			v, org := m.admit(ru, c, o, target)
			if v != fine {
				return v
			}
			return do(c.user, org)
		}, nil}
	}
	ok := func(*modelUser, *modelOrganization) verdict { return fine }
	user := func(name, method, rest string, ru rule, b any, do func(u *modelUser, active *modelOrganization) verdict) operation {
		return operation{name, method, "/users/" + target + rest, b, func() verdict {
			v, active := m.admit(ru, c, "", target)
			if v != fine {
				return v
			}
			return do(c.user, active)
		}, nil}
	}
	account := r.IntN(4) == 0
	// standing applies one change of standing, in its scope.
	standing := func(name string, b map[string]any, change func(s *modelStanding, isOwner bool, of *modelUser) verdict) operation {
		if account {
			b["scope"] = "account"
		}
		return user(name, "POST", "/"+name, rule{about: "over", min: admin}, b, func(u *modelUser, active *modelOrganization) verdict {
			if account {
				switch t := m.users[target]; {
				case !u.operator:
					return verdict{403, "platform_administrator_required"}
				case target == u.id:
					return verdict{403, "own_standing"}
				case t == nil:
					return verdict{404, "user_not_found"}
				default:
					return change(&t.account, false, t)
				}
			}
			if active == nil {
				return verdict{403, "organization_required"}
			}
			if m.role(active, target) == none {
				return verdict{404, "user_not_found"}
			}
			if v := m.over(u, active, target); v != fine {
				return v
			}
			return change(active.standing[target], m.role(active, target) == owner, nil)
		})
	}
	suspension := map[string]any{"reason": "model"}
	if !until.IsZero() {
		suspension["suspended_until"] = until.Format(time.RFC3339Nano)
	}
	take := func(a answer) {
		c.access, c.refresh, c.organization = a.str("access_token"), a.str("refresh_token"), a.str("organization_id")
	}
	all := []func() operation{
		func() operation {
			return org("get organization", "GET", "", rule{min: member, suspended: true, archived: true}, nil, ok)
		},
		func() operation { return org("rename", "PATCH", "", rule{min: admin}, body("name", "x"), ok) },
		func() operation { return org("list members", "GET", "/members", rule{min: member}, nil, ok) },
		func() operation { return org("list admins", "GET", "/admins", rule{min: member}, nil, ok) },
		func() operation { return org("get owner", "GET", "/owner", rule{min: member}, nil, ok) },
		func() operation {
			return org("organization's audit events", "GET", "/audit-events?limit=5", rule{min: admin, suspended: true, archived: true}, nil, ok)
		},
		func() operation {
			return org("permissions", "GET", "/permissions/"+target, rule{min: member}, nil, func(u *modelUser, o *modelOrganization) verdict {
				if target != u.id && !u.operator && m.role(o, u.id) < admin {
					return verdict{403, "insufficient_role"}
				}
				if m.role(o, target) == none {
					return verdict{404, "member_not_found"}
				}
				return fine
			})
		},
		func() operation {
			return org("add member", "POST", "/members", rule{min: admin}, body("user_id", target), func(_ *modelUser, o *modelOrganization) verdict {
				t := m.users[target]
				if t == nil || t.archived {
					return verdict{404, "user_not_found"}
				}
				if m.role(o, target) != none {
					return verdict{409, "already_member"}
				}
				o.roles[target] = member
				if o.standing[target] == nil {
					o.standing[target] = &modelStanding{active: true}
				}
				return verdict{201, ""}
			})
		},
		func() operation {
			return org("remove member", "DELETE", "/members/"+target, rule{min: member}, nil, func(u *modelUser, o *modelOrganization) verdict {
				role := m.role(o, target)
				if target != u.id && !u.operator && m.role(o, u.id) < admin {
					return verdict{403, "insufficient_role"}
				}
				if role == none {
					return verdict{404, "member_not_found"}
				}
				if target != u.id {
					if v := m.over(u, o, target); v != fine {
						return v
					}
				}
				if role == owner {
					return verdict{409, "owner_required"}
				}
				delete(o.roles, target)
				return verdict{204, ""}
			})
		},
		func() operation {
			return org("grant admin", "POST", "/admins", rule{min: owner}, body("user_id", target), func(u *modelUser, o *modelOrganization) verdict {
				switch role := m.role(o, target); {
				case role == none:
					return verdict{409, "not_a_member"}
				case target == u.id:
					return verdict{403, "own_standing"}
				case role >= admin:
					return verdict{409, "already_admin"}
				}
				o.roles[target] = admin
				return verdict{201, ""}
			})
		},
		func() operation {
			return org("revoke admin", "DELETE", "/admins/"+target, rule{min: owner}, nil, func(u *modelUser, o *modelOrganization) verdict {
				if m.role(o, target) != admin {
					return verdict{404, "admin_not_found"}
				}
				if v := m.over(u, o, target); v != fine {
					return v
				}
				o.roles[target] = member
				return verdict{204, ""}
			})
		},
		func() operation {
			return org("transfer", "POST", "/transfer-ownership", rule{min: owner}, body("new_owner_user_id", target), func(_ *modelUser, o *modelOrganization) verdict {
				switch t := m.users[target]; {
				case t == nil || m.role(o, target) == none:
					return verdict{409, "not_a_member"}
				case m.role(o, target) == owner:
					return verdict{409, "already_owner"}
				case !m.accountGood(t) || !m.memberGood(o, target):
					return verdict{409, "not_in_good_standing"}
				}
				for id, role := range o.roles {
					if role == owner {
						o.roles[id] = admin
					}
				}
				o.roles[target] = owner
				return fine
			})
		},
		func() operation {
			return org("suspend organization", "POST", "/suspend", rule{min: owner, suspended: true}, suspension, func(u *modelUser, o *modelOrganization) verdict {
				if m.open(o.suspended) {
					return verdict{409, "already_suspended"}
				}
				o.suspended = &modelSuspension{until, !(m.memberGood(o, u.id) && m.role(o, u.id) == owner)}
				return fine
			})
		},
		func() operation {
			return org("activate organization", "POST", "/activate", rule{min: owner, suspended: true}, nil, func(u *modelUser, o *modelOrganization) verdict {
				if m.open(o.suspended) && o.suspended.byOperator && !u.operator {
					return verdict{403, "suspended_by_platform"}
				}
				o.suspended = nil
				return fine
			})
		},
		func() operation {
			return org("archive organization", "POST", "/archive", rule{min: owner, suspended: true, archived: true}, because(), func(_ *modelUser, o *modelOrganization) verdict {
				if o.archived {
					return verdict{409, "already_archived"}
				}
				o.archived = true
				return fine
			})
		},
		func() operation {
			return org("unarchive organization", "POST", "/unarchive", rule{min: owner, suspended: true, archived: true}, nil, func(_ *modelUser, o *modelOrganization) verdict {
				if !o.archived {
					return verdict{409, "not_archived"}
				}
				o.archived = false
				return fine
			})
		},
		func() operation {
			return standing("suspend", suspension, func(s *modelStanding, isOwner bool, of *modelUser) verdict {
				switch {
				case isOwner:
					return verdict{409, "owner_required"}
				case m.open(s.suspended):
					return verdict{409, "already_suspended"}
				}
				s.suspended = &modelSuspension{until: until}
				if of != nil {
					m.endSessions(of.id, nil)
				}
				return fine
			})
		},
		func() operation {
			return standing("deactivate", body(), func(s *modelStanding, isOwner bool, of *modelUser) verdict {
				if isOwner {
					return verdict{409, "owner_required"}
				}
				s.active = false
				if of != nil {
					m.endSessions(of.id, nil)
				}
				return fine
			})
		},
		func() operation {
			return standing("activate", body(), func(s *modelStanding, _ bool, of *modelUser) verdict {
				if of != nil && of.archived {
					return verdict{409, "account_archived"}
				}
				s.active, s.suspended = true, nil
				return fine
			})
		},
		func() operation {
			return user("get user", "GET", "", rule{about: "acquaintance"}, nil, ok)
		},
		func() operation {
			return user("profile", "PATCH", "/profile", rule{about: "self"}, body("bio", "x"), ok)
		},
		func() operation {
			return user("user's audit events", "GET", "/audit-events?limit=5", rule{about: "selfOrOperator"}, nil, func(*modelUser, *modelOrganization) verdict {
				if m.users[target] == nil {
					return verdict{404, "user_not_found"}
				}
				return fine
			})
		},
		func() operation {
			return operation{"me", "GET", "/auth/me", nil, func() verdict { v, _ := m.admit(rule{about: "signedIn"}, c, "", ""); return v }, nil}
		},
		func() operation {
			return operation{"my organizations", "GET", "/auth/me/organizations", nil, func() verdict { v, _ := m.admit(rule{about: "signedIn"}, c, "", ""); return v }, nil}
		},
		func() operation {
			return operation{"list organizations", "GET", "/organizations?limit=50", nil, func() verdict { v, _ := m.admit(rule{about: "signedIn"}, c, "", ""); return v }, nil}
		},
		func() operation {
			return operation{"sessions", "GET", "/auth/sessions?limit=5", nil, func() verdict { v, _ := m.admit(rule{about: "signedIn"}, c, "", ""); return v }, nil}
		},
		func() operation {
			return operation{"list users", "GET", "/users?limit=5", nil, func() verdict {
				v, active := m.admit(rule{about: "active", min: member}, c, "", "")
				if v == fine && active == nil {
					return verdict{403, "organization_required"}
				}
				return v
			}, nil}
		},
		func() operation {
			return operation{"refresh", "POST", "/auth/refresh", body("refresh_token", c.refresh), func() verdict {
				if !c.live || !m.accountGood(c.user) {
					return verdict{401, "invalid_refresh_token"}
				}
				return fine
			}, take}
		},
		func() operation {
			return operation{"switch", "POST", "/auth/switch-organization", body("organization_id", o), func() verdict {
				v, _ := m.admit(rule{about: "signedIn"}, c, "", "")
				to := m.organizations[o]
				switch {
				case v != fine:
					return v
				case m.role(to, c.user.id) == none || to.archived:
					return verdict{404, "organization_not_found"}
				case m.open(to.standing[c.user.id].suspended):
					return verdict{403, "membership_suspended"}
				case !to.standing[c.user.id].active:
					return verdict{403, "membership_inactive"}
				case m.open(to.suspended):
					return verdict{403, "organization_suspended"}
				}
				return fine
			}, take}
		},
	}
	// Operations that suspend or remove are rarer.
	rare := []func() operation{
		func() operation {
			return operation{"found an organization", "POST", "/organizations", body("name", "x"), func() verdict {
				if v, _ := m.admit(rule{about: "signedIn"}, c, "", ""); v != fine {
					return v
				}
				return verdict{201, ""}
			}, func(a answer) {
				m.organizations[a.str("id")] = &modelOrganization{
					id: a.str("id"), roles: map[string]int{c.user.id: owner}, standing: map[string]*modelStanding{c.user.id: {active: true}},
				}
			}}
		},
		func() operation {
			return operation{"log in", "POST", "/auth/token", body("username", c.user.email, "password", password), func() verdict {
				switch u := c.user; {
				case u.archived:
					return verdict{403, "account_archived"}
				case m.open(u.account.suspended):
					return verdict{403, "account_suspended"}
				case !u.account.active:
					return verdict{403, "account_inactive"}
				}
				return fine
			}, func(a answer) { take(a); c.live = true }}
		},
		func() operation {
			target = c.user.id
			return user("change password", "PATCH", "/password", rule{about: "self"}, body("old_password", password, "new_password", password), func(u *modelUser, _ *modelOrganization) verdict {
				m.endSessions(u.id, c)
				return verdict{204, ""}
			})
		},
		func() operation {
			if target == c.user.id && c.user.operator {
				target = uuid.NewString() // never the operator
			}
			return user("archive user", "POST", "/archive", rule{about: "selfOrOperator"}, because(), func(*modelUser, *modelOrganization) verdict {
				t := m.users[target]
				if t == nil {
					return verdict{404, "user_not_found"}
				}
				if t.archived {
					return verdict{409, "already_archived"}
				}
				var alone []*modelOrganization
				for _, o := range m.organizations {
					if o.roles[target] == owner && !o.archived {
						if len(o.roles) > 1 {
							return verdict{409, "owner_required"}
						}
						alone = append(alone, o)
					}
				}
				for _, o := range alone {
					o.archived = true
				}
				t.archived, t.account.active = true, false
				m.endSessions(target, nil)
				return fine
			})
		},
		func() operation {
			return user("unarchive user", "POST", "/unarchive", rule{about: "operator"}, nil, func(*modelUser, *modelOrganization) verdict {
				t := m.users[target]
				if t == nil {
					return verdict{404, "user_not_found"}
				}
				if !t.archived {
					return verdict{409, "not_archived"}
				}
				t.archived, t.account.active = false, true
				return fine
			})
		},
		func() operation {
			return operation{"log out", "POST", "/auth/logout", nil, func() verdict {
				v, _ := m.admit(rule{about: "signedIn"}, c, "", "")
				if v != fine {
					return v
				}
				c.live = false
				return verdict{204, ""}
			}, nil}
		},
	}
	if r.IntN(30) == 0 {
		return rare[r.IntN(len(rare))]()
	}
	return all[r.IntN(len(all))]()
}
