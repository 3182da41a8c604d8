package main

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"guildhall/platform/access"
)

// TestTheLastOperatorIsKept checks that the last platform administrator who can log in
// can't be revoked, also if several are revoked at the same time.
func TestTheLastOperatorIsKept(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		c, root, second := s.atServer(), s.operator("Root"), s.operator("Second")
		c.ok("user", "suspend", second.email, "--reason", "x")
		c.fails(1, "is the last platform administrator who can log in", "admin", "revoke", root.email)
		root.get("/users?scope=all").is(200)
		c.ok("admin", "revoke", second.email) // suspended, so not a usable administrator
		c.fails(1, second.email+" is not a platform administrator", "admin", "revoke", second.email)
		c.ok("admin", "revoke", root.email, "--force")
		root.get("/users?scope=all").is(403)

		operators := access.NewPlatformAdmins(s.kernel.DB, s.kernel.Trail, s.kernel.Now)
		all := make([]*actor, 4)
		for i := range all {
			all[i] = s.operator("Operator")
		}
		results := make(chan error, len(all))
		for _, a := range all {
			go func() {
				_, err := operators.Revoke(everything, uuid.MustParse(a.id), false)
				results <- err
			}()
		}
		kept := 0
		for range all {
			switch err := <-results; {
			case errors.Is(err, access.ErrLastPlatformAdmin):
				kept++
			case err != nil:
				t.Error(err)
			}
		}
		if left := s.count("SELECT COUNT(*) FROM platform_administrators"); kept != 1 || left != 1 {
			t.Errorf("%d were kept, %d are left", kept, left)
		}
	})
}
