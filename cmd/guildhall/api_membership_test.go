package main

import (
	"strings"
	"sync"
	"testing"
)

func TestAddingAMember(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace, charles := s.person("Ada"), s.person("Grace"), s.person("Charles")
		add := func(b map[string]any) answer { return ada.post(ada.org("/members"), b) }
		a := add(body("email", strings.ToUpper(grace.email))).is(201)
		if a.str("user_id") != grace.id || a.str("role") != "member" || a.str("organization_id") != ada.organization ||
			a.header.Get("Location") != "/api/v1"+ada.org("/members/")+grace.id {
			t.Errorf("added: %s", a.body)
		}
		add(body("user_id", charles.id)).is(201)
		add(body("user_id", grace.id)).is(409, "already_member")
		add(body("user_id", ada.id)).is(409, "already_member")
		add(body("user_id", nowhere)).is(404, "user_not_found")
		add(body("email", "nobody@example.com")).is(404, "user_not_found")
		add(body()).is(422, "validation_failed")
		add(body("user_id", grace.id, "email", grace.email)).is(422, "validation_failed")
		grace.in(ada).post(ada.org("/members"), body("user_id", charles.id)).is(403, "insufficient_role")

		gone := s.person("Gone")
		gone.post("/users/"+gone.id+"/archive", because()).is(200)
		add(body("user_id", gone.id)).is(404, "user_not_found")
		add(body("email", gone.email)).is(404, "user_not_found")

		members := charles.get(ada.org("/members")).is(200).list()
		if len(members) != 3 || members[0]["id"] != ada.id || members[0]["role"] != "owner" || members[1]["email"] != grace.email || members[1]["role"] != "member" {
			t.Errorf("members: %v", members)
		}
	})
}

func TestRemovedAdminLosesPowerAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, charles := s.person("Ada"), s.person("Charles")
		grace := s.person("Grace").joins(ada, true)
		grace.post(ada.org("/members"), body("user_id", charles.id)).is(201)

		ada.delete(ada.org("/admins/" + grace.id)).is(204)
		grace.delete(ada.org("/members/"+charles.id)).is(403, "insufficient_role")
		grace.get(ada.org("/members")).is(200) // still a member
		ada.delete(ada.org("/admins/"+grace.id)).is(404, "admin_not_found")
		if got := ada.get(ada.org("/admins")).is(200); string(got.body) != "[]" {
			t.Errorf("admins: %s", got.body)
		}

		ada.post(ada.org("/admins"), body("user_id", grace.id)).is(201)
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		grace.get(ada.org("/members")).is(404, "organization_not_found")
		if n := s.count("SELECT COUNT(*) FROM organization_admins"); n != 0 {
			t.Error("the grant outlived the membership")
		}
		ada.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		if got := grace.get(ada.org("/permissions/" + grace.id)).is(200).str("permission_level"); got != "member" {
			t.Errorf("added back as %s", got)
		}
	})
}

func TestWhoMayRemoveWhom(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		one, two := s.person("One").joins(ada, true), s.person("Two").joins(ada, true)
		member, other := s.person("Member").joins(ada, false), s.person("Other").joins(ada, false)
		remove := func(who, whom *actor) answer { return who.delete(ada.org("/members/" + whom.id)) }
		remove(member, other).is(403, "insufficient_role")
		remove(member, one).is(403, "insufficient_role")
		remove(one, two).is(403, "equal_or_higher_role")
		remove(one, ada).is(403, "equal_or_higher_role")
		remove(ada, ada).is(409, "owner_required")
		one.delete(ada.org("/members/"+nowhere)).is(404, "member_not_found")
		remove(one, other).is(204)
		remove(member, member).is(204) // leaves
		remove(two, two).is(204)
		remove(ada, one).is(204)
		if members := ada.get(ada.org("/members")).is(200).list(); len(members) != 1 {
			t.Errorf("members: %v", members)
		}
	})
}

func TestStandingOutlivesRemoval(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace := s.person("Grace").joins(ada, false)
		ada.post("/users/"+grace.id+"/suspend", because()).is(200)
		ada.delete(ada.org("/members/" + grace.id)).is(204)
		ada.post(ada.org("/members"), body("user_id", grace.id)).is(201)
		grace.get(ada.org("/members")).is(403, "membership_suspended")
	})
}

func TestGrantingAdmin(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, outsider := s.person("Ada"), s.person("Outsider")
		grace := s.person("Grace").joins(ada, false)
		grant := func(who *actor, id string) answer { return who.post(ada.org("/admins"), body("user_id", id)) }
		grant(grace, grace.id).is(403, "insufficient_role")
		a := grant(ada, grace.id).is(201)
		if a.str("role") != "admin" || a.str("joined_at") == "" {
			t.Errorf("granted: %s", a.body)
		}
		grant(ada, grace.id).is(409, "already_admin")
		grant(ada, outsider.id).is(409, "not_a_member")
		grant(ada, nowhere).is(409, "not_a_member")
		grant(ada, ada.id).is(403, "own_standing")
		grant(grace, outsider.id).is(403, "insufficient_role")
		admins := grace.get(ada.org("/admins")).is(200).list()
		if len(admins) != 1 || admins[0]["id"] != grace.id || admins[0]["role"] != "admin" {
			t.Errorf("admins: %v", admins)
		}
	})
}

func TestTransferringOwnership(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		operator, ada, outsider := s.operator("Operator"), s.person("Ada"), s.person("Outsider")
		grace, charles := s.person("Grace").joins(ada, true), s.person("Charles").joins(ada, false)
		transfer := func(who *actor, id string) answer {
			return who.post(ada.org("/transfer-ownership"), body("new_owner_user_id", id))
		}
		transfer(grace, grace.id).is(403, "insufficient_role")
		transfer(ada, outsider.id).is(409, "not_a_member")
		transfer(ada, nowhere).is(409, "not_a_member")
		transfer(ada, ada.id).is(409, "already_owner")
		ada.post("/users/"+charles.id+"/suspend", because()).is(200)
		transfer(ada, charles.id).is(409, "not_in_good_standing")
		ada.post("/users/"+charles.id+"/activate", nil).is(200)
		operator.post("/users/"+charles.id+"/suspend", body("reason", "r", "scope", "account")).is(200)
		transfer(ada, charles.id).is(409, "not_in_good_standing")

		a := transfer(ada, grace.id).is(200)
		if a.str("owner_user_id") != grace.id || a.str("organization_id") != ada.organization || a.str("message") == "" {
			t.Errorf("transferred: %s", a.body)
		}
		for id, want := range map[string]string{ada.id: "admin", grace.id: "owner"} {
			if got := grace.get(ada.org("/permissions/" + id)).is(200).str("permission_level"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		if admins := grace.get(ada.org("/admins")).list(); len(admins) != 1 || admins[0]["id"] != ada.id {
			t.Errorf("admins: %v", admins)
		}
		transfer(ada, ada.id).is(403, "insufficient_role")
		grace.delete(ada.org("/members/" + ada.id)).is(204)
		grace.get(ada.org("/owner")).is(200)
		operator.post(ada.org("/transfer-ownership"), body("new_owner_user_id", grace.id)).is(409, "already_owner")
	})
}

func TestPermissions(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		admin, member := s.person("Admin").joins(ada, true), s.person("Member").joins(ada, false)
		flags := func(a answer) string {
			var set []string
			for _, name := range []string{"is_owner", "is_admin", "is_member", "can_manage_members", "can_manage_admins", "can_transfer_ownership", "can_access_organization"} {
				if a.object()[name] == true {
					set = append(set, name)
				}
			}
			return a.str("permission_level") + ": " + strings.Join(set, " ")
		}
		for _, c := range []struct {
			who  *actor
			want string
		}{
			{ada, "owner: is_owner is_admin is_member can_manage_members can_manage_admins can_transfer_ownership can_access_organization"},
			{admin, "admin: is_admin is_member can_manage_members can_access_organization"},
			{member, "member: is_member can_access_organization"},
		} {
			if got := flags(admin.get(ada.org("/permissions/" + c.who.id)).is(200)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			c.who.get(ada.org("/permissions/" + c.who.id)).is(200)
			if got := flags(c.who.get(ada.org("/permissions/me")).is(200)); got != c.want {
				t.Errorf("of oneself: %s, want %s", got, c.want)
			}
		}
		s.person("Stranger").get(ada.org("/permissions/me")).is(404, "organization_not_found")
		s.operator("Root").get(ada.org("/permissions/me")).is(404, "member_not_found")
		member.get(ada.org("/permissions/"+ada.id)).is(403, "insufficient_role")
		admin.post("/users/"+member.id+"/suspend", because()).is(200)
		if got := flags(admin.get(ada.org("/permissions/" + member.id)).is(200)); got != "member: is_member" {
			t.Errorf("suspended: %s", got)
		}
		member.get(ada.org("/permissions/me")).is(403, "membership_suspended")
		ada.post(ada.org("/suspend"), because()).is(200)
		admin.get(ada.org("/permissions/me")).is(403, "organization_suspended")
	})
}

// TestThereIsAlwaysOneOwner runs transfers, removals and demotions concurrently. The
// schema and the lock together must leave exactly one owner, who is a member.
func TestThereIsAlwaysOneOwner(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada := s.person("Ada")
		grace, charles := s.person("Grace").joins(ada, true), s.person("Charles").joins(ada, true)
		operator := s.operator("Operator")
		transferTo := func(id string) int {
			return operator.post(ada.org("/transfer-ownership"), body("new_owner_user_id", id)).status
		}
		for range 8 {
			var wg sync.WaitGroup
			for _, race := range []func() int{
				func() int { return transferTo(grace.id) },
				func() int { return transferTo(charles.id) },
				func() int { return operator.delete(ada.org("/members/" + grace.id)).status },
				func() int { return operator.delete(ada.org("/admins/" + charles.id)).status },
				func() int { return operator.delete(ada.org("/members/" + charles.id)).status },
			} {
				wg.Go(func() {
					if status := race(); status >= 500 {
						t.Errorf("status %d", status)
					}
				})
			}
			wg.Wait()
			if n := s.count(`SELECT COUNT(*) FROM organization_owners o JOIN organization_members m
				ON m.organization_id = o.organization_id AND m.user_id = o.user_id WHERE o.organization_id = ?`, ada.organization); n != 1 {
				t.Fatalf("%d owners who are members", n)
			}
			if n := s.count(`SELECT COUNT(*) FROM organization_owners o JOIN organization_admins a
				ON a.organization_id = o.organization_id AND a.user_id = o.user_id`); n != 0 {
				t.Fatal("the owner has an admin grant too")
			}
			for _, who := range []*actor{grace, charles, ada} {
				operator.post(ada.org("/members"), body("user_id", who.id))
			}
			transferTo(ada.id)
		}
	})
}

func TestOfManyAddingAMemberOneDoes(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ada, grace := s.person("Ada"), s.person("Grace")
		oneWins(t, 8, 201, 409, func(int) answer { return ada.post(ada.org("/members"), body("user_id", grace.id)) })
	})
}
