package user

import (
	"guildhall/platform/field"
	"guildhall/platform/schema"
	"guildhall/platform/schema/column"
)

const fromNames = "it follows from the names and addresses in the archive"

const asHistory = "forever, as the history of the person's standing"

// Tables implements module.Module.
func (*Module) Tables() []schema.Table {
	return []schema.Table{{
		Name: "users", Owner: schema.OfPerson("id"), Standing: schema.Added("terms_at"), Tenants: schema.Shared("an account is a person's, in all organizations"),
		// Another server has to prove the addresses itself: an archive proves nothing. Its
		// worker stores the terms.
		Archive:   schema.ExportedIn("person", "id", "email", "email_canonical", "created_at", "updated_at").Omitting("email_verified_at", "locale", "terms_at"),
		Retention: schema.Kept("forever: an account is archived, never deleted"),
		Sample:    schema.Sampled(sampleUsers),
		Invariants: schema.Require(schema.Invariant{
			Name:  "I6 a canonical email address belongs to one account",
			Query: `SELECT MIN(email_canonical) FROM users GROUP BY lower(email_canonical) HAVING COUNT(*) > 1`,
		}, schema.Invariant{
			Name:   "I6 an email address has the canonical form that it is looked up by",
			Query:  "SELECT id, email, email_canonical FROM users",
			Breaks: func(row []string) bool { return field.Email(row[1]).Canonical() != row[2] }, // only Go can compute the form
			Remedy: "users.email was changed by hand: find out the person's address from a backup or the audit log, " +
				"and set both columns, email_canonical in lower case",
		}, termsInvariant()),
	}, {
		Name: "user_profile", Owner: schema.OfPerson("user_id"), Standing: schema.Added(),
		Tenants:    schema.Shared("a person has one for all organizations; lists of members read it through their memberships"),
		Archive:    schema.ExportedIn("person", "user_id", "name", "bio", "avatar_url"),
		Retention:  schema.Kept("as long as the account"),
		Sample:     schema.Sampled(sampleProfiles),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "user_terms", Owner: schema.OfPerson("user_id"), Standing: schema.Unread(), Tenants: schema.Shared("only platform administrators search all people"),
		Archive:    schema.NotExported(fromNames),
		Retention:  schema.Kept("until the person's name or address changes"),
		Sample:     schema.Sampled(sampleTerms),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "member_terms", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Unread(), Tenants: schema.Isolated(),
		Archive:    schema.NotExported(fromNames),
		Retention:  schema.Kept("until the person leaves or is removed, or their name or address changes"),
		Sample:     schema.Sampled(sampleMemberTerms),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "user_active_status", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Added(), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "user_active_status", Key: "id", Columns: []column.Column{
			column.ID("id"), column.Person("user_id"), column.Past("activated_at"), column.Person("activated_by").OrNull(),
			column.Past("deactivated_at").OrNull(), column.Person("deactivated_by").OrNull(),
		}}),
		Retention: schema.Kept(asHistory),
		Sample:    schema.Sampled(sampleStandings),
		Invariants: schema.Require(
			schema.OneOpen("I4 one open span of a person's activity", "user_active_status", "deactivated_at", "user_id", "organization_id"),
			schema.WholeEnd("I13 who ended a person's activity is known with when", "user_active_status", "deactivated_at", "deactivated_by"),
		),
	}, {
		Name: "user_suspensions", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Decides(), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "user_suspension", Key: "id", Columns: []column.Column{
			column.ID("id"), column.Person("user_id"), column.Written("reason", 1, 1000), column.Past("suspended_at"), column.Person("suspended_by").OrNull(),
			column.Moment("suspended_until").OrNull(), column.Past("lifted_at").OrNull(), column.Person("lifted_by").OrNull(),
		}}).Omitting("reason_shared"), // so after an import only admins read the reasons
		Retention: schema.Kept(asHistory),
		Sample:    schema.NoSample("all people of the sample data are in good standing"),
		Invariants: schema.Require(
			schema.OneOpen("I4 one open suspension of a person and scope", "user_suspensions", "lifted_at", "user_id", "organization_id"),
			schema.WholeEnd("I13 who lifted a person's suspension is known with when", "user_suspensions", "lifted_at", "lifted_by"),
		),
	}, {
		Name: "user_archives", Owner: schema.OfPerson("user_id"), Standing: schema.Decides(), Tenants: schema.Shared("an account is archived as a whole, for all organizations"),
		Archive:   schema.NotExported("it is about the account as a whole"),
		Retention: schema.Kept(asHistory),
		Sample:    schema.NoSample("all people of the sample data are in good standing"),
		Invariants: schema.Require(
			schema.OneOpen("I4 one open archive of a person", "user_archives", "restored_at", "user_id"),
			schema.WholeEnd("I13 who restored a person, and why, is known with when", "user_archives", "restored_at", "restored_by", "restore_reason"),
		),
	}}
}

// Invariants implements module.Checker.
func (*Module) Invariants() []schema.Invariant {
	return []schema.Invariant{memberTermsInvariant(), {
		Name:   "I5 an account has a profile",
		Query:  `SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM user_profile p WHERE p.user_id = u.id)`,
		Remedy: "create one by hand, and inform the person: INSERT INTO user_profile (user_id, name) VALUES ('…', '…')",
	}, {
		Name:  "I5 an account has a standing",
		Query: `SELECT u.id FROM users u WHERE NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = u.id AND a.organization_id IS NULL)`,
	}, {
		Name: "I5 a member has a standing",
		Query: `SELECT m.user_id FROM organization_members m
			WHERE NOT EXISTS (SELECT 1 FROM user_active_status a WHERE a.user_id = m.user_id AND a.organization_id = m.organization_id)`,
	}, {
		Name: "I10 an archived account is not active",
		Query: `SELECT x.user_id FROM user_archives x
			JOIN user_active_status a ON a.user_id = x.user_id AND a.organization_id IS NULL AND a.deactivated_at IS NULL WHERE x.restored_at IS NULL`,
	}}
}
