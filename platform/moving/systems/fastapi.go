package systems

import (
	"context"
	"errors"

	"guildhall/platform/database"
	"guildhall/platform/moving"
)

// fastapi is the service that Guildhall began as, datagusto-platform: its thirteen tables as
// of the alembic revision c3706f5fffe8, or twelve since 5f4880c2a5ea, which has dropped
// user_suspensions. All ids are kept.
var fastapi = System{Name: "fastapi", database: func(ctx context.Context, db *database.Foreign, o Options, take moving.Take) error {
	if db.Driver != database.Postgres {
		return errors.New("the service has a PostgreSQL database")
	}
	row := numbered(take)
	err := db.Each(ctx, `SELECT o.id::text AS id, o.name, o.created_at, a.organization_id IS NOT NULL AS active, s.reason AS suspension, s.suspended_by = w.user_id AS by_owner,
			x.reason AS archive,
			(SELECT p.email FROM user_login_password p WHERE p.user_id = w.user_id ORDER BY p.id LIMIT 1) AS owner
		FROM organizations o
		LEFT JOIN organization_active_status a ON a.organization_id = o.id
		LEFT JOIN organization_owners w ON w.organization_id = o.id
		LEFT JOIN organization_archives x ON x.organization_id = o.id
		LEFT JOIN LATERAL (SELECT reason, suspended_by FROM organization_suspensions s WHERE s.organization_id = o.id ORDER BY created_at DESC LIMIT 1) s ON TRUE
		ORDER BY o.id`, nil, func(values map[string]any) error { return row(fastapiOrganization(values, o)) })
	if err != nil {
		return err
	}
	suspensions, err := db.Columns(ctx, "public", "user_suspensions")
	if err != nil {
		return err
	}
	suspended := "(SELECT NULL::text AS reason, NULL::timestamptz AS suspended_until)"
	if len(suspensions) > 0 {
		suspended = `(SELECT reason, suspended_until FROM user_suspensions s WHERE s.user_id = u.id AND lifted_at IS NULL
			AND (suspended_until IS NULL OR suspended_until > now()) ORDER BY created_at DESC LIMIT 1)`
	}
	return db.Each(ctx, `SELECT u.id::text AS id, u.created_at, l.email, l.hashed_password, p.name, p.bio, p.avatar_url, p.language,
			a.user_id IS NOT NULL AS active, s.reason AS suspension, s.suspended_until, x.reason AS archive,
			(SELECT json_agg(json_build_object('organization', m.organization_id, 'joined_at', m.created_at,
					'owner', w.user_id IS NOT NULL, 'admin', ad.user_id IS NOT NULL) ORDER BY m.organization_id)
				FROM organization_members m
				LEFT JOIN organization_owners w ON w.organization_id = m.organization_id AND w.user_id = m.user_id
				LEFT JOIN organization_admins ad ON ad.organization_id = m.organization_id AND ad.user_id = m.user_id
				WHERE m.user_id = u.id)::text AS memberships
		FROM users u
		LEFT JOIN LATERAL (SELECT email, hashed_password FROM user_login_password l WHERE l.user_id = u.id ORDER BY id LIMIT 1) l ON TRUE
		LEFT JOIN user_profile p ON p.user_id = u.id
		LEFT JOIN user_active_status a ON a.user_id = u.id
		LEFT JOIN LATERAL `+suspended+` s ON TRUE
		LEFT JOIN user_archives x ON x.user_id = u.id
		ORDER BY u.id`, nil, func(values map[string]any) error { return row(fastapiPerson(values)) })
}}

func fastapiOrganization(from record, o Options) *moving.Row {
	r := &moving.Row{Type: "organization", ID: from.optional("id"), Name: from.optional("name"), CreatedAt: from.moment("created_at"), Owner: from.optional("owner")}
	if r.Owner == nil {
		r.Owner = optional(o.Owner)
	}
	switch {
	case from.has("suspension"):
		suspend(r, from.text("suspension"), nil)
		if from.is("by_owner") {
			r.SuspendedByOwner = new(true)
		}
	case !from.is("active") && !from.has("archive"):
		suspend(r, "", nil)
	}
	if from.has("archive") {
		archive(r, from.text("archive"))
	}
	return r
}

func fastapiPerson(from record) *moving.Row {
	r := person(from.text("email"), from.text("name"))
	r.ID, r.CreatedAt, r.PasswordHash = from.optional("id"), from.moment("created_at"), from.optional("hashed_password")
	r.Bio, r.AvatarURL, r.Locale = from.optional("bio"), avatar(from.text("avatar_url")), locale(from.text("language"))
	if !from.is("active") && !from.has("archive") {
		stand(r, "deactivated")
	}
	if from.has("suspension") {
		suspend(r, from.text("suspension"), from.moment("suspended_until"))
	}
	if from.has("archive") {
		archive(r, from.text("archive"))
	}
	for _, m := range from.list("memberships") {
		role := "member"
		switch {
		case m.is("owner"):
			role = "owner"
		case m.is("admin"):
			role = "admin"
		}
		r.Memberships = append(r.Memberships, moving.MembershipRow{Organization: m.optional("organization"), Role: &role, JoinedAt: m.moment("joined_at")})
	}
	return r
}
