package auth

import (
	"crypto/sha256"
	"fmt"
	"time"

	"guildhall/platform/password"
	"guildhall/platform/seed"
	"guildhall/platform/token"
)

const (
	sampleSession  seed.Kind = 3
	sampleKey      seed.Kind = 8
	sampleUsed               = time.Hour
	sampleLifetime           = 7 * 24 * time.Hour
)

func samplePasswords(s seed.Size) []seed.Rows {
	hash := password.HashWithSalt(seed.Password, []byte(seed.Salt))
	return []seed.Rows{{Columns: []string{"user_id", "password_hash", "updated_at"}, Count: s.Users, Row: func(i int64) []any {
		return []any{seed.UserID(i), hash, seed.User.At(i)}
	}}}
}

// sampleSessions has an ended log-in of each user, and an API key of each organization.
func sampleSessions(s seed.Size) []seed.Rows {
	return []seed.Rows{sampleLogIns(s), sampleKeys(s)}
}

func sampleLogIns(s seed.Size) seed.Rows {
	return seed.Rows{Columns: []string{
		"id", "user_id", "organization_id", "generation", "created_at", "rotated_at", "expires_at", "revoked_at", "revoked_reason", "address", "client",
	}, Count: s.Users, Row: func(i int64) []any {
		var within any // the organization that they joined first
		if i < s.Members {
			within = seed.OrganizationID(s.OrganizationOf(i))
		}
		began := sampleSession.At(i)
		return []any{
			sampleSession.ID(i), seed.UserID(i), within, int64(1), began, began, began.Add(sampleLifetime), began.Add(sampleUsed), "logged_out",
			fmt.Sprintf("198.51.100.%d", i%256), "sample data",
		}
	}}
}

var sampleKeyNames = [...]string{"CI", "Nightly export", "Monitoring"}

// sampleKeys has the keys of owners. They are live, so that lists show them, and nobody can
// present them: what is hashed is no key.
func sampleKeys(s seed.Size) seed.Rows {
	ends := time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC)
	return seed.Rows{Columns: []string{
		"id", "kind", "user_id", "organization_id", "name", "hint", "scopes", "secret_hash", "created_by", "generation", "created_at", "rotated_at", "expires_at", "address", "client",
	}, Count: s.Organizations, Row: func(i int64) []any {
		owner, _ := s.OwnerOf(i)
		scopes := token.ScopeRead
		if i%3 == 0 {
			scopes += " " + token.ScopeManage
		}
		hash := token.KeyHash(sha256.Sum256(fmt.Appendf(nil, "sample data %d", i)))
		made := sampleKey.At(i)
		return []any{
			sampleKey.ID(i), "key", seed.UserID(owner), seed.OrganizationID(i), sampleKeyNames[i%int64(len(sampleKeyNames))], fmt.Sprintf("guildhall_key_%04d", i%10_000), scopes, hash.String(),
			seed.UserID(owner), int64(1), made, made.Add(sampleUsed), ends, fmt.Sprintf("198.51.100.%d", i%256), "sample data",
		}
	}}
}
