package systems

import (
	"bufio"
	"context"

	"guildhall/platform/database"
	"guildhall/platform/moving"
)

// laravel reads the table users of a Laravel application, and the teams of Jetstream, of its
// database or in files. External ids are those of the tables.
//
// Jetstream makes a personal team for everybody. One comes along if it has another member.
var laravel = System{
	Name: "laravel",
	files: func(o Options) reader {
		return &laravelReader{options: o, people: map[string]bool{}, teams: map[string]*laravelTeam{}, members: map[string][]laravelMember{}}
	},
	database: func(ctx context.Context, db *database.Foreign, o Options, take moving.Take) error {
		users, err := usersOf(ctx, db, "users", "id", "email", "password")
		if err != nil {
			return err
		}
		teams, err := columnsOf(ctx, db, "teams")
		if err != nil {
			return err
		}
		members, err := columnsOf(ctx, db, "team_user")
		if err != nil {
			return err
		}
		row := numbered(take)
		memberships := ""
		if teams["user_id"] && teams["name"] && members["team_id"] && members["user_id"] {
			there := without(users, "y", "deleted_at")
			along := without(teams, "t", "deleted_at")
			if teams["personal_team"] {
				along += " AND (NOT t.personal_team OR EXISTS (SELECT 1 FROM team_user x JOIN users y ON y.id = x.user_id AND " + there +
					" WHERE x.team_id = t.id AND x.user_id IS DISTINCT FROM t.user_id))"
			}
			err := db.Each(ctx, "SELECT "+existing(teams, "t", "id", "name", "created_at")+", EXISTS (SELECT 1 FROM users y WHERE y.id = t.user_id AND "+there+
				") AS owned FROM teams t WHERE "+along+" ORDER BY t.id", nil, func(values map[string]any) error {
				team := record(values)
				return row(laravelOrganization(team, team.is("owned"), o))
			})
			if err != nil {
				return err
			}
			role, joined := "NULL", "NULL"
			if members["role"] {
				role = "x.role"
			}
			if members["created_at"] {
				joined = "x.created_at"
			}
			memberships = ` LEFT JOIN (SELECT user_id, ` + gathered(db.Driver, "organization", "owns", "role", "joined_at") + ` AS memberships FROM (
					SELECT x.user_id, x.team_id AS organization, 0 AS owns, ` + role + ` AS role, ` + joined + ` AS joined_at
						FROM team_user x JOIN teams t ON t.id = x.team_id AND t.user_id IS DISTINCT FROM x.user_id WHERE ` + along + `
					UNION ALL SELECT t.user_id, t.id, 1, NULL, NULL FROM teams t WHERE ` + along + `) every
				GROUP BY user_id) m ON m.user_id = u.id`
		}
		columns := existing(users, "u", "id", "name", "first_name", "last_name", "username", "email", "email_verified_at", "password", "created_at")
		if memberships != "" {
			columns += ", m.memberships"
		}
		return db.Each(ctx, "SELECT "+columns+" FROM users u"+memberships+" WHERE "+without(users, "u", "deleted_at")+" ORDER BY u.id", nil, func(values map[string]any) error {
			u := record(values)
			var list []moving.MembershipRow
			for _, m := range u.list("memberships") {
				list = append(list, laravelMembership(m.text("organization"), m.is("owns"), m.text("role"), m.moment("joined_at")))
			}
			return row(laravelPerson(u, list))
		})
	},
}

func laravelOrganization(team record, owned bool, o Options) *moving.Row {
	r := &moving.Row{Type: "organization", Name: team.optional("name"), CreatedAt: team.moment("created_at")}
	identify(r, team.text("id"))
	if !owned {
		r.Owner = optional(o.Owner)
	}
	return r
}

func laravelPerson(u record, memberships []moving.MembershipRow) *moving.Row {
	p := person(u.text("email"), u.text("name"), named(u.text("first_name"), u.text("last_name")), nickname(u.text("username")))
	identify(p, u.text("id"))
	p.PasswordHash, p.EmailVerified, p.CreatedAt, p.Memberships = u.optional("password"), new(u.dated("email_verified_at")), u.moment("created_at"), memberships
	return p
}

// laravelMembership returns a membership. A team's owner is the one that it names: whatever a
// role is called, it makes nobody else its owner.
func laravelMembership(team string, owns bool, role string, joined *string) moving.MembershipRow {
	switch role = roleOf(role); {
	case owns:
		role = "owner"
	case role == "owner":
		role = "admin"
	}
	return moving.MembershipRow{Organization: &team, Role: &role, JoinedAt: joined}
}

// laravelReader reads three kinds of records: users; teams, perhaps with their members; and
// the table of members.
type laravelReader struct {
	options Options
	people  map[string]bool
	teams   map[string]*laravelTeam
	members map[string][]laravelMember // by user
	counted bool
}

type laravelTeam struct {
	owner            string
	personal, shared bool
}

type laravelMember struct {
	team, role string
	joined     *string
}

// laravelKind returns users, teams or team_user.
func laravelKind(r record) string {
	has := func(name string) bool { _, is := r[name]; return is }
	switch {
	case has("email"):
		return "users"
	case has("team_id") && has("user_id"):
		return "team_user"
	case has("user_id") && has("name"):
		return "teams"
	default:
		return "users" // which the import refuses
	}
}

func (l *laravelReader) learn(in *bufio.Reader) error {
	return records(in, func(_ int64, r record) error {
		if r.moment("deleted_at") != nil {
			return nil
		}
		switch laravelKind(r) {
		case "users":
			l.people[r.text("id")] = true
		case "team_user":
			l.join(r.text("team_id"), r.text("user_id"), r)
		case "teams":
			id, owner := r.text("id"), r.text("user_id")
			l.teams[id] = &laravelTeam{owner: owner, personal: r.is("personal_team")}
			for _, u := range r.list("users") {
				m := u.nested("membership") // as Jetstream calls it
				if m == nil {
					m = u.nested("pivot")
				}
				l.join(id, u.text("id"), m)
			}
			l.members[owner] = append(l.members[owner], laravelMember{team: id})
		}
		return nil
	})
}

func (l *laravelReader) join(team, user string, m record) {
	l.members[user] = append(l.members[user], laravelMember{team, m.text("role"), m.moment("created_at")})
}

// count finds out which teams have a member beside the owner.
func (l *laravelReader) count() {
	if l.counted {
		return
	}
	l.counted = true
	for user, list := range l.members {
		for _, m := range list {
			if team := l.teams[m.team]; team != nil && team.owner != user && l.people[user] {
				team.shared = true
			}
		}
	}
}

func (l *laravelReader) along(team string) bool {
	t := l.teams[team]
	return t != nil && (!t.personal || t.shared)
}

func (l *laravelReader) rows(in *bufio.Reader, take moving.Take) error {
	l.count()
	return records(in, func(n int64, r record) error {
		if r.moment("deleted_at") != nil {
			return nil
		}
		id := r.text("id")
		switch kind := laravelKind(r); {
		case kind == "users":
			return take(n, laravelPerson(r, l.memberships(id)))
		case kind == "teams" && l.along(id):
			return take(n, laravelOrganization(r, l.people[l.teams[id].owner], l.options))
		}
		return nil
	})
}

func (l *laravelReader) memberships(user string) (list []moving.MembershipRow) {
	seen := map[string]bool{}
	for _, m := range l.members[user] {
		if seen[m.team] || !l.along(m.team) {
			continue
		}
		seen[m.team] = true
		list = append(list, laravelMembership(m.team, l.teams[m.team].owner == user, m.role, m.joined))
	}
	return list
}
