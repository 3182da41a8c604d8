package transfer

import (
	"strings"

	"guildhall/platform/access"
	"guildhall/platform/database"
)

// peopleQuery returns the query for all people that a row of the organization refers
// to: its members, former members, and those who changed its standing or a member's. Of
// people who are not members, it selects only the name and the email address, because
// the organization has no right to more. Its parameters are the organization's id and
// the time.
func (x *export) peopleQuery() string {
	var references []string
	for _, s := range x.shapes {
		for _, c := range s.Columns {
			if c.IsPerson {
				references = append(references, "SELECT "+c.Name+" AS id FROM "+s.table+" WHERE "+s.whose[0]+" = (SELECT organization_id FROM k)")
			}
		}
	}
	hash := "CAST(NULL AS text)"
	if x.options.PasswordHashes {
		hash = memberHash
	}
	order := "u.email_canonical"
	if x.db.Driver() == database.Postgres {
		order += ` COLLATE "C"` // by bytes, as on SQLite
	}
	return `WITH k AS (SELECT ` + x.db.Param("uuid") + ` AS organization_id, ` + x.db.Param("timestamptz") + ` AS now),
			referred AS (` + strings.Join(references, " UNION ") + `)
		SELECT u.id, u.email, p.name,
			CASE WHEN m.user_id IS NOT NULL THEN p.bio END, CASE WHEN m.user_id IS NOT NULL THEN p.avatar_url END,
			u.created_at, u.updated_at, ` + hash + `
		FROM k CROSS JOIN referred r JOIN users u ON u.id = r.id JOIN user_profile p ON p.user_id = u.id
		LEFT JOIN user_login_password h ON h.user_id = u.id
		LEFT JOIN organization_members m ON m.user_id = u.id AND m.organization_id = k.organization_id
		ORDER BY ` + order
}

// memberHash is the password hash of an active member. A person whose account is not
// active here can't log in elsewhere with it either.
// mutant: foreign-passwords
var memberHash = `CASE WHEN m.user_id IS NOT NULL
	AND EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = u.id AND a.organization_id IS NULL AND a.deactivated_at IS NULL)
	AND NOT EXISTS (SELECT 1 FROM user_archives a WHERE a.user_id = u.id AND ` + access.OpenArchive("a") + `)
	AND NOT EXISTS (SELECT 1 FROM user_suspensions s WHERE s.user_id = u.id AND s.organization_id IS NULL
		AND ` + access.OpenSuspension("s", "k.now") + `)
	THEN h.password_hash END`
