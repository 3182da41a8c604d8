package systems

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"guildhall/platform/database"
	"guildhall/platform/moving"
)

// betterAuth reads the tables of better-auth: user and account, and organization and member
// of its organization plugin. Tables may be called users, and so on. Columns have
// better-auth's names, such as emailVerified, or the same in snake case. External ids are
// better-auth's.
var betterAuth = System{Name: "better-auth", database: func(ctx context.Context, db *database.Foreign, o Options, take moving.Take) error {
	b, err := betterAuthOf(ctx, db)
	if err != nil {
		return err
	}
	row := numbered(take)
	if b.hasOrganizations() {
		if err := db.Each(ctx, b.organizations(), nil, func(values map[string]any) error { return row(betterAuthOrganization(values, o)) }); err != nil {
			return err
		}
	}
	return db.Each(ctx, b.people(), nil, func(values map[string]any) error { return row(betterAuthPerson(values)) })
}}

// betterAuthTables are the tables as they are called in one database.
type betterAuthTables struct {
	user, account, organization, member betterAuthTable
	array, object                       string // the functions that make JSON
}

type betterAuthTable struct {
	name    string // quoted
	columns map[string]bool
}

func betterAuthOf(ctx context.Context, db *database.Foreign) (*betterAuthTables, error) {
	b := &betterAuthTables{array: "json_group_array", object: "json_object"}
	schema := ""
	if db.Driver == database.Postgres {
		b.array, b.object = "json_agg", "json_build_object"
		err := db.Each(ctx, "SELECT current_schema()::text AS name", nil, func(values map[string]any) error {
			schema = record(values).text("name")
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for name, t := range map[string]*betterAuthTable{"user": &b.user, "account": &b.account, "organization": &b.organization, "member": &b.member} {
		for _, name := range []string{name, name + "s"} {
			columns, err := db.Columns(ctx, schema, name)
			if err != nil {
				return nil, err
			}
			if len(columns) > 0 {
				*t = betterAuthTable{quoted(name), columns}
				break
			}
		}
	}
	if !b.user.has("emailVerified") || !b.account.has("providerId") {
		return nil, errors.New("it is no database of better-auth: it has no tables user and account with its columns")
	}
	for _, t := range []betterAuthTable{b.user, b.account, b.organization, b.member} {
		if db.Driver == database.Postgres && t.name != "" {
			if err := allRows(ctx, db, t.name); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

func (b *betterAuthTables) hasOrganizations() bool {
	return b.organization.has("name") && b.member.has("organizationId")
}

// actual returns the name that a column has.
func (t betterAuthTable) actual(column string) string {
	if t.columns[column] {
		return column
	}
	var snake strings.Builder
	for _, c := range column {
		if unicode.IsUpper(c) {
			snake.WriteByte('_')
		}
		snake.WriteRune(unicode.ToLower(c))
	}
	return snake.String()
}

func (t betterAuthTable) has(column string) bool { return t.columns[t.actual(column)] }

// text selects a column as text, or NULL if there is none.
func (t betterAuthTable) text(alias, column string) string {
	if !t.has(column) {
		return "NULL AS " + quoted(column)
	}
	return "CAST(" + t.of(alias, column) + " AS text) AS " + quoted(column)
}

// of is a column in a condition.
func (t betterAuthTable) of(alias, column string) string {
	return alias + "." + quoted(t.actual(column))
}

// named is the condition for users other than those of the anonymous plugin.
func (b *betterAuthTables) named() string {
	if !b.user.has("isAnonymous") {
		return "TRUE"
	}
	return b.user.of("u", "isAnonymous") + " IS NOT TRUE"
}

// joined is the common table of memberships: those of an organization in the order of their
// power, and then of joining. An organization has one owner here: the first one, who has
// place 1. Memberships of accounts that are gone, or anonymous, don't count.
func (b *betterAuthTables) joined() string {
	m := b.member
	return fmt.Sprintf(`WITH roles AS (
			SELECT %[1]s AS person, %[2]s AS organization, m.id, %[3]s AS joined_at, m.role,
				CASE WHEN ',' || REPLACE(LOWER(m.role), ' ', '') || ',' LIKE '%%,owner,%%' THEN 2
					WHEN ',' || REPLACE(LOWER(m.role), ' ', '') || ',' LIKE '%%,admin,%%' THEN 1 ELSE 0 END AS power
			FROM %[4]s m JOIN %[5]s u ON u.id = %[1]s WHERE %[6]s
		), joined AS (
			SELECT person, organization, joined_at, role, power,
				ROW_NUMBER() OVER (PARTITION BY organization ORDER BY power DESC, joined_at, id) AS place
			FROM roles
		)`, m.of("m", "userId"), m.of("m", "organizationId"), m.of("m", "createdAt"), m.name, b.user.name, b.named())
}

func (b *betterAuthTables) organizations() string {
	o := b.organization
	return fmt.Sprintf(`%s SELECT %s, %s, %s, w.organization IS NULL AS ownerless
		FROM %s o LEFT JOIN joined w ON w.organization = o.id AND w.power = 2 AND w.place = 1
		ORDER BY o.id`, b.joined(), o.text("o", "id"), o.text("o", "name"), o.text("o", "createdAt"), o.name)
}

func (b *betterAuthTables) people() string {
	with, memberships, join := "", "NULL AS memberships", ""
	if b.hasOrganizations() {
		with, memberships = b.joined(), "m.memberships"
		join = fmt.Sprintf(`LEFT JOIN (SELECT person, CAST(%s(%s('organization', CAST(organization AS text), 'role', role, 'joined_at', joined_at, 'first', place = 1)
			ORDER BY organization, place) AS text) AS memberships FROM joined GROUP BY person) m ON m.person = u.id`, b.array, b.object)
	}
	u, a := b.user, b.account
	selected := []string{memberships, "a.password"}
	for _, column := range []string{"id", "email", "name", "emailVerified", "image", "createdAt", "banned", "banReason", "banExpires"} {
		selected = append(selected, u.text("u", column))
	}
	return fmt.Sprintf(`%s SELECT %s FROM %s u
		LEFT JOIN (SELECT %[4]s AS person, MIN(a.password) AS password FROM %[5]s a WHERE %[6]s = 'credential' GROUP BY %[4]s) a ON a.person = u.id
		%[7]s WHERE %[8]s ORDER BY u.id`, with, strings.Join(selected, ", "), u.name, a.of("a", "userId"), a.name, a.of("a", "providerId"), join, b.named())
}

func betterAuthOrganization(from record, o Options) *moving.Row {
	r := &moving.Row{Type: "organization", Name: from.optional("name"), CreatedAt: from.moment("createdAt")}
	identify(r, from.text("id"))
	if from.is("ownerless") {
		r.Owner = optional(o.Owner)
	}
	return r
}

func betterAuthPerson(from record) *moving.Row {
	r := person(from.text("email"), from.text("name"))
	identify(r, from.text("id"))
	r.CreatedAt = from.moment("createdAt")
	r.EmailVerified, r.AvatarURL, r.PasswordHash = new(from.is("emailVerified")), avatar(from.text("image")), from.optional("password")
	if from.is("banned") {
		suspend(r, from.text("banReason"), from.moment("banExpires"))
	}
	var last string
	for _, m := range from.list("memberships") { // in the order of organizations, and the highest role first
		organization, role := m.text("organization"), betterAuthRole(m.text("role"), m.is("first"))
		if organization == last { // nothing in its tables prevents a second membership
			continue
		}
		last = organization
		r.Memberships = append(r.Memberships, moving.MembershipRow{Organization: &organization, Role: &role, JoinedAt: m.moment("joined_at")})
	}
	return r
}

// betterAuthRole returns the role here. A member may have several, with commas between them,
// and others than better-auth's own three.
func betterAuthRole(roles string, first bool) string {
	role := "member"
	for one := range strings.SplitSeq(strings.ToLower(roles), ",") {
		switch strings.TrimSpace(one) {
		case "owner":
			if first {
				return "owner"
			}
			role = "admin"
		case "admin":
			role = "admin"
		}
	}
	return role
}
