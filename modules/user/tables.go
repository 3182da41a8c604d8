package user

import (
	"github.com/google/uuid"

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
		// worker stores the terms. An external id is unique on a server, not among servers.
		Archive: schema.ExportedIn("person", "id", "email", "email_canonical", "created_at", "updated_at").Omitting("email_verified_at", "locale", "terms_at", "external_id", "factor_enrolled_at", "erase_at", "erased_at"),
		Erasure: schema.Blanked("UPDATE users SET email_verified_at = NULL, locale = NULL, external_id = NULL, factor_enrolled_at = NULL, erase_at = NULL, erased_at = " + schema.Moment + ", updated_at = " + schema.Moment + " WHERE id = " + schema.Person), // and its address: Service.erase
		Copy: schema.Copied("account", "id = "+schema.Person, "id", "email", "email_verified_at", "locale", "external_id", "factor_enrolled_at", "created_at", "updated_at", "erase_at", "erased_at").
			Omitting("other forms and times of the same", "email_canonical", "terms_at"),
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
		Erasure:    schema.Blanked("UPDATE user_profile SET name = '" + schema.Erased + "', bio = NULL, avatar_url = NULL WHERE user_id = " + schema.Person),
		Copy:       schema.Copied("profile", "user_id = "+schema.Person, "name", "bio", "avatar_url").Omitting("it is the id of the export", "user_id"),
		Retention:  schema.Kept("as long as the account"),
		Sample:     schema.Sampled(sampleProfiles),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "user_terms", Owner: schema.OfPerson("user_id"), Standing: schema.Unread(), Tenants: schema.Shared("only platform administrators search all people"),
		Archive:    schema.NotExported(fromNames),
		Erasure:    schema.RowsGo("user_terms", "user_id = "+schema.Person),
		Copy:       schema.NotCopied("they are the words of the name and the address"),
		Retention:  schema.Kept("until the person's name or address changes"),
		Sample:     schema.Sampled(sampleTerms),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "member_terms", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Unread(), Tenants: schema.Isolated(),
		Archive:    schema.NotExported(fromNames),
		Erasure:    schema.RowsGo("member_terms", "user_id = "+schema.Person),
		Copy:       schema.NotCopied("they are the words of the name and the address"),
		Retention:  schema.Kept("until the person leaves or is removed, or their name or address changes"),
		Sample:     schema.Sampled(sampleMemberTerms),
		Invariants: schema.ByConstraints(),
	}, {
		Name: "user_active_status", Owner: schema.OfBoth("organization_id", "user_id"), Standing: schema.Added(), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "user_active_status", Key: "id", Columns: []column.Column{
			column.ID("id"), column.Person("user_id"), column.Past("activated_at"), column.Person("activated_by").OrNull(),
			column.Past("deactivated_at").OrNull(), column.Person("deactivated_by").OrNull(),
		}}),
		Erasure:   schema.Remains("it has only ids and times"),
		Copy:      schema.Copied("standing", "user_id = "+schema.Person, "organization_id", "activated_at", "deactivated_at").Omitting("ids of the row, and of others who acted", "id", "user_id", "activated_by", "deactivated_by"),
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
		Erasure: schema.Blanked("UPDATE user_suspensions SET reason = '" + schema.Erased + "' WHERE user_id = " + schema.Person),
		Copy: schema.Copied("suspensions", "user_id = "+schema.Person, "organization_id", "reason", "reason_shared", "suspended_at", "suspended_until", "lifted_at").
			Omitting("ids of the row, and of others who acted", "id", "user_id", "suspended_by", "lifted_by").Showing(sharedReason),
		Retention: schema.Kept(asHistory),
		Sample:    schema.NoSample("all people of the sample data are in good standing"),
		Invariants: schema.Require(
			schema.OneOpen("I4 one open suspension of a person and scope", "user_suspensions", "lifted_at", "user_id", "organization_id"),
			schema.WholeEnd("I13 who lifted a person's suspension is known with when", "user_suspensions", "lifted_at", "lifted_by"),
		),
	}, {
		Name: "user_archives", Owner: schema.OfPerson("user_id"), Standing: schema.Decides(), Tenants: schema.Shared("an account is archived as a whole, for all organizations"),
		Archive: schema.NotExported("it is about the account as a whole"),
		Erasure: schema.Blanked("UPDATE user_archives SET reason = '" + schema.Erased + "', restore_reason = CASE WHEN restore_reason IS NOT NULL THEN '" + schema.Erased + "' END WHERE user_id = " + schema.Person),
		Copy: schema.Copied("archives", "user_id = "+schema.Person, "reason", "archived_at", "archived_by", "restored_at").
			Omitting("ids of the row and of others, and a reason that only platform administrators give", "id", "user_id", "restored_by", "restore_reason").Showing(ownReason),
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
	}, {
		Name: "I25 an erased account stays archived, and nothing of the person is left",
		Query: `SELECT u.id FROM users u WHERE u.erased_at IS NOT NULL AND (u.erase_at IS NOT NULL OR u.email_verified_at IS NOT NULL OR u.external_id IS NOT NULL
			OR NOT EXISTS (SELECT 1 FROM user_archives x WHERE x.user_id = u.id AND x.restored_at IS NULL)
			OR EXISTS (SELECT 1 FROM user_profile p WHERE p.user_id = u.id AND (p.name <> '` + schema.Erased + `' OR p.bio IS NOT NULL OR p.avatar_url IS NOT NULL))
			OR EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = u.id)
			OR EXISTS (SELECT 1 FROM user_login_password h WHERE h.user_id = u.id))`,
	}}
}

// sharedReason leaves out the reason of a suspension that only others may read.
func sharedReason(row map[string]any, _ uuid.UUID) {
	if row["organization_id"] == nil || row["reason_shared"] != true { // mutant: export-reason-of-account
		delete(row, "reason")
	}
	delete(row, "reason_shared")
}

// ownReason leaves out the reason of an archive that somebody else gave, and who that was.
func ownReason(row map[string]any, person uuid.UUID) {
	if row["archived_by"] != person.String() { // mutant: export-reason-of-archive
		delete(row, "reason")
	}
	delete(row, "archived_by")
}
