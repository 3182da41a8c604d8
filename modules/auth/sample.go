package auth

import (
	"fmt"
	"time"

	"guildhall/platform/password"
	"guildhall/platform/seed"
)

const (
	sampleSession  seed.Kind = 3
	sampleUsed               = time.Hour
	sampleLifetime           = 7 * 24 * time.Hour
)

func samplePasswords(s seed.Size) []seed.Rows {
	hash := password.HashWithSalt(seed.Password, []byte(seed.Salt))
	return []seed.Rows{{Columns: []string{"user_id", "password_hash", "updated_at"}, Count: s.Users, Row: func(i int64) []any {
		return []any{seed.UserID(i), hash, seed.User.At(i)}
	}}}
}

func sampleSessions(s seed.Size) []seed.Rows {
	return []seed.Rows{{Columns: []string{
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
	}}}
}
