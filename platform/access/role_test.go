package access

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"guildhall/platform/fault"
)

func TestRolesIncludeTheLowerOnes(t *testing.T) {
	order := []Role{NoRole, Member, Admin, Owner}
	for i, r := range order {
		for j, other := range order {
			if r.Includes(other) != (i >= j) {
				t.Errorf("%s includes %s: %t", r, other, r.Includes(other))
			}
		}
		text, err := json.Marshal(r)
		if want := `"` + []string{"none", "member", "admin", "owner"}[i] + `"`; err != nil || string(text) != want {
			t.Errorf("%s is written as %s (%v)", r, text, err)
		}
	}
	for _, unknown := range []Role{-1, 4, 127} {
		if unknown.String() != "none" {
			t.Errorf("%d is %s", unknown, unknown)
		}
	}
}

func TestRulesInWords(t *testing.T) {
	for want, r := range map[string]Rule{
		"undeclared":                        {},
		"anyone":                            Public(),
		"signed in":                         SignedIn(),
		"self":                              Self(),
		"self or platform administrator":    Self().OrPlatformAdmin(),
		"self or shares an organization":    Acquaintance(),
		"platform administrator":            PlatformAdminOnly(),
		"member of the active organization": Active(Member),
		"admin over them in the active organization":                    OverUser(Admin),
		"owner of the organization":                                     Org(Owner),
		"owner of the organization (also while suspended)":              Org(Owner).WhileSuspended(),
		"owner of the organization (also while archived)":               Org(Owner).WhileArchived(),
		"member of the organization (also while suspended or archived)": Org(Member).WhileArchived().WhileSuspended(),
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if r.Declared() != (want != "undeclared") || r.IsPublic() != (want == "anyone") {
			t.Errorf("%s: declared %t, public %t", want, r.Declared(), r.IsPublic())
		}
	}
	plain := Org(Owner)
	if _ = plain.WhileSuspended(); plain.suspended || !plain.InPath() || Active(Owner).InPath() {
		t.Error("a rule changed, or does not know what is in its path")
	}
}

func TestRefusalsOfARule(t *testing.T) {
	has := func(r Rule, e *fault.Error) bool {
		return slices.ContainsFunc(r.Refusals(), func(f *fault.Error) bool { return errors.Is(f, e) })
	}
	if len(Public().Refusals()) != 0 || len(Rule{}.Refusals()) != 0 {
		t.Error("a public route has refusals")
	}
	for _, c := range []struct {
		rule Rule
		e    *fault.Error
		want bool
	}{
		{Org(Member), ErrInsufficientRole, false}, {Org(Admin), ErrInsufficientRole, true},
		{Org(Owner), ErrOrganizationSuspended, true}, {Org(Owner).WhileSuspended(), ErrOrganizationSuspended, false},
		{Org(Owner), ErrOrganizationRequired, false}, {Active(Member), ErrOrganizationRequired, true},
		{OverUser(Admin), ErrUserNotFound, true}, {Active(Member), ErrUserNotFound, false},
		{Self(), ErrNotYours, true}, {Acquaintance(), ErrNotYours, false}, {PlatformAdminOnly(), ErrPlatformAdminRequired, true},
		{PlatformAdminOnly(), ErrUserNotFound, true}, {PlatformAdminOnly().WithoutPerson(), ErrPlatformAdminRequired, true}, {PlatformAdminOnly().WithoutPerson(), ErrUserNotFound, false},
	} {
		if has(c.rule, c.e) != c.want {
			t.Errorf("%s: %s %t", c.rule, c.e.Code, !c.want)
		}
	}
}

// good returns a standing with which nothing is refused.
func good(role Role) Standing {
	return Standing{SessionLive: true, AccountActive: true, OrganizationExists: true, MembershipActive: true, Role: role}
}

func with(s Standing, change func(*Standing)) Standing { change(&s); return s }

// TestDecideOrganization checks the order of the refusals: none reveals more than the
// caller may know.
func TestDecideOrganization(t *testing.T) {
	suspended := func(s *Standing) { s.MembershipSuspended = true }
	inactive := func(s *Standing) { s.MembershipActive = false }
	orgSuspended := func(s *Standing) { s.OrganizationSuspended = true }
	archived := func(s *Standing) { s.OrganizationArchived = true }
	operator := func(s *Standing) { s.PlatformAdmin = true }
	gone := func(s *Standing) { s.OrganizationExists = false }
	all := func(changes ...func(*Standing)) func(*Standing) {
		return func(s *Standing) {
			for _, c := range changes {
				c(s)
			}
		}
	}
	for _, c := range []struct {
		name string
		rule Rule
		s    Standing
		want *fault.Error
	}{
		{"member", Org(Member), good(Member), nil},
		{"member as admin", Org(Admin), good(Member), ErrInsufficientRole},
		{"admin as owner", Org(Owner), good(Admin), ErrInsufficientRole},
		{"owner as admin", Org(Admin), good(Owner), nil},
		{"stranger", Org(Member), good(NoRole), ErrOrganizationNotFound},
		{"no organization", Org(Member), with(Standing{}, operator), ErrOrganizationNotFound},
		{"operator, no organization", Org(Member), with(good(Owner), all(operator, gone)), ErrOrganizationNotFound},
		{"operator, stranger", Org(Owner), with(good(NoRole), operator), nil},
		{"operator, suspended everywhere", Org(Owner), with(good(Member), all(operator, suspended, inactive, orgSuspended)), nil},
		{"operator, archived", Org(Owner), with(good(NoRole), all(operator, archived)), ErrOrganizationNotFound},
		{"operator, archived, rule", Org(Owner).WhileArchived(), with(good(NoRole), all(operator, archived)), nil},
		{"suspended before inactive", Org(Owner), with(good(Member), all(suspended, inactive, orgSuspended)), ErrMembershipSuspended},
		{"inactive before suspended organization", Org(Owner), with(good(Member), all(inactive, orgSuspended)), ErrMembershipInactive},
		{"organization before role", Org(Owner), with(good(Member), orgSuspended), ErrOrganizationSuspended},
		{"organization, rule", Org(Owner).WhileSuspended(), with(good(Member), orgSuspended), ErrInsufficientRole},
		{"stranger of a suspended one", Org(Member), with(good(NoRole), orgSuspended), ErrOrganizationNotFound},
		{"suspended stranger", Org(Member), with(good(NoRole), suspended), ErrOrganizationNotFound},
		{"owner, archived", Org(Member), with(good(Owner), archived), ErrOrganizationNotFound},
		{"owner, archived, rule", Org(Owner).WhileArchived(), with(good(Owner), archived), nil},
		{"admin, archived, rule", Org(Member).WhileArchived(), with(good(Admin), archived), ErrOrganizationNotFound},
		{"suspended owner, archived, rule", Org(Owner).WhileArchived(), with(good(Owner), all(archived, suspended)), ErrOrganizationNotFound},
		{"suspended member, archived", Org(Member), with(good(Member), all(archived, suspended)), ErrOrganizationNotFound},
	} {
		err := decideOrganization(c.rule, c.s, false)
		if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	for _, c := range []struct {
		name string
		s    Standing
		want error
	}{
		{"member about themselves", good(Member), nil},
		{"suspended and inactive, about themselves", with(good(Member), all(suspended, inactive)), nil},
		{"organization suspended, about themselves", with(good(Member), orgSuspended), ErrOrganizationSuspended},
		{"organization archived, about themselves", with(good(Member), archived), ErrOrganizationNotFound},
		{"stranger about themselves", good(NoRole), ErrOrganizationNotFound},
	} {
		if err := decideOrganization(Org(Admin).OrSelf(), c.s, true); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestStanding(t *testing.T) {
	if !good(Member).AccountGood() || !good(Member).MembershipGood() || !good(Member).Present() {
		t.Error("good standing is not good")
	}
	for name, change := range map[string]func(*Standing){
		"inactive": func(s *Standing) { s.AccountActive = false }, "suspended": func(s *Standing) { s.AccountSuspended = true }, "archived": func(s *Standing) { s.AccountArchived = true },
	} {
		if with(good(Owner), change).AccountGood() {
			t.Errorf("%s is good", name)
		}
	}
	if (Standing{}).AccountGood() || (Standing{}).MembershipGood() || (Standing{}).Present() {
		t.Error("the zero standing is good")
	}
}

// TestCheckOutranks: no caller may act on themselves, nor on an equal or higher role.
func TestCheckOutranks(t *testing.T) {
	me, other := uuid.New(), uuid.New()
	for _, mine := range []Role{NoRole, Member, Admin, Owner} {
		for _, theirs := range []Role{NoRole, Member, Admin, Owner} {
			for _, operator := range []bool{false, true} {
				h := Locked{Caller: Caller{UserID: me, Role: mine, PlatformAdmin: operator}, Target: Standing{Role: theirs}, targetID: other}
				var want error
				switch {
				case operator:
				case mine < Admin:
					want = ErrInsufficientRole
				case theirs >= mine:
					want = ErrEqualOrHigherRole
				}
				if err := h.CheckOutranks(); !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Errorf("%s over %s (operator %t): %v, want %v", mine, theirs, operator, err, want)
				}
				h.targetID = me
				if err := h.CheckOutranks(); !errors.Is(err, ErrOwnStanding) {
					t.Errorf("%s over themselves (operator %t): %v", mine, operator, err)
				}
			}
		}
	}
}

func TestCallers(t *testing.T) {
	if c := From(context.Background()); c.UserID != uuid.Nil || c.May(Member) || c.PlatformAdmin {
		t.Errorf("a context without a caller has %+v", c)
	}
	c := Caller{UserID: uuid.New(), Role: Admin, PlatformAdmin: true}
	if got := From(With(context.Background(), c)); got != c {
		t.Errorf("%+v", got)
	}
	if !c.May(Owner) || !c.ActsAsPlatformAdmin(Owner) || c.ActsAsPlatformAdmin(Admin) || (Caller{Role: Admin}).May(Owner) || (Caller{Role: Admin}).ActsAsPlatformAdmin(Owner) {
		t.Error("a platform administrator is not distinguished from a role")
	}
	if _, err := c.Active(); !errors.Is(err, ErrOrganizationRequired) {
		t.Error(err)
	}
	c.OrganizationID = uuid.NullUUID{UUID: uuid.New(), Valid: true}
	if id, err := c.Active(); err != nil || id != c.OrganizationID.UUID {
		t.Error(id, err)
	}
}
