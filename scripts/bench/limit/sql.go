package main

import "strings"

// The standing of a user ($1), their session ($2) and an organization ($3) at a time ($4), as
// one number of bits that each may refuse the request. The parameters are in a one-row table,
// so that SQLite does not prepare the statement again for each value.
const (
	standing = `(CASE WHEN s.id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN ua.id IS NULL THEN 0 ELSE 2 END)
	+ (CASE WHEN us.id IS NULL THEN 0 ELSE 4 END) + (CASE WHEN ux.id IS NULL THEN 0 ELSE 8 END)
	+ (CASE WHEN pa.user_id IS NULL THEN 0 ELSE 16 END) + (CASE WHEN o.id IS NULL THEN 0 ELSE 32 END)
	+ (CASE WHEN os.id IS NULL THEN 0 ELSE 64 END) + (CASE WHEN oa.id IS NULL THEN 0 ELSE 256 END)
	+ (CASE WHEN m.user_id IS NULL THEN 0 ELSE 512 END) + (CASE WHEN ad.user_id IS NULL THEN 0 ELSE 1024 END)
	+ (CASE WHEN ow.user_id IS NULL THEN 0 ELSE 2048 END) + (CASE WHEN ma.id IS NULL THEN 0 ELSE 4096 END)
	+ (CASE WHEN ms.id IS NULL THEN 0 ELSE 8192 END)`
	parameters = ` FROM (SELECT $1::uuid AS user_id, $2::uuid AS session_id, $3::uuid AS organization_id, $4::timestamptz AS now) k`
	joins      = ` JOIN users u ON u.id = k.user_id
	LEFT JOIN sessions s ON s.id = k.session_id AND s.user_id = u.id AND s.revoked_at IS NULL AND s.expires_at > k.now
	LEFT JOIN user_active_status ua ON ua.user_id = k.user_id AND ua.organization_id IS NULL AND ua.deactivated_at IS NULL
	LEFT JOIN user_suspensions us ON us.user_id = k.user_id AND us.organization_id IS NULL AND us.lifted_at IS NULL
		AND (us.suspended_until IS NULL OR us.suspended_until > k.now)
	LEFT JOIN user_archives ux ON ux.user_id = k.user_id AND ux.restored_at IS NULL
	LEFT JOIN platform_administrators pa ON pa.user_id = k.user_id
	LEFT JOIN organizations o ON o.id = k.organization_id
	LEFT JOIN organization_suspensions os ON os.organization_id = k.organization_id AND os.lifted_at IS NULL
		AND (os.suspended_until IS NULL OR os.suspended_until > k.now)
	LEFT JOIN organization_archives oa ON oa.organization_id = k.organization_id AND oa.restored_at IS NULL
	LEFT JOIN organization_members m ON m.organization_id = k.organization_id AND m.user_id = k.user_id
	LEFT JOIN organization_admins ad ON ad.organization_id = k.organization_id AND ad.user_id = k.user_id
	LEFT JOIN organization_owners ow ON ow.organization_id = k.organization_id AND ow.user_id = k.user_id
	LEFT JOIN user_active_status ma ON ma.user_id = k.user_id AND ma.organization_id = k.organization_id AND ma.deactivated_at IS NULL
	LEFT JOIN user_suspensions ms ON ms.user_id = k.user_id AND ms.organization_id = k.organization_id AND ms.lifted_at IS NULL
		AND (ms.suspended_until IS NULL OR ms.suspended_until > k.now)`
)

const (
	sessionLive = 1 << iota
	accountActive
	accountSuspended
	accountArchived
	operator
	organizationExists
	organizationSuspended
	_
	organizationArchived
	isMember
	isAdmin
	isOwner
	membershipActive
	membershipSuspended
)

// may reports whether the bits allow what an admin, or a member, may do.
func may(bits int, asAdmin bool) bool {
	const needed = sessionLive | accountActive | organizationExists | isMember | membershipActive
	const refused = accountSuspended | accountArchived | organizationSuspended | organizationArchived | membershipSuspended
	return bits&needed == needed && bits&refused == 0 && (!asAdmin || bits&(isAdmin|isOwner) != 0)
}

func signedIn(bits int) bool {
	return bits&(sessionLive|accountActive|accountSuspended|accountArchived) == sessionLive|accountActive
}

func role(bits int) string {
	switch {
	case bits&isOwner != 0:
		return "owner"
	case bits&isAdmin != 0:
		return "admin"
	default:
		return "member"
	}
}

func accountStanding(bits int) string {
	if bits&accountArchived != 0 {
		return "archived"
	}
	return standingOf(bits&accountActive != 0, bits&accountSuspended != 0)
}

func membershipStanding(bits int) string {
	return standingOf(bits&membershipActive != 0, bits&membershipSuspended != 0)
}

func standingOf(active, suspended bool) string {
	switch {
	case suspended:
		return "suspended"
	case !active:
		return "inactive"
	default:
		return "good"
	}
}

func memberStanding(bits int) string {
	account, membership := accountStanding(bits), membershipStanding(bits)
	switch {
	case account == "archived" || account == "suspended" || membership == "good":
		return account
	default:
		return membership
	}
}

// texts returns the statements. Both databases number parameters with $.
func texts(postgres bool) map[string]string {
	all := map[string]string{
		"standing": "SELECT " + standing + parameters + joins,
		"me": "SELECT " + standing + ", u.email, p.name, p.bio, p.avatar_url, u.email_verified_at IS NOT NULL, u.locale, u.created_at, u.updated_at, o.name" +
			parameters + joins + " JOIN user_profile p ON p.user_id = k.user_id",
		"organization": "SELECT " + standing + ", o.name, o.created_at, o.updated_at, sa.id IS NOT NULL" + parameters + joins +
			" LEFT JOIN organization_active_status sa ON sa.organization_id = k.organization_id AND sa.deactivated_at IS NULL",
		"members": `SELECT m.user_id, u.email, p.name, p.avatar_url, m.joined_at,
			(CASE WHEN ow.user_id IS NOT NULL THEN 2048 WHEN ad.user_id IS NOT NULL THEN 1024 ELSE 512 END)
			+ (CASE WHEN ua.id IS NULL THEN 0 ELSE 2 END) + (CASE WHEN us.id IS NULL THEN 0 ELSE 4 END)
			+ (CASE WHEN ux.id IS NULL THEN 0 ELSE 8 END) + (CASE WHEN ma.id IS NULL THEN 0 ELSE 4096 END)
			+ (CASE WHEN ms.id IS NULL THEN 0 ELSE 8192 END), EXISTS (SELECT 1 FROM service_accounts sv WHERE sv.user_id = m.user_id)
			FROM (SELECT organization_id, user_id, joined_at FROM organization_members
				WHERE organization_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3 OFFSET $4) m
			CROSS JOIN (SELECT $5::timestamptz AS now) k
			JOIN users u ON u.id = m.user_id
			JOIN user_profile p ON p.user_id = m.user_id
			LEFT JOIN organization_owners ow ON ow.organization_id = m.organization_id AND ow.user_id = m.user_id
			LEFT JOIN organization_admins ad ON ad.organization_id = m.organization_id AND ad.user_id = m.user_id
			LEFT JOIN user_active_status ua ON ua.user_id = u.id AND ua.organization_id IS NULL AND ua.deactivated_at IS NULL
			LEFT JOIN user_suspensions us ON us.user_id = u.id AND us.organization_id IS NULL AND us.lifted_at IS NULL
				AND (us.suspended_until IS NULL OR us.suspended_until > k.now)
			LEFT JOIN user_archives ux ON ux.user_id = u.id AND ux.restored_at IS NULL
			LEFT JOIN user_active_status ma ON ma.user_id = m.user_id AND ma.organization_id = m.organization_id AND ma.deactivated_at IS NULL
			LEFT JOIN user_suspensions ms ON ms.user_id = m.user_id AND ms.organization_id = m.organization_id AND ms.lifted_at IS NULL
				AND (ms.suspended_until IS NULL OR ms.suspended_until > k.now)
			ORDER BY m.user_id`,
		"organizations": `SELECT o.id, o.name, o.created_at, o.updated_at, m.joined_at, sa.id IS NOT NULL, os.id IS NOT NULL,
			(CASE WHEN ow.user_id IS NOT NULL THEN 2048 WHEN ad.user_id IS NOT NULL THEN 1024 ELSE 512 END)
			FROM (SELECT om.organization_id, om.user_id, om.joined_at FROM organization_members om WHERE om.user_id = $1
				AND NOT EXISTS (SELECT 1 FROM organization_archives a WHERE a.organization_id = om.organization_id AND a.restored_at IS NULL)
				ORDER BY om.organization_id LIMIT $2) m
			CROSS JOIN (SELECT $3::timestamptz AS now) k
			JOIN organizations o ON o.id = m.organization_id
			LEFT JOIN organization_owners ow ON ow.organization_id = m.organization_id AND ow.user_id = m.user_id
			LEFT JOIN organization_admins ad ON ad.organization_id = m.organization_id AND ad.user_id = m.user_id
			LEFT JOIN organization_active_status sa ON sa.organization_id = o.id AND sa.deactivated_at IS NULL
			LEFT JOIN organization_suspensions os ON os.organization_id = o.id AND os.lifted_at IS NULL
				AND (os.suspended_until IS NULL OR os.suspended_until > k.now)
			ORDER BY o.id`,
		"person": `SELECT u.id, u.email, p.name, h.password_hash FROM (SELECT $1::text AS email) k
			JOIN users u ON u.email_canonical = k.email
			JOIN user_profile p ON p.user_id = u.id
			JOIN user_login_password h ON h.user_id = u.id`,
		"lock person": "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE",
		"hash":        "SELECT password_hash FROM user_login_password WHERE user_id = $1",
		"preferred": `SELECT m.organization_id FROM (SELECT $1::uuid AS user_id, $2::timestamptz AS now) k
			JOIN organization_members m ON m.user_id = k.user_id
			JOIN user_active_status ma ON ma.user_id = m.user_id AND ma.organization_id = m.organization_id AND ma.deactivated_at IS NULL
			WHERE NOT EXISTS (SELECT 1 FROM user_suspensions ms WHERE ms.user_id = m.user_id AND ms.organization_id = m.organization_id
				AND ms.lifted_at IS NULL AND (ms.suspended_until IS NULL OR ms.suspended_until > k.now))
			AND NOT EXISTS (SELECT 1 FROM organization_archives oa WHERE oa.organization_id = m.organization_id AND oa.restored_at IS NULL)
			AND NOT EXISTS (SELECT 1 FROM organization_suspensions os WHERE os.organization_id = m.organization_id
				AND os.lifted_at IS NULL AND (os.suspended_until IS NULL OR os.suspended_until > k.now))
			ORDER BY CASE WHEN m.organization_id = (SELECT s.organization_id FROM sessions s
				WHERE s.user_id = k.user_id AND s.organization_id IS NOT NULL ORDER BY s.rotated_at DESC LIMIT 1) THEN 0 ELSE 1 END,
				m.joined_at, m.organization_id LIMIT 1`,
		"begin session": `INSERT INTO sessions (id, user_id, organization_id, generation, created_at, rotated_at, expires_at, address, client)
			VALUES ($1, $2, $3, 1, $4, $4, $5, $6, $7)`,
		"chain":       "SELECT sequence, hash FROM audit_chains WHERE id = $1 FOR NO KEY UPDATE",
		"new chain":   "INSERT INTO audit_chains (id, sequence, hash, oldest_at) VALUES ($1, 0, '', $2) ON CONFLICT (id) DO NOTHING",
		"chain on":    "UPDATE audit_chains SET sequence = $1, hash = $2 WHERE id = $3",
		"new user":    "INSERT INTO users (id, email, email_canonical, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)",
		"new profile": "INSERT INTO user_profile (user_id, name) VALUES ($1, $2)",
		"new hash":    "INSERT INTO user_login_password (user_id, password_hash, updated_at) VALUES ($1, $2, $3)",
		"activate":    "INSERT INTO user_active_status (id, user_id, activated_at) VALUES ($1, $2, $3)",
		"found":       "INSERT INTO organizations (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)",
		"open":        "INSERT INTO organization_active_status (id, organization_id, activated_at, activated_by) VALUES ($1, $2, $3, $4)",
		"own":         "INSERT INTO organization_owners (organization_id, user_id, since) VALUES ($1, $2, $3)",
		"lock":        "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
		"join":        "INSERT INTO organization_members (organization_id, user_id, joined_at) VALUES ($1, $2, $3)",
		"leave":       "DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2",
		"welcome": `INSERT INTO user_active_status (id, user_id, organization_id, activated_at) SELECT $1::uuid, k.user_id, k.organization_id, $2::timestamptz
			FROM (SELECT $3::uuid AS user_id, $4::uuid AS organization_id) k
			WHERE NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = k.user_id AND a.organization_id = k.organization_id)`,
		"record": `INSERT INTO audit_events (chain_id, sequence, id, occurred_at, action, organization_id, user_id, actor_user_id, actor_role,
			session_id, address, client, request_id, details, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		"target": `SELECT (CASE WHEN ow.user_id IS NOT NULL THEN 2048 WHEN ad.user_id IS NOT NULL THEN 1024 ELSE 512 END) FROM (SELECT $1::uuid AS organization_id, $2::uuid AS user_id) t
			JOIN organization_members m ON m.organization_id = t.organization_id AND m.user_id = t.user_id
			LEFT JOIN organization_admins ad ON ad.organization_id = m.organization_id AND ad.user_id = m.user_id
			LEFT JOIN organization_owners ow ON ow.organization_id = m.organization_id AND ow.user_id = m.user_id`,
		"account": `SELECT u.id FROM users u WHERE u.id = $1
			AND NOT EXISTS (SELECT 1 FROM user_archives ux WHERE ux.user_id = u.id AND ux.restored_at IS NULL)`,
	}
	const advance = `UPDATE sessions SET generation = generation + 1, rotated_at = $1, address = $2, client = $3
		WHERE id = $4 AND user_id = $5 AND generation = $6 AND revoked_at IS NULL AND expires_at > $1
		RETURNING `
	if postgres {
		// The rotation and its condition in one statement, which is its own transaction.
		all["rotate"] = "WITH moved AS (" + advance + "id, user_id, organization_id, expires_at) SELECT " + standing + `, moved.organization_id, moved.expires_at, u.email, p.name
			FROM moved CROSS JOIN LATERAL (SELECT moved.user_id, moved.id AS session_id, moved.organization_id, $1 AS now) k` + joins +
			" JOIN user_profile p ON p.user_id = k.user_id"
		// A transaction that writes to an organization's chain locks its row with this statement.
		const chain = " COALESCE(c.sequence, 0), COALESCE(c.hash, '')" + parameters + joins + " LEFT JOIN audit_chains c ON c.id = k.organization_id"
		const record = `event AS (INSERT INTO audit_events (chain_id, sequence, id, occurred_at, action, organization_id, user_id, actor_user_id, actor_role,
				session_id, address, client, request_id, details, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15))
			INSERT INTO audit_chains (id, sequence, hash, oldest_at) VALUES ($1, $2, $15, $4)
			ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash`
		all["before adding"] = "SELECT " + standing + `, EXISTS (SELECT 1 FROM users t WHERE t.id = $5
			AND NOT EXISTS (SELECT 1 FROM user_archives tx WHERE tx.user_id = t.id AND tx.restored_at IS NULL)),` + chain
		all["before removing"] = "SELECT " + standing + ", COALESCE((" + all["target"] + "), 0)," + chain
		all["before removing"] = strings.Replace(all["before removing"], "SELECT $1::uuid AS organization_id, $2::uuid AS user_id", "SELECT k.organization_id, $5::uuid AS user_id", 1)
		all["add at once"] = `WITH member AS (INSERT INTO organization_members (organization_id, user_id, joined_at) VALUES ($6, $7, $4)),
			welcome AS (INSERT INTO user_active_status (id, user_id, organization_id, activated_at) SELECT $16::uuid, k.user_id, k.organization_id, $4
				FROM (SELECT $7 AS user_id, $6 AS organization_id) k
				WHERE NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = k.user_id AND a.organization_id = k.organization_id)), ` + record
		all["remove at once"] = "WITH gone AS (DELETE FROM organization_members WHERE organization_id = $6 AND user_id = $7), " + record
		return all
	}
	all["advance"] = advance + "organization_id, expires_at"
	for name, text := range all {
		all[name] = strings.NewReplacer("::uuid", "", "::text", "", "::timestamptz", "", " FOR NO KEY UPDATE", "").Replace(text)
	}
	return all
}
